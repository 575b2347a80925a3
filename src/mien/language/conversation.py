"""Short conversations about a face, every answer true to the labels.

What no face can tell (the cause, who it is, what is thought) is answered so.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from mien import facs
from mien.language.describe import describe
from mien.language.labels import checked, label_line
from mien.language.prompts import prompt_for
from mien.language.prose import MAX_UNITS, Writer, fill, names, strongest
from mien.language.words import capital, join, load, pick

Turn = tuple[str, str]


def conversation(
    *,
    expression: str | None,
    units: Mapping[int, float | None] | None,
    rng: random.Random,
) -> list[Turn]:
    """One to three turns of question and answer.

    Args:
        expression: any word that names an expression, or None where unknown.
        units: present units with intensity in (0, 5] or None ungraded; None where unknown.
        rng: chooses turns and wording; the same state gives the same conversation.

    Raises:
        ValueError: if neither an expression nor units are known.
    """
    if expression is None and units is None:
        raise ValueError("a conversation needs an expression or action units")
    name = facs.canonical_expression(expression) if expression is not None else None
    present = checked(units) if units is not None else None
    talk = _Talk(name, present, rng)
    count = rng.choice((1, 2, 2, 3, 3))
    turns = [talk.opening()]
    rest = talk.follow_ups()
    rng.shuffle(rest)
    turns += [make() for make in rest[: count - 1]]
    return turns


class _Talk:
    def __init__(
        self, name: str | None, present: Mapping[int, float | None] | None, rng: random.Random
    ) -> None:
        self.name = name
        self.present = present
        self.rng = rng
        self.file = load("dialogue.json")
        self.writer = Writer(present or {}, rng)

    def _ask(self, kind: str) -> str:
        return pick(self.rng, self.file[kind]["questions"])

    def _named(self, pattern: str, expression: str) -> str:
        """A pattern with one of the words for an expression."""
        nouns, adjectives = names(expression)
        noun, adjective = pick(self.rng, nouns), pick(self.rng, adjectives)
        return fill(pattern, expression, noun=noun, adjective=adjective)

    def opening(self) -> Turn:
        """A first turn that states what is known."""
        kinds = ["general"]
        if self.name not in (None, "other"):
            kinds.append("expression")
        if self.present is not None:
            kinds.append("units")
        kind = pick(self.rng, kinds)
        if kind == "expression":
            answer = pick(self.rng, self.file["expression"]["answers"])
            assert self.name is not None
            return self._ask("expression"), self._named(answer, self.name)
        if kind == "units":
            return self._ask("units"), label_line(None, self.present)
        answer = describe("conversation", expression=self.name, units=self.present, rng=self.rng)
        return prompt_for("conversation", self.rng), answer

    def follow_ups(self) -> list[Callable[[], Turn]]:
        """The turns that these labels can answer, beside the opening."""
        turns: list[Callable[[], Turn]] = [self.unknowable]
        if self.name not in (None, "other"):
            turns.append(self.check)
        if self.name is not None and self.present is not None:
            turns.append(self.why)
        if self.present:
            turns.append(self.region)
        return turns

    def unknowable(self) -> Turn:
        entry = self.rng.choice(self.file["unknowable"])
        return pick(self.rng, entry["questions"]), pick(self.rng, entry["answers"])

    def check(self) -> Turn:
        """Asks for an expression, right or wrong; classes exclude each other, so "no" is safe."""
        assert self.name is not None
        asked = self.name
        if self.rng.random() < 0.5:
            asked = pick(self.rng, [e for e in facs.LABEL_SETS["basic8"] if e != self.name])
        answers = self.file["check"]["yes" if asked == self.name else "no"]
        question = self._named(self._ask("check"), asked)
        return question, self._named(pick(self.rng, answers), self.name)

    def why(self) -> Turn:
        assert self.name is not None
        question = self._ask("why")
        if self.name == "other" or self.rng.random() < 0.5:
            question = f"Which signs lead to the label {self.name}?"
        return question, f"{capital(self.name)}. {self.writer.reasons(self.name)}"

    def region(self) -> Turn:
        """Asks for a region that moves; stillness elsewhere may be a unit that nobody coded."""
        assert self.present
        regions = sorted({facs.au_info(u).region for u in self.present})
        region = pick(self.rng, regions)
        there = frozenset(u for u in self.present if facs.au_info(u).region == region)
        shown = strongest(self.present, there)[:MAX_UNITS]
        question = pick(self.rng, self.file["region"]["questions"][region])
        return question, capital(join([self.writer.clause(u) for u in shown])) + "."
