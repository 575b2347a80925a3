"""The protocol of engines and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mien.faces import CropSpec
from mien.schema import ActionUnit, Expression, Face, Status

if TYPE_CHECKING:
    from mien.models.priors import FacePriors


class EngineError(RuntimeError):
    """An engine cannot be had or did not answer; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine says about one face; numbers that it cannot give are None.

    Attributes:
        status: "ok", "unparsed" or "failed".
        expression: with scores where the engine has them.
        action_units: the units that the engine knows, present or not.
        text: its words, None where only numbers were asked for.
        warnings: what a user should know about this answer.
    """

    status: Status = "ok"
    expression: Expression | None = None
    action_units: tuple[ActionUnit, ...] | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()


class Engine(Protocol):
    """Answers about faces in batches.

    Attributes:
        name: as given to `--model`.
        crop_spec: how the faces that it looks at are cut out.
        action_units: FACS numbers of the units that it knows.
    """

    name: str
    crop_spec: CropSpec
    action_units: tuple[int, ...]

    def answer(
        self, crops: Sequence[NDArray[np.uint8]], *, numbers_only: bool = False
    ) -> list[Answer]:
        """One answer per crop, in order.

        Args:
            crops: RGB faces of shape (S, S, 3), S as `crop_spec` says.
            numbers_only: leave out the text, which takes most of the time.

        Raises:
            EngineError: if the whole batch cannot be answered.
        """
        ...


@runtime_checkable
class ReadsPriors(Protocol):
    """Whoever answers better where it is told what the finder knows of a face."""

    def face_priors(
        self, image: NDArray[np.uint8], faces: Sequence[Face]
    ) -> list[FacePriors | None]:
        """What it wants to know of the faces of a picture, in order; None where nothing is known.

        Args:
            image: (H, W, 3) uint8, RGB.
            faces: as the finder gave them; nothing is looked for again.
        """
        ...


@runtime_checkable
class ClipEngine(Engine, ReadsPriors, Protocol):
    """An engine that reads clips: several frames of one face as one.

    Attributes:
        clip_frames: how many frames it is shown of a clip, if nothing else is asked for.
    """

    clip_frames: int

    def answer_clips(
        self,
        clips: Sequence[Sequence[NDArray[np.uint8]]],
        priors: Sequence[Sequence[FacePriors | None]],
        *,
        numbers_only: bool = False,
    ) -> list[Answer]:
        """One answer per clip, in order.

        Args:
            clips: per clip its crops as in `Engine.answer`, in the order of time; a picture is a
                clip of one.
            priors: per clip, what `face_priors` gave for each of its frames.
            numbers_only: leave out the text.

        Raises:
            EngineError: if the whole batch cannot be answered.
        """
        ...
