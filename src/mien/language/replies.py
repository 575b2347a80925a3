"""Answers to questions about a face, written from its numbers: true to them by construction."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mien import facs
from mien.language.beyond import answer_to
from mien.language.describe import describe
from mien.language.labels import checked, label_line, level
from mien.language.prose import MAX_UNITS, Writer, fill, strongest
from mien.language.questions import Question
from mien.language.words import capital, join, load, pick


@dataclass(frozen=True)
class Known:
    """What is known of a face.

    Attributes:
        expression: canonical name, or None.
        scores: probability in [0, 1] of each expression, or None.
        present: present units with their intensity in (0, 5], or None ungraded; None where no unit
            is known.
        absent: units that are known to be absent.
    """

    expression: str | None = None
    scores: Mapping[str, float] | None = None
    present: Mapping[int, float | None] | None = None
    absent: frozenset[int] = field(default_factory=frozenset)


def reply(question: Question, known: Known, rng: random.Random) -> str:
    """The answer to a question.

    Args:
        question: as `read_question` gives it.
        known: the numbers.
        rng: chooses the wording; the same state gives the same text.
    """
    talk = _Replies(known, rng)
    if question.kind == "beyond":
        assert question.topic is not None
        return answer_to(question.topic, rng)
    if question.kind in ("why", "against", "contrast", "expression", "check"):
        return talk.expression_first(question)
    if question.kind == "sure":
        return talk.sure(question)
    if question.kind in ("units", "unit", "strength", "meaning", "region"):
        return talk.units(question)
    return talk.overview() if question.kind == "overview" else talk.text(question.kind)


class _Replies:
    def __init__(self, known: Known, rng: random.Random) -> None:
        self.known, self.rng = known, rng
        self.file = load("dialogue.json")
        present = checked(known.present) if known.present is not None else None
        self.present = present
        self.writer = Writer(present or {}, rng)

    def text(self, kind: str, **names: object) -> str:
        """One of the texts for talks, with its names put in."""
        help = pick(self.rng, self.file["talk"]["help"])
        return pick(self.rng, self.file["talk"][kind]).format(Help=help, **names)

    def overview(self) -> str:
        name = self.known.expression
        if name is None and self.present is None:
            return self.text("no_expression")
        return describe("conversation", expression=name, units=self.present, rng=self.rng)

    def expression_first(self, question: Question) -> str:
        name = self.known.expression
        if name is None:
            return self.text("no_expression")
        if question.kind == "check" and name != "other":
            return self._check(name, question)
        if question.kind in ("why", "against", "contrast") and self.present is None:
            return f"{capital(name)}. {self.text('no_units')}"
        if question.kind == "contrast" and question.expressions[0] != name:
            return f"{capital(name)}. {self._contrast(name, question.expressions[0])}"
        if question.kind in ("against", "contrast"):
            return self._against(name)
        if question.kind == "why":
            return f"{capital(name)}. {self.writer.reasons(name)}"
        if name == "other":
            return self.writer.impression(name)
        return fill(pick(self.rng, self.file["expression"]["answers"]), name)

    def _check(self, name: str, question: Question) -> str:
        if not question.yes_no:  # of several, or of what it is not: "yes" could mean either
            return fill(self.file["expression"]["answers"][1], name)
        answers = self.file["check"]["yes" if question.expressions[0] == name else "no"]
        return fill(pick(self.rng, answers), name)

    def _against(self, name: str) -> str:
        units = strongest(self.present or {}, facs.units_against(name))[:MAX_UNITS]
        if not units:
            return f"{capital(name)}. {self.text('against_none')}"
        return f"{capital(name)}. {self.writer.sentence('against', units)}"

    def _contrast(self, name: str, other: str) -> str:
        """What another expression would need, and what of it is not there.

        Of the combinations of units that make the other expression, the one counts that is nearest
        to whole, the larger of equals.
        """
        present = self.present or {}
        choices = [p.units for p in facs.prototypes_of(other)]
        if not choices:  # neutral: a face at rest
            shown = strongest(present)[:MAX_UNITS]
            kind = "contrast_rest" if shown else "contrast_score"
            return self._weighed(kind, name, other, units=_units(shown))
        wanted = max(choices, key=lambda u: (len(u & set(present)) / len(u), len(u)))
        gone = sorted(wanted & self.known.absent)
        unread = sorted(wanted - set(present) - self.known.absent)
        parts = [self.text("contrast_gone", units=_units(gone))] if gone else []
        parts += [self.text("contrast_unread", units=_units(unread))] if unread else []
        needed = join([f"the {facs.au_info(u).name} (AU{u})" for u in sorted(wanted)])
        need = self.text("contrast", Noun=capital(other), units=needed)
        if parts:
            return f"{need} {capital(join(parts))}."
        return f"{need} {self._weighed('contrast_whole', name, other)}"

    def _weighed(self, kind: str, name: str, other: str, **names: object) -> str:
        """A text that ends with both scores, where they are known."""
        scores = self.known.scores or {}
        weight = ""
        if name in scores and other in scores:
            weight = f" ({_percent(scores[name])} against {_percent(scores[other])})"
        return self.text(kind, noun=name, Noun=capital(other), weight=weight, **names)

    def sure(self, question: Question) -> str:
        """The probabilities of the label, of what was asked for, and of the next."""
        name, scores = self.known.expression, self.known.scores
        if name is None:
            return self.text("no_expression")
        if scores is None or name not in scores:
            return f"{capital(name)}. {self.text('no_scores')}"
        parts = [self.text("sure", Noun=capital(name), percent=_percent(scores[name]))]
        others = [e for e in question.expressions if e != name and e in scores]
        if others:
            parts += [self.text("asked_score", noun=e, percent=_percent(scores[e])) for e in others]
        else:
            after = max((e for e in scores if e != name), key=lambda e: scores[e])
            parts.append(self.text("second", Noun=capital(after), percent=_percent(scores[after])))
        return " ".join(parts)

    def units(self, question: Question) -> str:
        if self.present is None:
            return self.text("no_units")
        if question.kind == "region":
            return self._region(question.regions)
        if not question.units and question.regions:
            return self._region(question.regions)
        if not question.units:
            return f"{label_line(None, self.present)} {self.writer.movements()}"
        return " ".join(self._unit(unit, question) for unit in question.units[:MAX_UNITS])

    def _unit(self, unit: int, question: Question) -> str:
        info = facs.au_info(unit)
        there = unit in (self.present or {})
        if not there and unit not in self.known.absent:
            return self.text("unit_unknown", unit=unit, name=info.name)
        if question.kind == "meaning":
            state = "present" if there else "absent"
            muscles = join([f"the {muscle}" for muscle in info.muscles])
            return self.text("meaning", unit=unit, name=info.name, state=state, muscles=muscles)
        if not there:
            text = self.text("unit_no", unit=unit, name=info.name)
            return f"No, {text}" if question.yes_no else text
        if question.kind == "strength":
            return self._strength(unit)
        clause = self.writer.clause(unit)
        return f"Yes, {clause}." if question.yes_no else capital(clause) + "."

    def _strength(self, unit: int) -> str:
        intensity = (self.present or {}).get(unit)
        if intensity is None:
            return self.text("no_strength", unit=unit)
        number = level(intensity)
        return self.text(
            "strength",
            unit=unit,
            letter=facs.INTENSITIES[number - 1],
            level=self.file["talk"]["levels"][number - 1],
            intensity=f"{intensity:.1f}",
        )

    def _region(self, regions: tuple[facs.Region, ...]) -> str:
        there = frozenset(u for u in self.present or {} if facs.au_info(u).region in regions)
        shown = strongest(self.present or {}, there)[:MAX_UNITS]
        if not shown:
            return self.text("region_still", region=regions[0])
        return capital(join([self.writer.clause(u) for u in shown])) + "."


def _units(units: Sequence[int]) -> str:
    """`AU1 and AU2 are`, `AU5 is`."""
    return f"{join([f'AU{u}' for u in units])} {'are' if len(units) > 1 else 'is'}"


def _percent(p: float) -> str:
    """A probability in words that do not claim certainty where rounding would."""
    if 0 < p < 0.01:
        return "less than 1 %"
    if 0.99 < p < 1:
        return "more than 99 %"
    return f"{100 * p:.0f} %"
