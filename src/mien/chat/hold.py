"""Whether an answer in a talk is true to the numbers, and claims nothing that no face can tell."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from mien import facs
from mien.data.checks.wording import check_wording
from mien.engines import Answer
from mien.language import check_reasons, parse
from mien.language.beyond import untellable
from mien.language.labels import level
from mien.language.questions import Question
from mien.language.reasons import NOTHING_MOVES, says_still
from mien.language.replies import Known, reply

GRADE_SLACK = 1
"""Levels that a stated intensity may be off: words such as "strong" name no exact one."""

Origin = Literal["model", "numbers", "fixed"]
REPLACED = "the text was written from the numbers instead"
"""In every warning that says so, as responders of mien's models have it, too."""

_SILENT = ("a refusal", "no label found")
_YES = re.compile(
    r"\W*(?:yes|yeah|yep|indeed|correct|exactly|absolutely|certainly|definitely)\b", re.I
)
_NO = re.compile(r"\W*(?:no|nope|not\s+(?:really|at\s+all|quite))\b", re.I)
_PRONOUNS = re.compile(r"\b(?:he|she|his|her|hers|him|himself|herself)\b", re.IGNORECASE)
_ABSENT = re.compile(r"AU(\d+) is absent")


@dataclass(frozen=True, slots=True)
class Said:
    """An answer in words.

    Attributes:
        text: the words.
        origin: "model" where these are the model's words; "numbers" where the text was made from
            the numbers; "fixed" where no face can tell what was asked.
        warnings: what a user should know.
    """

    text: str
    origin: Origin = "model"
    warnings: tuple[str, ...] = ()


def known_of(answer: Answer) -> Known:
    """The numbers of an answer as a talk needs them."""
    label = answer.expression.label if answer.expression is not None else None
    scores = answer.expression.scores if answer.expression is not None else None
    if answer.action_units is None:
        return Known(label, scores)
    present = {
        u.au: u.intensity or None
        for u in answer.action_units
        if u.present and u.au in facs.ACTION_UNITS
    }
    absent = frozenset(u.au for u in answer.action_units if u.present is False) - set(present)
    return Known(label, scores, present, absent)


def from_numbers(question: Question, known: Known, rng: random.Random) -> Said:
    """An answer that is made from the numbers alone."""
    fixed = question.kind in ("beyond", "help", "unclear")
    return Said(reply(question, known, rng), "fixed" if fixed else "numbers")


def whose(said: Said, notes: Iterable[str]) -> Said:
    """The answer, with its origin by what its responder notes.

    A model of mien holds the answers to mien's own prompts to the numbers by itself.
    """
    replaced = said.origin == "model" and any(REPLACED in note for note in notes)
    return replace(said, origin="numbers") if replaced else said


def held_words(
    text: str, question: Question, known: Known, asked: Iterable[str], rng: random.Random
) -> Said:
    """A model's words where they are true to the numbers, else words made from these.

    Args:
        text: what the model wrote.
        question: that it answers.
        known: the numbers.
        asked: all questions of the talk, this one among them.
        rng: chooses the wording.
    """
    faults = faults_of(text, question, known, asked)
    if not faults:
        return Said(text)
    why = f"the model's words were not true to its numbers ({'; '.join(faults)})"
    return replace(from_numbers(question, known, rng), warnings=(f"{why}; {REPLACED}",))


def faults_of(text: str, question: Question, known: Known, asked: Iterable[str] = ()) -> list[str]:
    """What is wrong with an answer; empty where nothing is.

    Args:
        text: the answer.
        question: what was asked.
        known: the numbers. An expression may be named where none was read, and a unit where no
            units were; one that was not read among others is a fault, as the answers of a talk
            must agree with each other.
        asked: the user's own words so far; a pronoun that the user chose claims nothing new.
    """
    if not text.strip():
        return ["it is empty"]
    return [
        *_untellable(text, asked),
        *(["it says that nothing moves"] if known.present and says_still(text) else []),
        *_wrong_labels(text, known),
        *_wrong_yes(text, question, known),
    ]


def _untellable(text: str, asked: Iterable[str]) -> list[str]:
    theirs = {m[0].lower() for words in asked for m in _PRONOUNS.finditer(words)}
    if theirs & {"he", "his", "him", "himself"}:
        theirs |= {"he", "his", "him", "himself"}
    if theirs & {"she", "her", "hers", "herself"}:
        theirs |= {"she", "her", "hers", "herself"}
    plain = _PRONOUNS.sub(lambda m: "they" if m[0].lower() in theirs else m[0], text)
    found = check_wording(plain, "conversation", attributes=False)
    faults = [f"it speaks of {f.rule}" for f in found if f.rule in ("identity", "attributes")]
    claim = untellable(text)
    return faults if claim is None else [*faults, f"it claims what no face can tell ({claim!r})"]


def _wrong_labels(text: str, known: Known) -> list[str]:
    parsed = parse(text)
    if parsed.status != "ok":
        return [] if parsed.reason in _SILENT else [f"it cannot be read: {parsed.reason}"]
    present = known.present or {}
    faults = []
    if known.expression is not None and parsed.expression not in (None, known.expression):
        faults.append(f"it says {parsed.expression}, not {known.expression}")
    if known.present is not None:
        for unit in sorted(set(parsed.units) - set(present)):
            faults.append(f"AU{unit} {'is absent' if unit in known.absent else 'was not read'}")
    faults += [f"AU{unit} is present" for unit in sorted(parsed.absent & set(present))]
    for unit, said in parsed.units.items():
        intensity = present.get(unit)
        if said is not None and intensity and abs(said - level(intensity)) > GRADE_SLACK:
            faults.append(f"AU{unit} is at {level(intensity)} of 5, not {said:.0f}")
    for remark in check_reasons(text, known.expression, present):
        named = _ABSENT.match(remark)
        told = named and (known.present is None or any(f"AU{named[1]} " in f for f in faults))
        if not told and remark not in (*faults, NOTHING_MOVES):
            faults.append(remark)
    return faults


def _wrong_yes(text: str, question: Question, known: Known) -> list[str]:
    """Whether a "yes" or "no" at the start answers the question wrongly."""
    said = True if _YES.match(text) else False if _NO.match(text) else None
    if said is None or not question.yes_no:
        return []
    truth: bool | None = None
    if question.kind == "check" and known.expression is not None:
        truth = question.expressions[0] == known.expression
    elif question.kind == "unit":
        unit = question.units[0]
        truth = True if unit in (known.present or {}) else False if unit in known.absent else None
    if truth is None or truth == said:
        return []
    return [f"it says {'yes' if said else 'no'}, the numbers {'yes' if truth else 'no'}"]
