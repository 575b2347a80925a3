"""The question of `mien analyze`, and what a reply to it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

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
from mien.untrusted import json_value

if TYPE_CHECKING:
    from mien.models.priors import FacePriors

MAX_TOKENS = 512
"""Room for all units in JSON and two sentences."""


def ask_analysis(
    responder: Responder,
    clips: Sequence[Sequence[NDArray[np.uint8]]],
    *,
    ids: Sequence[str],
    priors: Sequence[Sequence[FacePriors | None]] = (),
    words: bool = True,
) -> list[Answer]:
    """Expression, action units and reasons for some faces.

    Args:
        responder: who answers.
        clips: per face its crops as `crop_spec` says, in the order of time; a photo is a clip of
            one.
        ids: a name for each; recorded answers are found by it. "0" is the first of a run.
        priors: per clip, what `Responder.face_priors` gave for each of its frames.
        words: whether an explanation is wanted, which takes most of the time.

    Returns:
        One answer per clip, in order.

    Raises:
        EngineError: if nothing can be answered at all.
    """
    if ids and ids[0] == "0":
        responder.expect(ids)
    system, schema = instruction(words=words), answer_schema(words=words)
    requests = (
        Request(
            id,
            tuple(clip),
            prompt_for("analysis"),
            system=system,
            schema=schema,
            max_tokens=MAX_TOKENS,
            priors=tuple(known),
            analysis=True,
            words=words,
        )
        for id, clip, known in zip(ids, clips, priors or [()] * len(clips), strict=True)
    )
    answers = {}
    for reply in responder.respond(requests):
        if responder.gives_numbers and reply.numbers is not None:
            numbers = reply.numbers
            answers[reply.id] = replace(numbers, text=reply.text, warnings=reply.warnings)
        else:
            answers[reply.id] = read_reply(reply, words=words)
    return [answers[id] for id in ids]


def read_reply(reply: Reply, *, words: bool = True) -> Answer:
    """What a reply in words says, as an answer.

    That is all that is known then: there are no probabilities and no scores, a unit has an
    intensity where the answer grades it, and a unit that is not mentioned is not listed, unless the
    answer says that there are no others.

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
        data = json_value(text[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        data = None
    reasons = data.get("explanation") if isinstance(data, dict) else None
    if not isinstance(reasons, str) or not reasons.strip():
        return text
    units = parsed.units if parsed.units or parsed.absent else None
    return f"{label_line(parsed.expression, units)}\n{reasons.strip()}"
