"""Sentences about a face, from phrase files: which units show, and what they say about it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

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
        return self._fill(pick(self.rng, patterns(kind)), expression, units=phrase, plural=plural)

    def _fill(self, pattern: str, expression: str | None, **parts: Any) -> str:
        """`fill` with one of the words for the expression."""
        if expression is None:
            return fill(pattern, **parts)
        nouns, adjectives = names(expression)
        noun, adjective = pick(self.rng, nouns), pick(self.rng, adjectives)
        return fill(pattern, expression, noun=noun, adjective=adjective, **parts)

    def movements(self) -> str:
        """The strongest units as plain clauses: `The cheeks are raised (AU6) and ...`."""
        shown = strongest(self.units)[:MAX_UNITS]
        if not shown:
            return pick(self.rng, patterns("still"))
        clauses = [self.clause(u) for u in shown]
        pattern = pick(self.rng, patterns("movement"))
        if len(clauses) < 2 or self.rng.random() < 0.6:
            return fill(pattern, clauses=join(clauses))
        first = self.rng.randrange(1, len(clauses))
        rest = f"{pick(self.rng, patterns('added'))}{join(clauses[first:])}."
        return f"{fill(pattern, clauses=join(clauses[:first]))} {rest}"

    def impression(self, expression: str) -> str:
        """A guarded sentence about the expression that names no unit."""
        entry = load("phrases.json")["expressions"][expression]
        if self.rng.random() < 0.25:
            return pick(self.rng, entry["general"])
        kinds = ["impression", "impression"]
        if expression != "other":  # "an other face" names nothing
            kinds.append("impression_named")
        quality, second = self.rng.sample(entry["qualities"], 2)
        pattern = pick(self.rng, patterns(pick(self.rng, kinds)))
        pattern = pattern.replace("{quality}", quality).replace("{second}", second)
        return self._fill(pattern.replace("{a_quality}", article(quality)), expression)

    def description(self, expression: str) -> str:
        """How the expression shows: the units that speak for it, else the overall impression."""
        support = facs.supporting_units(expression, self.units)
        shown = strongest(self.units, support.units)[:MAX_UNITS]
        if not shown:
            return self.impression(expression)
        clauses = join([self.clause(u) for u in shown])
        kind = "description" if support.complete else "partial_description"
        return self._fill(pick(self.rng, patterns(kind)), expression, clauses=clauses)

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
        sentences = [self._opened(self.sentence(kind, for_it, expression))]
        if against:
            contrast = pick(self.rng, patterns("contrast"))
            sentences.append(contrast + lowered(self.sentence("against", against)))
        if aside and len(for_it) + len(against) < 3 and self.rng.random() < 0.5:
            sentences.append(self.sentence("aside", aside))
        elif len(for_it) + len(against) < 4 and self.rng.random() < 0.4:
            ending = "mixed" if against else "settled" if support.complete else "tentative"
            sentences.append(pick(self.rng, patterns(ending)))
        return " ".join(sentences)

    def _opened(self, sentence: str) -> str:
        """Now and then a few words before a sentence that begins with its units."""
        if not sentence.startswith("The ") or "(AU" not in sentence or self.rng.random() < 0.65:
            return sentence
        if sentence.startswith(("The main", "The face", "The judgement", "The evidence")):
            return sentence
        return pick(self.rng, patterns("opening")) + lowered(sentence)

    def _unsupported(self, expression: str, against: list[int], aside: list[int]) -> str:
        first = self.sentence("against", against) if against else self.sentence("aside", aside)
        last = "still_neutral" if expression == "neutral" else "unsupported"
        return f"{first} {pick(self.rng, patterns(last))}"


def names(expression: str) -> tuple[list[str], list[str]]:
    """Nouns and adjectives that `describe` uses for an expression."""
    entry = load("phrases.json")["expressions"][expression]
    return entry["nouns"], entry["adjectives"]


def lowered(sentence: str) -> str:
    """A sentence as it stands behind an opening."""
    return sentence[0].lower() + sentence[1:]


def fill(
    pattern: str,
    expression: str | None = None,
    *,
    noun: str = "",
    adjective: str = "",
    units: str = "",
    clauses: str = "",
    plural: bool = False,
) -> str:
    """A pattern with its names put in; a name with a capital begins a sentence.

    Args:
        pattern: from a phrase file.
        expression: canonical name, or None where the pattern names none.
        noun, adjective: other words for the expression than the canonical ones.
        units, clauses: what stands for the units.
        plural: whether `units` is a plural.
    """
    info = facs.EXPRESSIONS[expression] if expression is not None else None
    label = info.name if info else ""
    noun = noun or ("a neutral face" if label == "neutral" else label)
    adjective = adjective or (info.adjective if info else "")
    return agree(pattern, plural=plural).format(
        noun=noun,
        Noun=capital(label if label == "neutral" else noun),
        adj=adjective,
        a_adj=article(adjective),
        units=units,
        Units=capital(units),
        clauses=clauses,
        Clauses=capital(clauses),
    )
