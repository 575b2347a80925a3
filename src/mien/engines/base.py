"""What is known of a face once somebody has answered."""

from __future__ import annotations

from dataclasses import dataclass

from mien.schema import ActionUnit, Expression, Status


class EngineError(RuntimeError):
    """A model cannot be had or did not answer; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says about one face or clip; numbers that it cannot give are None.

    Attributes:
        status: "ok", "unparsed" or "failed".
        expression: with scores where the model has them.
        action_units: the units that the model knows, present or not.
        text: its words, None where only numbers were asked for.
        warnings: what a user should know about this answer.
    """

    status: Status = "ok"
    expression: Expression | None = None
    action_units: tuple[ActionUnit, ...] | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()
