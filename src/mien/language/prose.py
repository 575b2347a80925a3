"""Sentences about a face, from phrase files: which units show, and what they say about it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from mien import facs
from mien.language.labels import level
from mien.language.words import agree, article, capital, join, load, patterns, pick

Units = Mapping[int, float | None]

MAX_UNITS = 4
"""Units named in prose, so that a small language model can write it; the label line has all."""


def strongest(units: Units, among: frozenset[int] | None = None) -> list[int]:
    """Present units, the most intense first; an ungraded unit stands in the middle."""
    chosen = [u for u in units if among is None or u in among]
    return sorted(chosen, key=lambda u: (-(3.0 if units[u] is None else units[u] or 0.0), u))


class Writer:
    """Writes sentences about one face.

    Args:
        units: present units with intensities.
        rng: chooses the wording.
    """

    def __init__(self, units: Units, rng: random.Random) -> None:
        self.units = units
        self.rng = rng
        # graded words in every phrase read like a form, so only half of the answers have them
        self.graded = rng.random() < 0.5

    def _adverb(self, unit: int) -> str:
        intensity = self.units[unit]
        if intensity is None or not self.graded:
            return ""
        return pick(self.rng, load("phrases.json")["adverbs"][str(level(intensity))])

    def clause(self, unit: int) -> str:
        """`the cheeks are slightly raised (AU6)`."""
        wordings = load("phrases.json")["units"][str(unit)]["clause"]
        return f"{pick(self.rng, wordings).format(self._adverb(unit))} (AU{unit})"

    def nouns(self, units: Sequence[int]) -> tuple[str, bool]:
        """`the raised cheeks (AU6) and the wrinkled nose (AU9)`, and whether that is a plural."""
        phrases = []
        plural = len(units) > 1
        for unit in units:
            entry = load("phrases.json")["units"][str(unit)]
            wording = pick(self.rng, entry["plural"] + entry["singular"])
            plural = plural or wording in entry["plural"]
            phrases.append(f"{wording.format(self._adverb(unit))} (AU{unit})")
        return join(phrases), plural

    def sentence(self, kind: str, units: Sequence[int], expression: str | None = None) -> str:
        """A sentence of a pattern of this kind about the units."""
        phrase, plural = self.nouns(units)
        return fill(pick(self.rng, patterns(kind)), expression, units=phrase, plural=plural)

    def movements(self) -> str:
        """The strongest units as plain clauses: `The cheeks are raised (AU6) and ...`."""
        shown = strongest(self.units)[:MAX_UNITS]
        if not shown:
            return pick(self.rng, patterns("still"))
        return capital(join([self.clause(u) for u in shown])) + "."

    def impression(self, expression: str) -> str:
        """A guarded sentence about the expression that names no unit."""
        return pick(self.rng, load("phrases.json")["expressions"][expression]["general"])

    def description(self, expression: str) -> str:
        """How the expression shows: the units that speak for it, else the overall impression."""
        support = facs.supporting_units(expression, self.units)
        shown = strongest(self.units, support.units)[:MAX_UNITS]
        if not shown:
            return self.impression(expression)
        clauses = join([self.clause(u) for u in shown])
        kind = "description" if support.complete else "partial_description"
        return fill(pick(self.rng, patterns(kind)), expression, clauses=clauses)

    def reasons(self, expression: str) -> str:
        """Which units speak for the expression, which against it, and whether that settles it."""
        support = facs.supporting_units(expression, self.units)
        for_it = strongest(self.units, support.units)[:MAX_UNITS]
        against = strongest(self.units, facs.units_against(expression))
        against = against[: 2 if len(for_it) < 3 else 1]
        neither = frozenset(self.units) - support.units - facs.units_against(expression)
        aside = strongest(self.units, neither)[:2]
        if not self.units:
            return pick(self.rng, patterns("at_rest" if expression == "neutral" else "bare"))
        if not for_it:
            return self._unsupported(expression, against, aside)
        kind = "support" if support.complete else "partial_support"
        sentences = [self.sentence(kind, for_it, expression)]
        if against:
            sentence = self.sentence("against", against)
            sentences.append(
                pick(self.rng, patterns("contrast")) + sentence[0].lower() + sentence[1:]
            )
        if aside and len(for_it) + len(against) < 3 and self.rng.random() < 0.5:
            sentences.append(self.sentence("aside", aside))
        return " ".join(sentences)

    def _unsupported(self, expression: str, against: list[int], aside: list[int]) -> str:
        first = self.sentence("against", against) if against else self.sentence("aside", aside)
        last = "still_neutral" if expression == "neutral" else "unsupported"
        return f"{first} {pick(self.rng, patterns(last))}"


def fill(
    pattern: str,
    expression: str | None = None,
    *,
    units: str = "",
    clauses: str = "",
    plural: bool = False,
) -> str:
    """A pattern with its names put in; a name with a capital begins a sentence."""
    info = facs.EXPRESSIONS[expression] if expression is not None else None
    noun, adjective = (info.name, info.adjective) if info else ("", "")
    if noun == "neutral":
        noun = "a neutral face"
    return agree(pattern, plural=plural).format(
        noun=noun,
        Noun=capital(info.name if info else ""),
        adj=adjective,
        a_adj=article(adjective),
        units=units,
        Units=capital(units),
        Clauses=capital(clauses),
    )
