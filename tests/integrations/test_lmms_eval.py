"""The lmms-eval pack: files as the harness reads them, functions run as it calls them."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from mien.bench.harness import Question, QuestionError, score
from mien.bench.harness.lmms_files import COMMON, UTILS, task_files, write_folder
from mien.bench.suite import Suite, list_suites, load_suite
from mien.partfile import SinkError
from mien.sample import Sample
from tests.integrations.conftest import picture

ROOT = Path(__file__).parents[2]
PACK = ROOT / "integrations" / "lmms_eval"


def module(path: Path) -> ModuleType:
    """A file as a module, the way the harness loads utils.py."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def load(path: Path) -> dict[str, Any]:
    """A task file with its include, `!function` resolved from the file beside it."""
    utils = module(path.parent / UTILS)

    class Loader(yaml.SafeLoader):
        pass

    def function(loader: Any, node: Any) -> Callable:
        file, name = loader.construct_scalar(node).split(".")
        assert file == "utils"
        return getattr(utils, name)

    Loader.add_constructor("!function", function)
    config = yaml.load(path.read_text(), Loader)
    if include := config.pop("include", None):
        config = {**yaml.load((path.parent / include).read_text(), Loader), **config}
    return config


class Table:
    """As much of a table of Hugging Face's datasets as the pack asks for."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.column_names = list(rows[0])

    def filter(self, keep: Callable, input_columns: list[str]) -> Table:
        return Table([row for row in self.rows if keep(*(row[name] for name in input_columns))])

    def remove_columns(self, names: list[str]) -> Table:
        return Table([{k: v for k, v in row.items() if k not in names} for row in self.rows])

    def rename_column(self, old: str, new: str) -> Table:
        return Table([{new if k == old else k: v for k, v in row.items()} for row in self.rows])


def read(path: Path) -> Table:
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        for name, value in row.items():
            if isinstance(value, dict):
                row[name] = Image.open(io.BytesIO(value["bytes"]))
    return Table(rows)


@pytest.fixture
def folder(tmp_path: Path, samples: list[Sample], suite: Suite) -> Path:
    bare = replace(samples[0], id="e", expression=None)
    shades = {name: [picture(10 * k)] for k, name in enumerate("abcde")}
    count = write_folder(suite, [*samples, bare], lambda s: shades[s.id], tmp_path / "tasks")
    assert count == 5
    return tmp_path / "tasks"


def run(folder: Path, task: str, answer: Callable[[Question], str]) -> dict[str, float]:
    """One task as the harness runs it: prompt, answer, `process_results`, then aggregation."""
    config = load(folder / f"mien_by_hand_{task}.yaml")
    data = config["dataset_kwargs"]["data_files"][config["test_split"]]
    docs = config["process_docs"](read(folder / data)).rows
    payloads: dict[str, list] = {row["metric"]: [] for row in config["metric_list"]}
    for doc in docs:
        (image,) = config["doc_to_visual"](doc)
        assert image.mode == "RGB"
        question = Question.from_json(doc["question"])
        assert config["doc_to_text"](doc) == f"Say the {task}."
        results = config["process_results"](doc, [answer(question)])
        assert json.loads(json.dumps(results)) == results  # it goes into a log
        for name, values in payloads.items():
            values.append(results[name])
    return {m["metric"]: m["aggregation"](payloads[m["metric"]]) for m in config["metric_list"]}


@pytest.mark.parametrize(
    ("task", "faces"),
    [("expression", 4), ("au_detection", 5), ("reasoning", 4), ("valence_arousal", 5)],
)
def test_a_task_runs_and_scores_as_mien_does(folder: Path, task: str, faces: int) -> None:
    seen: list[Question] = []
    said: list[str] = []

    def answer(question: Question) -> str:
        seen.append(question)
        said.append(question.target if len(seen) % 2 else "I cannot tell.")
        return said[-1]

    figures = run(folder, task, answer)
    assert len(seen) == faces
    assert figures == pytest.approx(score(seen, said), nan_ok=True)
    assert figures["parse_rate"] == pytest.approx(((faces + 1) // 2) / faces)


def test_war_brings_what_standard_errors_need(folder: Path) -> None:
    config = load(folder / "mien_by_hand_expression.yaml")
    doc = config["process_docs"](read(folder / "by-hand.parquet")).rows[2]
    found = config["process_results"](doc, ["Sadness."])
    assert config["cluster_key"] == "cluster"
    assert (found["war"]["score"], found["war"]["cluster"]) == (1.0, "c")
    assert config["process_results"](doc, [])["war"]["score"] == 0.0
    assert "score" not in found["uar"]  # UAR is no mean over faces
    assert config["doc_to_target"](doc) == "sadness"


def test_frames_of_a_clip_come_in_order(
    tmp_path: Path, samples: list[Sample], suite: Suite
) -> None:
    clips = replace(suite, frames=3)
    shades = {"a": [10, 20, 30], "b": [40]}  # a short clip has fewer
    write_folder(clips, samples[:2], lambda s: [picture(v) for v in shades[s.id]], tmp_path)
    config = load(tmp_path / "mien_by_hand_expression.yaml")
    for doc, wanted in zip(
        config["process_docs"](read(tmp_path / "by-hand.parquet")).rows,
        shades.values(),
        strict=True,
    ):
        pictures = config["doc_to_visual"](doc)
        assert [p.getpixel((0, 0))[0] for p in pictures] == wanted


def test_pictures_are_marked_as_such(folder: Path) -> None:
    """The harness finds columns of pictures by their features, and keeps them out of its logs."""
    metadata = pq.read_schema(folder / "by-hand.parquet").metadata[b"huggingface"]
    features = json.loads(metadata)["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["expression"] == {"dtype": "string", "_type": "Value"}


def test_group_names_every_task(folder: Path, suite: Suite) -> None:
    group = yaml.safe_load((folder / "mien_by_hand.yaml").read_text())
    assert group["group"] == "mien_by_hand"
    assert group["task"] == [f"mien_by_hand_{task.name}" for task in suite.tasks]
    assert all((folder / f"{name}.yaml").is_file() for name in group["task"])


def test_tasks_of_another_name_than_their_kind_are_refused(suite: Suite) -> None:
    two = replace(suite, tasks=(replace(suite.tasks[0], name="mine"),))
    with pytest.raises(QuestionError, match="task 'mine'"):
        task_files(two)


def test_an_unreadable_picture_leaves_nothing_behind(
    tmp_path: Path, samples: list[Sample], suite: Suite
) -> None:
    def encode(sample: Sample) -> list[bytes]:
        if sample.id == "c":
            raise FileNotFoundError("c.png: no such file")
        return [picture()]

    with pytest.raises(FileNotFoundError, match=r"c\.png"):
        write_folder(suite, samples, encode, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_closed_place_is_named(tmp_path: Path, samples: list[Sample], suite: Suite) -> None:
    (tmp_path / "by-hand.parquet").mkdir()
    with pytest.raises(SinkError, match=r"by-hand\.parquet"):
        write_folder(suite, samples, lambda s: [picture()], tmp_path)


# The folder that comes with mien


def test_pack_is_what_the_suites_say() -> None:
    wanted = module(PACK.parent / "write.py").files()
    found = {p.name: p.read_text() for p in PACK.iterdir() if p.suffix in (".yaml", ".py", "")}
    found = {name: text for name, text in found.items() if (PACK / name).is_file()}
    assert found == wanted, "run `python integrations/write.py`"


@pytest.mark.parametrize(
    "suite",
    [
        *("feabench-synth", "rafdb", "affectnet7", "affectnet8", "ferplus", "bp4d", "disfa"),
        *("dfew", "ferv39k", "mafw"),
    ],
)
def test_pack_has_the_tasks_of(suite: str) -> None:
    assert suite in list_suites()
    spec = load_suite(suite)
    for task in spec.tasks:
        config = load(PACK / f"mien_{suite.replace('-', '_')}_{task.name}.yaml")
        assert config["output_type"] == "generate_until"
        assert config["generation_kwargs"]["temperature"] == 0
        assert config["generation_kwargs"]["max_new_tokens"] == task.max_tokens
        assert config["metadata"]["version"] == spec.version
        assert config["dataset_kwargs"] == {"data_files": {"test": f"{suite}.parquet"}}
        metrics = [row["metric"] for row in config["metric_list"]]
        assert metrics[-1] == "parse_rate"
        assert all(callable(row["aggregation"]) for row in config["metric_list"])


def test_every_function_that_is_named_is_there() -> None:
    utils = module(PACK / UTILS)
    named = {
        name
        for path in (*PACK.glob("*.yaml"), PACK / COMMON)
        for name in re.findall(r"!function utils\.(\w+)", path.read_text())
    }
    assert named
    assert named <= set(utils.__all__)
    assert all(callable(getattr(utils, name)) for name in utils.__all__)


def test_documentation_names_every_suite_and_figure() -> None:
    text = (ROOT / "docs" / "integrations.md").read_text()
    figures = {
        name
        for path in PACK.glob("*.yaml")
        for name in re.findall(r"- metric: (\w+)", path.read_text())
    }
    assert [name for name in (*list_suites(), *figures) if f"`{name}`" not in text] == []
