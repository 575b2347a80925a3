"""Classical toolkits as baselines of the suites: py-feat, DeepFace and fer.

    python benchmarks/classical_baselines.py deepface feabench-synth --limit 100
    python benchmarks/classical_baselines.py py-feat disfa --data DISFA --out bench

The answers lie where those of `mien bench SUITE --out bench` do, so that `mien bench compare` and
`mien bench rescore` read both. The toolkit has to be installed: pip install py-feat, deepface or
fer. Their weights have terms of their own.

Toolkits write nothing: every question about a face gets the line of labels that their numbers make.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.bench.answer_log import StoreError
from mien.bench.run import Outcome, run_model
from mien.bench.source import SourceError, choose, open_source
from mien.bench.suite import SuiteError, load_suite
from mien.commands.bench_run import run_rescore
from mien.engines import Answer, EngineError, Reply, Request, Responder
from mien.engines.batches import batches
from mien.engines.pictures import SURROUNDED
from mien.faces import CropSpec, FinderError, make_finder
from mien.language import label_line
from mien.partfile import SinkError
from mien.schema import ActionUnit, Expression
from mien.terminal import say

TIGHT = CropSpec(size=224)
"""Crop for models of faces alone, which learned on FER2013's framing."""


class Toolkit(Protocol):
    """A package that gives numbers for faces.

    Attributes:
        name: as given on the command line.
        package: that is imported.
        crop_spec: how the faces that it looks at are cut out.
    """

    name: str
    package: str
    crop_spec: CropSpec

    def answer(self, crops: Sequence[NDArray[np.uint8]]) -> list[Answer]:
        """One answer for each crop, (S, S, 3) RGB, in order."""
        ...


class PyFeat:
    """py-feat 2 (`Detectorv2`): seven expressions and twenty units.

    Its "AU intensity" is a probability and is given as one; intensity is unknown. The package
    looks for the face in the crop once more; where it finds none the answer is "failed".
    """

    name, package = "py-feat", "feat"
    crop_spec = SURROUNDED  # its own face detector needs the surroundings

    def __init__(self, *, device: str = "cpu") -> None:
        self.detector = _package(self).Detectorv2(device=device, identity_model=None)

    def answer(self, crops: Sequence[NDArray[np.uint8]]) -> list[Answer]:
        """Answers a batch of crops."""
        import torch

        if not crops:
            return []
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()  # (B, 3, S, S)
        table = self.detector.detect(
            batch, data_type="tensor", batch_size=len(crops), progress_bar=False
        )
        best: dict[int, Mapping[str, Any]] = {}
        for row in table.to_dict("records"):
            score, frame = _number(row.get("FaceScore")), int(row["frame"])
            found = _number(row.get("FaceRectX")) is not None and score is not None
            if found and (frame not in best or score > best[frame]["FaceScore"]):
                best[frame] = row
        return [self._read(best.get(i)) for i in range(len(crops))]

    def _read(self, row: Mapping[str, Any] | None) -> Answer:
        if row is None:
            return Answer(status="failed", warnings=("py-feat found no face in the crop",))
        units = []
        for column, value in row.items():
            match, p = re.fullmatch(r"AU(\d+)", str(column)), _number(value)
            if match and p is not None and int(match[1]) in facs.ACTION_UNITS:
                p = min(1.0, max(0.0, p))
                units.append(ActionUnit(int(match[1]), present=p >= 0.5, probability=p))
        return Answer(
            expression=_expression(row),
            action_units=tuple(sorted(units, key=lambda unit: unit.au)) or None,
        )


class DeepFace:
    """DeepFace: seven expressions, no units."""

    name, package = "deepface", "deepface"
    crop_spec = TIGHT

    def __init__(self) -> None:
        self.analyze = _package(self).DeepFace.analyze

    def answer(self, crops: Sequence[NDArray[np.uint8]]) -> list[Answer]:
        """Answers a batch of crops."""
        return [self._one(crop) for crop in crops]

    def _one(self, crop: NDArray[np.uint8]) -> Answer:
        found = self.analyze(
            img_path=np.ascontiguousarray(crop[..., ::-1]),  # BGR
            actions=("emotion",),
            detector_backend="skip",
            enforce_detection=False,
            silent=True,
        )
        row = found[0] if isinstance(found, list) else found
        return Answer(expression=_expression(row["emotion"]))


class Fer:
    """The fer package: seven expressions, no units."""

    name, package = "fer", "fer.fer"
    crop_spec = TIGHT

    def __init__(self) -> None:
        self.detector = _package(self).FER()

    def answer(self, crops: Sequence[NDArray[np.uint8]]) -> list[Answer]:
        """Answers a batch of crops."""
        return [self._one(crop) for crop in crops]

    def _one(self, crop: NDArray[np.uint8]) -> Answer:
        height, width = crop.shape[:2]
        found = self.detector.detect_emotions(
            np.ascontiguousarray(crop[..., ::-1]), face_rectangles=[(0, 0, width, height)]
        )
        if not found:
            return Answer(status="failed", warnings=("fer gave no answer for the crop",))
        return Answer(expression=_expression(found[0]["emotions"]))


