"""The VLMEvalKit pack: the TSV, its scores, and the class in a stand-in of the harness."""

from __future__ import annotations

import base64
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from mien.bench.harness import Question, score, vlmevalkit
from mien.bench.suite import Suite
from mien.sample import Sample
from tests.integrations.conftest import picture

pd = pytest.importorskip("pandas")


def table(path: Path) -> Any:
    return pd.read_csv(path, sep="\t")  # as the harness reads it


@pytest.fixture
def folder(tmp_path: Path, samples: list[Sample], suite: Suite) -> Path:
    bare = replace(samples[0], id="e", expression=None)
    shades = {name: [picture(10 * k)] for k, name in enumerate("abcde")}
    counts = vlmevalkit.write_tsv(suite, [*samples, bare], lambda s: shades[s.id], tmp_path)
    assert counts["mien_by_hand_expression"] == 4
    assert counts["mien_by_hand_au_detection"] == 5
    return tmp_path


def test_tsv_round_trip(folder: Path, samples: list[Sample]) -> None:
    frame = table(folder / "mien_by_hand_expression.tsv")
    assert tuple(frame.columns) == vlmevalkit.COLUMNS
    assert list(frame["index"]) == [f"{name}#expression" for name in "abcd"]
    assert list(frame["answer"]) == ["happiness", "happiness", "sadness", "sadness"]
    assert set(frame["question"]) == {"Say the expression."}
    assert set(frame["category"]) == {"expression"}
    shades = [
        Image.open(io.BytesIO(base64.b64decode(text))).getpixel((0, 0))[0]
        for text in frame["image"]
    ]
    assert shades == [0, 10, 20, 30]
    assert Question.from_json(frame["mien"][3]).id == "d#expression"


def test_names_follow_from_the_content(folder: Path, samples: list[Sample], suite: Suite) -> None:
    """The harness keeps pictures by name: another choice of samples must not meet old ones."""
    name = "mien_by_hand_expression.tsv"
    before = table(folder / name).set_index("index")["image_path"]
    assert len(set(before)) == 4
    vlmevalkit.write_tsv(suite, samples[2:3], lambda s: [picture(20)], folder)
    after = table(folder / name).set_index("index")["image_path"]
    assert dict(after) == {"c#expression": before["c#expression"]}


def test_prompts_of_several_lines_stay_whole(
    tmp_path: Path, samples: list[Sample], suite: Suite
) -> None:
    words = 'Look.\nIs it "sad",\tor not?'
    one = replace(suite, tasks=(replace(suite.tasks[0], prompt=words),))
    vlmevalkit.write_tsv(one, samples, lambda s: [picture()], tmp_path)
    assert list(table(tmp_path / "mien_by_hand_expression.tsv")["question"]) == [words] * 4


def test_frames_are_a_list_that_the_harness_reads(
    tmp_path: Path, samples: list[Sample], suite: Suite
) -> None:
    clips = replace(suite, frames=2, tasks=suite.tasks[:1])
    vlmevalkit.write_tsv(clips, samples, lambda s: [picture(1), picture(2)], tmp_path)
    frame = table(tmp_path / "mien_by_hand_expression.tsv")
    cell = frame["image"][0]
    assert frame["image_path"][0].count(".png") == 2
    assert cell.startswith("['")
    assert [base64.b64decode(t) for t in json.loads(cell.replace("'", '"'))] == [
        picture(1),
        picture(2),
    ]


def test_a_task_that_nobody_can_be_asked_has_no_file(
    tmp_path: Path, samples: list[Sample], suite: Suite
) -> None:
    bare = [replace(s, valence=None) for s in samples]
    counts = vlmevalkit.write_tsv(suite, bare, lambda s: [picture()], tmp_path)
    assert "mien_by_hand_valence_arousal" not in counts
    assert not (tmp_path / "mien_by_hand_valence_arousal.tsv").exists()
    assert len(list(tmp_path.iterdir())) == 5


def test_nothing_is_left_of_a_run_that_failed(
    tmp_path: Path, samples: list[Sample], suite: Suite
) -> None:
    def encode(sample: Sample) -> list[bytes]:
        raise FileNotFoundError("a.png: no such file")

    with pytest.raises(FileNotFoundError, match=r"a\.png"):
        vlmevalkit.write_tsv(suite, samples, encode, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_and_failed_predictions_are_wrong(folder: Path) -> None:
    frame = table(folder / "mien_by_hand_expression.tsv")
    frame["prediction"] = [
        "Happiness.",
        float("nan"),  # an empty cell
        "Failed to obtain answer via API.",
        "sadness",
    ]
    figures = vlmevalkit.score_frame(frame)
    assert figures["war"] == 0.5
    assert figures["parse_rate"] == 0.5
    assert figures["answers"] == 4


def test_undefined_is_none(folder: Path) -> None:
    frame = table(folder / "mien_by_hand_valence_arousal.tsv")
    frame["prediction"] = frame["answer"]
    assert vlmevalkit.score_frame(frame)["ccc_valence"] is None


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, folder: Path) -> ModuleType:
    """Names that the class takes from VLMEvalKit, each as small as it can be."""

    class ImageBaseDataset:
        def __init__(self, dataset: str) -> None:
            self.data = self.load_data(dataset)  # type: ignore[attr-defined]
            self.post_build(dataset)  # type: ignore[attr-defined]

    def load(path: str) -> Any:
        return table(Path(path)) if path.endswith(".tsv") else pd.read_pickle(path)

    package, dataset = ModuleType("vlmeval"), ModuleType("vlmeval.dataset")
    base, smp = ModuleType("vlmeval.dataset.image_base"), ModuleType("vlmeval.smp")
    for name, value in (("DATASET_CLASSES", [object]), ("SUPPORTED_DATASETS", ["MMBench"])):
        setattr(dataset, name, value)
    base.ImageBaseDataset = ImageBaseDataset  # type: ignore[attr-defined]
    smp.LMUDataRoot, smp.load = (lambda: str(folder)), load  # type: ignore[attr-defined]
    package.dataset = dataset  # type: ignore[attr-defined]
    for made in (package, dataset, base, smp):
        monkeypatch.setitem(sys.modules, made.__name__, made)
    return dataset


def test_class_is_registered_once_and_scores(harness: Any, folder: Path) -> None:
    made: Any = vlmevalkit.register()
    assert vlmevalkit.register() is made
    assert [made, object] == harness.DATASET_CLASSES
    assert harness.MienDataset is made
    assert "mien_by_hand_reasoning" in made.supported_datasets()
    assert set(made.supported_datasets()) < set(harness.SUPPORTED_DATASETS)
    assert (made.TYPE, made.MODALITY) == ("VQA", "IMAGE")

    dataset = made("mien_by_hand_au_detection")
    assert dataset.img_root == str(folder / "images" / "mien")
    frame = dataset.data.drop(columns="image").assign(prediction="AU6, AU12")
    file = folder / "model_mien_by_hand_au_detection.pkl"
    frame.to_pickle(file)
    figures = dataset.evaluate(str(file), model="no-judge")
    found = [Question.from_json(line) for line in frame["mien"]]
    wanted = score(found, ["AU6, AU12"] * 5)
    assert {name: figures[name] for name in wanted} == pytest.approx(wanted)
    assert json.loads(file.with_suffix(".mien.json").read_text()) == figures
    assert made.report_primary_metric(figures) == {"au_macro_f1": figures["au_macro_f1"]}


def test_without_the_harness_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vlmeval", None)
    with pytest.raises(vlmevalkit.HarnessError, match="install it beside mien"):
        vlmevalkit.register()
