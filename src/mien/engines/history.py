"""Earlier turns of a talk: as messages, and no more of them than fit into a model's context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mien.engines.request import Request

Turns = Sequence[tuple[str, str]]


def messages(prompt: str, history: Turns = (), *, images: int) -> list[dict[str, Any]]:
    """A talk in the form that chat templates take, up to the question that is open.

    Args:
        prompt: the open question.
        history: earlier turns as (question, answer), the oldest first.
        images: number of pictures; they stand before the oldest question.
    """
    made: list[dict[str, Any]] = []
    for question, answer in history:
        made.append({"role": "user", "content": [{"type": "text", "text": question}]})
        made.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    made.append({"role": "user", "content": [{"type": "text", "text": prompt}]})
    made[0]["content"] = [{"type": "image"}] * images + made[0]["content"]
    return made


def fitted(request: Request, fits: Callable[[Request], bool]) -> tuple[Request, tuple[str, ...]]:
    """The request with as many of its latest turns as fit, and a warning where some do not.

    Turns are left out whole, the oldest first. A question that does not fit alone is left as it
    is: what to do with it is for the model.

    Args:
        request: with or without earlier turns.
        fits: whether a request fits into the model's context.
    """
    count = len(request.history)
    for start in range(count):
        shorter = replace(request, history=request.history[start:])
        if fits(shorter):
            return shorter, _warning(start)
    return replace(request, history=()), _warning(count)


def _warning(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    turns = "the oldest turn was" if count == 1 else f"the oldest {count} turns were"
    return (f"{turns} left out, as they do not fit into the model's context",)