TOOLKITS: dict[str, type[PyFeat] | type[DeepFace] | type[Fer]] = {
    toolkit.name: toolkit for toolkit in (PyFeat, DeepFace, Fer)
}


class Baseline(Responder):
    """A toolkit as a responder; it is asked once about each face, whatever the questions.

    Args:
        toolkit: who answers.
        batch_size: requests at a time.
    """

    def __init__(self, toolkit: Toolkit, *, batch_size: int = 16) -> None:
        self.toolkit, self.batch_size = toolkit, batch_size
        self.name, self.crop_spec = toolkit.name, toolkit.crop_spec

    def identity(self) -> Mapping[str, str]:
        """The toolkit and its version."""
        return {"model": self.name, "version": _version(self.name)}

    def settings(self) -> Mapping[str, str]:
        """How many requests were answered at a time."""
        return {"batch size": str(self.batch_size)}

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """One reply for each request; of several frames the middle one is looked at."""
        for batch in batches(requests, self.batch_size):
            # questions about one face share one tuple of pictures
            crops = {id(r.images): r.images[len(r.images) // 2] for r in batch if r.images}
            found = self.toolkit.answer(list(crops.values()))
            answers = dict(zip(crops, found, strict=True))
            for request in batch:
                yield _as_reply(request.id, answers.get(id(request.images)))


def _as_reply(name: str, answer: Answer | None) -> Reply:
    if answer is None:
        return Reply(name, "failed", error="the toolkit needs a picture")
    if answer.status == "failed":
        return Reply(name, "failed", error="; ".join(answer.warnings) or "no answer")
    label = answer.expression.label if answer.expression is not None else None
    units = answer.action_units
    present = {u.au: u.intensity for u in units if u.present} if units is not None else None
    return Reply(name, text=label_line(label, present), numbers=answer, warnings=answer.warnings)


def _package(toolkit: Toolkit) -> Any:
    try:
        return import_module(toolkit.package)
    except ImportError as error:
        raise EngineError(
            f"{toolkit.name} needs its package: pip install {toolkit.name} ({error})"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _expression(scores: Mapping[str, Any]) -> Expression | None:
    """Scores by any names of the basic expressions, as probabilities; None where one is missing.

    Columns that name no expression are passed over.
    """
    words, found = facs.expression_words(), dict[str, float]()
    for name, value in scores.items():
        number = _number(value)
        if str(name).lower() in words and number is not None:
            found[words[str(name).lower()]] = max(0.0, number)
    total = sum(found.values())
    label_set = next(
        (key for key in ("basic7", "basic8") if set(facs.LABEL_SETS[key]) == set(found)), None
    )
    if label_set is None or total <= 0:
        return None
    p = {name: found[name] / total for name in facs.LABEL_SETS[label_set]}
    return Expression(max(p, key=p.__getitem__), label_set, p)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def ask(
    toolkit: Toolkit, suite_name: str, data: Path | None, out: Path, limit: int | None
) -> Outcome:
    """Asks a toolkit all questions of a suite that have no answer yet.

    Args:
        toolkit: who answers.
        suite_name: as `mien bench` knows it.
        data: the dataset; None for what comes with mien.
        out: answers go to a folder of the suite and the toolkit below it.
        limit: most faces.
    """
    suite = load_suite(suite_name)
    source = open_source(suite, data)
    chosen = choose(suite, source, limit)
    finder = None if suite.faces == "box" else make_finder(suite.faces)
    try:
        folder = out / suite.name / toolkit.name
        return run_model(suite, source, chosen, Baseline(toolkit), finder, folder, limit=limit)
    finally:
        if finder is not None:
            finder.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks, scores, and returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("toolkit", choices=TOOLKITS)
    parser.add_argument("suite", help="a suite of `mien bench list`")
    parser.add_argument("--data", type=Path, help="the suite's dataset")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="bench")
    parser.add_argument("--limit", type=int, help="most faces")
    options = parser.parse_args(arguments)
    try:
        toolkit = TOOLKITS[options.toolkit]()
        outcome = ask(toolkit, options.suite, options.data, options.out, options.limit)
    except (SuiteError, SourceError, EngineError) as error:
        say(f"error: {error}", err=True)
        return 2
    except (StoreError, SinkError, FinderError) as error:
        say(f"error: {error}", err=True)
        return 1
    if outcome.error is not None:
        say(f"error: {outcome.error}", err=True)
    scored = run_rescore(outcome.folder, data=options.data, samples=1000, seed=0, pictures=False)
    return scored or int(not outcome.complete)


if __name__ == "__main__":
    sys.exit(main())
