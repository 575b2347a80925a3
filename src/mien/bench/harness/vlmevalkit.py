"""A suite as datasets of VLMEvalKit: TSV files, and the class that asks and scores them.

VLMEvalKit has no way to name a class from outside, so `main` adds it to the harness's list and then
runs the harness: ``python -m mien.bench.harness.vlmevalkit --data mien_rafdb_expression ...`` takes
what its ``run.py`` takes.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import json
import math
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mien.bench.harness.encoded import Encode
from mien.bench.harness.lmms_files import task_name
from mien.bench.harness.question import Question, questions
from mien.bench.harness.scores import score
from mien.bench.suite import Suite
from mien.partfile import PartFile, write_whole
from mien.sample import Sample

COLUMNS = ("index", "image", "image_path", "question", "answer", "category", "mien")
"""Of the TSV; "category" is the task and "mien" the whole question as JSON.

The harness keeps pictures on disk by "image_path" and answers by "index". Both follow from the
content, so that data written anew, with another --limit for instance, finds nothing stale.
"""
PREFIX = "mien_"


class HarnessError(RuntimeError):
    """VLMEvalKit cannot be run; the message says what to install."""


def write_tsv(suite: Suite, samples: Iterable[Sample], encode: Encode, out: Path) -> dict[str, int]:
    """Writes one TSV for each task of a suite.

    Args:
        suite: what is asked.
        samples: the labelled samples.
        encode: gives the files of a sample's pictures.
        out: the folder that ``LMUData`` names, made where it is missing.

    Returns:
        Name of the dataset to its number of questions.

    Raises:
        OSError, ValueError: if a picture cannot be read; the message names the file.
        mien.partfile.SinkError: if a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = {task.name: task_name(suite, task) for task in suite.tasks}
    files = {task: PartFile(out / f"{name}.tsv") for task, name in names.items()}
    counts = dict.fromkeys(names, 0)
    whole = False
    try:
        for file in files.values():
            file.open()
            file.append(_line(COLUMNS))
        for sample in samples:
            asked = questions(sample, suite)
            images = _images(encode(sample)) if asked else ()
            for task, question in asked.items():
                row = (question.id, *images, question.prompt, question.target, task)
                files[task].append(_line((*row, question.to_json())))
                counts[task] += 1
        whole = True
    finally:
        for task, file in files.items():
            file.close(keep=whole and counts[task] > 0)
    return {names[task]: count for task, count in counts.items() if count}


def _images(pictures: list[bytes]) -> tuple[str, str]:
    """Base64 and names of the pictures; several are lists, which the harness reads as such."""
    texts = [base64.b64encode(data).decode("ascii") for data in pictures]
    names = [f"{hashlib.sha256(data).hexdigest()[:24]}.png" for data in pictures]
    return (texts[0], names[0]) if len(texts) == 1 else (repr(texts), repr(names))


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def score_frame(frame: Any) -> dict[str, float | None]:
    """The figures of a table of predictions.

    Args:
        frame: pandas table with the columns "mien" and "prediction"; a missing prediction is
            unparsed.

    Returns:
        Figure to value, None where it is not defined, and "answers", their number.
    """
    found = [Question.from_json(line) for line in frame["mien"]]
    answers = [answer if isinstance(answer, str) else None for answer in frame["prediction"]]
    figures = score(found, answers)
    plain = {name: None if math.isnan(value) else value for name, value in figures.items()}
    return {**plain, "answers": len(answers)}


def dataset_class() -> type:
    """The class of mien's datasets in VLMEvalKit.

    Raises:
        HarnessError: if VLMEvalKit is not installed.
    """
    try:
        from vlmeval.dataset.image_base import ImageBaseDataset
        from vlmeval.smp import LMUDataRoot, load
    except ImportError as error:
        raise HarnessError(
            f"VLMEvalKit cannot be imported ({error}); install it beside mien in an environment of"
            " its own: pip install -e . in its checkout, or pip install ms-vlmeval"
        ) from error

    class MienDataset(ImageBaseDataset):
        """Datasets that `write_tsv` wrote; no judge model takes part in their scores."""

        TYPE = "VQA"
        MODALITY = "IMAGE"
        DEFAULT_JUDGE = ""

        @classmethod
        def supported_datasets(cls) -> list[str]:
            """Those that lie in the folder that ``LMUData`` names."""
            return sorted(path.stem for path in Path(LMUDataRoot()).glob(f"{PREFIX}*.tsv"))

        def load_data(self, dataset: str) -> Any:
            """The TSV as a table."""
            return load(str(Path(LMUDataRoot()) / f"{dataset}.tsv"))

        def post_build(self, dataset: str) -> None:
            """All datasets share one folder, so that the tasks of a suite share its pictures."""
            self.img_root = str(Path(LMUDataRoot()) / "images" / "mien")

        def evaluate(self, eval_file: str, **judge_kwargs: Any) -> dict[str, float | None]:
            """Scores a file of predictions, and writes the figures beside it."""
            figures = score_frame(load(eval_file))
            text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
            write_whole(Path(eval_file).with_suffix(".mien.json"), text.encode())
            return figures

        @classmethod
        def report_primary_metric(cls, metrics: dict[str, Any] | None) -> dict[str, Any]:
            """The first figure."""
            return dict(list((metrics or {}).items())[:1])

    return MienDataset


def register() -> type:
    """Adds mien's datasets to VLMEvalKit in this process; once is enough.

    Raises:
        HarnessError: if VLMEvalKit is not installed.
    """
    made = dataset_class()
    import vlmeval.dataset as harness

    for known in harness.DATASET_CLASSES:
        if known.__name__ == made.__name__:
            return known
    harness.DATASET_CLASSES.insert(0, made)
    harness.SUPPORTED_DATASETS.extend(made.supported_datasets())  # type: ignore[attr-defined]
    setattr(harness, made.__name__, made)  # for --config, which names classes
    return made


def main() -> None:
    """Runs VLMEvalKit with mien's datasets; arguments are those of its ``run.py``.

    Raises:
        HarnessError: if VLMEvalKit is not installed, or its ``run.py`` is not found.
    """
    register()
    if importlib.util.find_spec("vlmeval.run") is not None:
        importlib.import_module("vlmeval.run").main()
    elif Path("run.py").is_file():  # a checkout has it beside the package
        runpy.run_path("run.py", run_name="__main__")
    else:
        raise HarnessError("there is no run.py here; start this in the checkout of VLMEvalKit")


if __name__ == "__main__":
    try:
        main()
    except HarnessError as problem:
        sys.exit(f"error: {problem}")
