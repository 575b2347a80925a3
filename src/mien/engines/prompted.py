"""Any responder as an engine: asked for an analysis in words, its answer read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.engines.base import Answer
from mien.engines.request import Reply, Request, Responder
from mien.language import label_line, parse, prompt_for
from mien.language.instructions import answer_schema, instruction
from mien.language.parse import Parsed
from mien.language.visible import visible
from mien.schema import ActionUnit, Expression

MAX_TOKENS = 512
"""Room for all units in JSON and two sentences."""


class PromptedEngine:
    """Asks a responder for expression, action units and reasons, and parses what it says.

    What a model says in words is all that is known: there are no probabilities and no scores, a
    unit has an intensity where the answer grades it, and a unit that is not mentioned is not
    listed, unless the answer says that there are no others.

    The n-th face of a run, from 0, has the id n, which recorded answers are found by.

    Args:
        responder: who answers.
    """

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        self.name, self.crop_spec = responder.name, responder.crop_spec
        self.action_units = tuple(facs.ACTION_UNITS)
        self._ids = count()

    @property
    def sends_to(self) -> str | None:
        """The host that faces are sent to; None where they stay on this machine."""
        return getattr(self.responder, "sends_to", None)

    def answer(
        self, crops: Sequence[NDArray[np.uint8]], *, numbers_only: bool = False
    ) -> list[Answer]:
        """See `mien.engines.Engine.answer`."""
        ids = [str(next(self._ids)) for _ in crops]
        if ids[:1] == ["0"] and (expect := getattr(self.responder, "expect", None)) is not None:
            expect(ids)
        replies = {
            reply.id: reply
            for reply in self.responder.respond(self._requests(ids, crops, words=not numbers_only))
        }
        return [read_reply(replies[id], words=not numbers_only) for id in ids]

    def _requests(
        self, ids: Sequence[str], crops: Sequence[NDArray[np.uint8]], *, words: bool
    ) -> Iterator[Request]:
        system, schema = instruction(words=words), answer_schema(words=words)
        for id, crop in zip(ids, crops, strict=True):
            yield Request(
                id,
                (crop,),
                prompt_for("analysis"),
                system=system,
                schema=schema,
                max_tokens=MAX_TOKENS,
            )


def read_reply(reply: Reply, *, words: bool = True) -> Answer:
    """What a reply in words says, as an answer.

    Args:
        reply: of any model.
        words: whether the text is kept where it was read; what could not be read is always kept.
    """
    if reply.status == "failed" or reply.text is None:
        return Answer(status="failed", warnings=(reply.error or "no answer in words",))
    parsed = parse(reply.text, "analysis")
    if parsed.status != "ok":
        warning = f"the text could not be parsed: {parsed.reason}"
        return Answer("unparsed", text=reply.text, warnings=(*reply.warnings, warning))
    return Answer(
        expression=_expression(parsed),
        action_units=_units(parsed),
        text=_words(reply.text, parsed) if words else None,
        warnings=reply.warnings,
    )


def _expression(parsed: Parsed) -> Expression | None:
    """The expression, with scores where the text gives a number for each class of a set."""
    name = parsed.expression
    if name is None:
        return None
    label_set = next(key for key, names in facs.LABEL_SETS.items() if name in names)
    total = sum(parsed.scores.values())
    for key, names in facs.LABEL_SETS.items():
        if set(names) == set(parsed.scores) and 0 < total < float("inf"):
            scores = {label: parsed.scores[label] / total for label in names}
            return Expression(name, key, scores)
    return Expression(name, label_set)


def _units(parsed: Parsed) -> tuple[ActionUnit, ...] | None:
    units = [ActionUnit(au, present=True, intensity=grade) for au, grade in parsed.units.items()]
    units += [ActionUnit(au, present=False) for au in parsed.absent]
    return tuple(sorted(units, key=lambda unit: unit.au)) or None


def _words(text: str, parsed: Parsed) -> str:
    """The explanation of an answer in JSON behind its labels, as mien's own models write them."""
    text = visible(text)
    start, end = text.find("{"), text.rfind("}")
    try:
        data = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):
        data = None
    reasons = data.get("explanation") if isinstance(data, dict) else None
    if not isinstance(reasons, str) or not reasons.strip():
        return text
    units = parsed.units if parsed.units or parsed.absent else None
    return f"{label_line(parsed.expression, units)}\n{reasons.strip()}"
