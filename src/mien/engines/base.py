"""The protocol of engines and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.faces import CropSpec
from mien.schema import ActionUnit, Expression, Status


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
