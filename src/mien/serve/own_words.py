"""Answers of mien's own models: true to their numbers, in words or as JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mien import facs
from mien.chat.hold import Said, from_numbers, held_words, known_of
from mien.engines import Answer
from mien.engines.answers import present_units, task_of
from mien.language import describe, label_line
from mien.language.instructions import answer_schema
from mien.language.labels import level
from mien.language.questions import read_question
from mien.serve.errors import ApiError


def words_needed(prompt: str, *, follows: bool) -> bool:
    """Whether the model writes the answer; else it is made from the numbers alone.

    Args:
        prompt: the question.
        follows: whether the model follows free questions; `mien/nano` does not.
    """
    if task_of(prompt) is not None:
        return True
    return follows and read_question(prompt).kind not in ("beyond", "contrast")


def held(prompt: str, asked: list[str], text: str | None, numbers: Answer) -> Said:
    """The model's words where they are true to its numbers, else words made from these.

    Args:
        prompt: the question.
        asked: all questions of the talk, this one among them.
        text: what the model wrote; None where it was not asked to.
        numbers: that it read.
    """
    if text is not None and task_of(prompt) is not None:
        return Said(text)  # the responder has held it to the numbers
    read, known, rng = read_question(prompt), known_of(numbers), random.Random(0)
    if text is None:
        return from_numbers(read, known, rng)
    return held_words(text, read, known, asked, rng)


@dataclass(frozen=True, slots=True)
class JsonForm:
    """What an answer in JSON offers: expressions and units to choose from, and whether reasons."""

    expressions: tuple[str, ...]
    units: tuple[int, ...]
    reasons: bool


def json_form(name: str | None, schema: Mapping[str, Any] | None) -> JsonForm:
    """What is offered by a schema that mien's models can answer; None is any object.

    Args:
        name: of the schema, for the error.
        schema: `mien.language.instructions.answer_schema`, perhaps with other choices.

    Raises:
        ApiError: if it is another schema.
    """
    if schema is None:
        return JsonForm(tuple(facs.EXPRESSIONS), tuple(facs.ACTION_UNITS), True)
    try:
        fields = schema["properties"]
        expressions = tuple(fields["expression"]["enum"])
        units = tuple(fields["action_units"]["items"]["properties"]["au"]["enum"])
        words = "explanation" in fields
        same = schema == answer_schema(words=words, expressions=expressions, units=units)
        known = set(expressions) <= set(facs.EXPRESSIONS) and set(units) <= set(facs.ACTION_UNITS)
    except (KeyError, TypeError, AttributeError):
        same = known = False
    if not (same and known and expressions):
        raise ApiError(
            400,
            "unsupported_schema",
            f"mien's models cannot follow the schema {str(name)[:64]!r}; use json_object, or the "
            "schema of mien.language.instructions.answer_schema()",
            param="response_format.json_schema",
        )
    return JsonForm(expressions, units, words)


def as_json(form: JsonForm, text: str | None, numbers: Answer) -> str:
    """The numbers as JSON of mien's answer schema, with the reasons of the text.

    Raises:
        ApiError: if none of the offered expressions is one that the model knows.
    """
    assert numbers.expression is not None  # a model of mien gives both
    assert numbers.expression.scores is not None
    scores = {k: v for k, v in numbers.expression.scores.items() if k in form.expressions}
    if not scores:
        known = ", ".join(numbers.expression.scores)
        why = f"none of the schema's expressions is one that the model knows: {known}"
        raise ApiError(400, "unsupported_schema", why, param="response_format.json_schema")
    label = max(scores, key=scores.__getitem__)
    present = present_units(numbers.action_units or ())
    offered = {au: value for au, value in present.items() if au in form.units}
    units = [
        {"au": au, "intensity": facs.INTENSITIES[level(value or 1.0) - 1]}
        for au, value in sorted(offered.items())
    ]
    answer: dict[str, Any] = {"expression": label, "action_units": units}
    if form.reasons:
        same = label == numbers.expression.label and offered == present
        whole = label_line(label, offered)
        reasons = (text or "").removeprefix(whole).strip() if same else ""
        if not reasons:
            text = describe("analysis", expression=label, units=offered, rng=random.Random(0))
            reasons = text.removeprefix(whole).strip()
        answer["explanation"] = reasons
    return json.dumps(answer, ensure_ascii=False)
