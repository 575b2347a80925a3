"""Classical toolkits as engines, where their packages are installed: py-feat, DeepFace, fer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module, metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.engines.base import Answer, Engine, EngineError
from mien.engines.batches import batches
from mien.engines.pictures import SURROUNDED
from mien.engines.request import Reply, Request
from mien.faces import CropSpec
from mien.language import label_line
from mien.schema import ActionUnit, Expression

TIGHT = CropSpec(size=224)
"""Crop for models of faces alone, which learned on FER2013's framing."""


class PyFeatEngine:
    """py-feat 2 (`Detectorv2`): seven expressions and twenty units.

    Its "AU intensity" is a probability and is given as one; intensity is unknown. The package
    looks for the face in the crop once more; where it finds none the answer is "failed".
    """

    name, package, install = "py-feat", "feat", "py-feat"
    crop_spec = SURROUNDED  # its own face detector needs the surroundings
    action_units: tuple[int, ...] = (
        *(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43),
    )

    def __init__(self, *, device: str = "cpu") -> None:
        self.detector = _package(self).Detectorv2(device=device, identity_model=None)

    def answer(
        self, crops: Sequence[NDArray[np.uint8]], *, numbers_only: bool = False
    ) -> list[Answer]:
        """See `mien.engines.Engine.answer`."""
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


class DeepFaceEngine:
    """DeepFace: seven expressions, no units."""

    name, package, install = "deepface", "deepface", "deepface"
    crop_spec = TIGHT
    action_units: tuple[int, ...] = ()

    def __init__(self) -> None:
        self.analyze = _package(self).DeepFace.analyze

    def answer(
        self, crops: Sequence[NDArray[np.uint8]], *, numbers_only: bool = False
    ) -> list[Answer]:
        """See `mien.engines.Engine.answer`."""
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


class FerEngine:
    """The fer package: seven expressions, no units."""

    name, package, install = "fer", "fer", "fer"
    crop_spec = TIGHT
    action_units: tuple[int, ...] = ()

    def __init__(self) -> None:
        self.detector = _package(self, "fer.fer").FER()

    def answer(
        self, crops: Sequence[NDArray[np.uint8]], *, numbers_only: bool = False
    ) -> list[Answer]:
        """See `mien.engines.Engine.answer`."""
        return [self._one(crop) for crop in crops]

    def _one(self, crop: NDArray[np.uint8]) -> Answer:
        height, width = crop.shape[:2]
        found = self.detector.detect_emotions(
            np.ascontiguousarray(crop[..., ::-1]), face_rectangles=[(0, 0, width, height)]
        )
        if not found:
            return Answer(status="failed", warnings=("fer gave no answer for the crop",))
        return Answer(expression=_expression(found[0]["emotions"]))


class NumbersResponder:
    """An engine that writes nothing, as a responder: its labels as a line are the words.

    Every prompt gets the same answer, made from the numbers of the (middle) picture. Units without
    an intensity stand in it without a grade.

    Args:
        engine: who answers.
        batch_size: requests at a time.
    """

    def __init__(self, engine: Engine, *, batch_size: int = 16) -> None:
        self.engine, self.batch_size = engine, batch_size
        self.name, self.crop_spec = engine.name, engine.crop_spec

    def identity(self) -> Mapping[str, str]:
        """See `Responder.identity`."""
        install = getattr(self.engine, "install", None)
        return {"model": self.name, "version": _version(install) if install else "unknown"}

    def settings(self) -> Mapping[str, str]:
        """See `Responder.settings`."""
        return {"batch size": str(self.batch_size)}

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """See `Responder.respond`."""
        for batch in batches(requests, self.batch_size):
            shown = [r for r in batch if r.images]
            yield from (
                Reply(r.id, "failed", error="the model needs a picture")
                for r in batch
                if not r.images
            )
            crops = [r.images[len(r.images) // 2] for r in shown]
            for request, answer in zip(shown, self.engine.answer(crops), strict=True):
                yield _as_reply(request.id, answer)

    def close(self) -> None:
        """Holds nothing that could be freed."""


def _as_reply(id: str, answer: Answer) -> Reply:
    if answer.status == "failed":
        return Reply(id, "failed", error="; ".join(answer.warnings) or "no answer")
    label = answer.expression.label if answer.expression is not None else None
    units = answer.action_units
    present = {u.au: u.intensity for u in units if u.present} if units is not None else None
    return Reply(id, text=label_line(label, present), numbers=answer, warnings=answer.warnings)


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


def _package(engine: Any, module: str | None = None) -> Any:
    try:
        return import_module(module or engine.package)
    except ImportError as error:
        raise EngineError(
            f"--model {engine.name} needs a package: pip install {engine.install} ({error})"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
