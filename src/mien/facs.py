"""Facial action units, expressions, and how the two are tied: the vocabulary of the whole package.

Labels travel as names and action units as integers; a position in a list means something only
together with the dataset that defines it, and those lists stand here once. This module imports
nothing of mien.

Sources:
    FACS: Ekman, Friesen & Hager, *Facial Action Coding System*, 2002 (names, muscles).
    EMFACS: Friesen & Ekman, *EMFACS-7*, 1983 (combinations that signal an emotion).
    Matsumoto2008: Matsumoto & Ekman, *Facial expression analysis*, Scholarpedia 3(5):4237, 2008.
    Du2014: Du, Tao & Martinez, *Compound facial expressions of emotion*, PNAS 111(15),
        2014, table 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Region = Literal["brows", "eyes", "nose", "cheeks", "mouth", "jaw"]

REGIONS: tuple[Region, ...] = ("brows", "eyes", "nose", "cheeks", "mouth", "jaw")


@dataclass(frozen=True, slots=True)
class ActionUnitInfo:
    """One action unit as FACS defines it.

    Attributes:
        number: FACS number, for example 12.
        name: FACS name in lower case, for example "lip corner puller".
        region: the part of the face where it shows.
        muscles: the muscles that make it, FACS 2002.
        aliases: other names that people write for it; each is unique over all units.
    """

    number: int
    name: str
    region: Region
    muscles: tuple[str, ...]
    aliases: tuple[str, ...] = ()


_UNITS = (
    ActionUnitInfo(1, "inner brow raiser", "brows", ("frontalis (pars medialis)",)),
    ActionUnitInfo(2, "outer brow raiser", "brows", ("frontalis (pars lateralis)",)),
    ActionUnitInfo(
        4,
        "brow lowerer",
        "brows",
        ("corrugator supercilii", "depressor supercilii", "procerus"),
        ("brow furrower", "frown of the brows"),
    ),
    ActionUnitInfo(
        5, "upper lid raiser", "eyes", ("levator palpebrae superioris",), ("upper eyelid raiser",)
    ),
    ActionUnitInfo(6, "cheek raiser", "cheeks", ("orbicularis oculi (pars orbitalis)",)),
    ActionUnitInfo(
        7,
        "lid tightener",
        "eyes",
        ("orbicularis oculi (pars palpebralis)",),
        ("eyelid tightener",),
    ),
    ActionUnitInfo(
        9, "nose wrinkler", "nose", ("levator labii superioris alaeque nasi",), ("nose wrinkle",)
    ),
    ActionUnitInfo(10, "upper lip raiser", "mouth", ("levator labii superioris",)),
    ActionUnitInfo(11, "nasolabial deepener", "mouth", ("zygomaticus minor",)),
    ActionUnitInfo(
        12, "lip corner puller", "mouth", ("zygomaticus major",), ("lip corners puller",)
    ),
    ActionUnitInfo(
        13,
        "sharp lip puller",
        "mouth",
        ("levator anguli oris",),
        ("sharp lip corner puller",),
    ),
    ActionUnitInfo(14, "dimpler", "mouth", ("buccinator",), ("lip corner tightener",)),
    ActionUnitInfo(
        15,
        "lip corner depressor",
        "mouth",
        ("depressor anguli oris",),
        ("lip corners depressor",),
    ),
    ActionUnitInfo(16, "lower lip depressor", "mouth", ("depressor labii inferioris",)),
    ActionUnitInfo(17, "chin raiser", "jaw", ("mentalis",)),
    ActionUnitInfo(
        18,
        "lip pucker",
        "mouth",
        ("incisivii labii superioris", "incisivii labii inferioris"),
        ("lip puckerer",),
    ),
    ActionUnitInfo(20, "lip stretcher", "mouth", ("risorius", "platysma")),
    ActionUnitInfo(22, "lip funneler", "mouth", ("orbicularis oris",), ("lip funneller",)),
    ActionUnitInfo(23, "lip tightener", "mouth", ("orbicularis oris",)),
    ActionUnitInfo(24, "lip pressor", "mouth", ("orbicularis oris",), ("lip presser",)),
    ActionUnitInfo(
        25,
        "lips part",
        "mouth",
        ("depressor labii inferioris", "relaxation of mentalis or orbicularis oris"),
        ("lips parted",),
    ),
    ActionUnitInfo(
        26, "jaw drop", "jaw", ("masseter (relaxed)", "temporalis and pterygoids (relaxed)")
    ),
    ActionUnitInfo(27, "mouth stretch", "jaw", ("pterygoids", "digastric"), ("mouth stretcher",)),
    ActionUnitInfo(28, "lip suck", "mouth", ("orbicularis oris",)),
    ActionUnitInfo(43, "eyes closed", "eyes", ("relaxation of levator palpebrae superioris",)),
    ActionUnitInfo(45, "blink", "eyes", ("relaxation of levator palpebrae superioris",)),
)

ACTION_UNITS: Mapping[int, ActionUnitInfo] = MappingProxyType({u.number: u for u in _UNITS})

INTENSITIES: tuple[str, ...] = ("A", "B", "C", "D", "E")
"""FACS intensity letters, trace to maximum; their numbers are 1 to 5 and 0 is absent."""


def au_info(number: int) -> ActionUnitInfo:
    """The definition of an action unit.

    Raises:
        ValueError: if mien does not know a unit of this number.
    """
    try:
        return ACTION_UNITS[number]
    except KeyError:
        known = ", ".join(str(n) for n in ACTION_UNITS)
        raise ValueError(f"unknown action unit {number!r}; mien knows {known}") from None


def intensity_letter(intensity: float) -> str | None:
    """FACS letter of an intensity in [0, 5], rounded to the nearest; None where it rounds to 0.

    Raises:
        ValueError: if the intensity is outside [0, 5].
    """
    if not 0 <= intensity <= 5:
        raise ValueError(f"intensity {intensity} is outside [0, 5]")
    level = int(intensity + 0.5)
    return INTENSITIES[level - 1] if level else None


def intensity_number(letter: str) -> int:
    """Number 1 to 5 of a FACS intensity letter A to E (either case).

    Raises:
        ValueError: if it is no such letter.
    """
    try:
        return INTENSITIES.index(letter.upper()) + 1
    except ValueError:
        raise ValueError(f"intensity letter {letter!r} is not one of A, B, C, D, E") from None


# -------------------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class ExpressionInfo:
    """One expression class and the words that people use for it.

    Attributes:
        name: canonical noun, for example "happiness".
        adjective: how a face showing it is described, for example "happy".
        aliases: further nouns and adjectives with the same meaning; each is unique over all
            expressions.
    """

    name: str
    adjective: str
    aliases: tuple[str, ...] = ()


_EXPRESSIONS = (
    ExpressionInfo("neutral", "neutral", ("neutrality", "expressionless", "no expression")),
    ExpressionInfo(
        "happiness",
        "happy",
        ("joy", "joyful", "joyous", "cheerful", "cheerfulness", "delighted", "delight", "happily"),
    ),
    ExpressionInfo(
        "sadness", "sad", ("sorrow", "sorrowful", "unhappy", "unhappiness", "grief", "sadly")
    ),
    ExpressionInfo(
        "surprise",
        "surprised",
        ("surprising", "astonished", "astonishment", "amazed", "amazement", "startled"),
    ),
    ExpressionInfo(
        "fear", "fearful", ("afraid", "scared", "frightened", "fright", "terrified", "terror")
    ),
    ExpressionInfo("disgust", "disgusted", ("revulsion", "repulsed", "revolted")),
    ExpressionInfo(
        "anger", "angry", ("angered", "rage", "enraged", "furious", "fury", "mad", "irate")
    ),
    ExpressionInfo("contempt", "contemptuous", ("scorn", "scornful", "disdain", "disdainful")),
    ExpressionInfo("anxiety", "anxious", ("anxiousness",)),
    ExpressionInfo("helplessness", "helpless", ()),
    ExpressionInfo("disappointment", "disappointed", ()),
    ExpressionInfo("other", "other", ()),
)

EXPRESSIONS: Mapping[str, ExpressionInfo] = MappingProxyType({e.name: e for e in _EXPRESSIONS})

_EXPRESSION_OF_WORD: Mapping[str, str] = MappingProxyType(
    {word: e.name for e in _EXPRESSIONS for word in (e.name, e.adjective, *e.aliases)}
)


def expression_words() -> Mapping[str, str]:
    """Every word (lower case) that names an expression, to its canonical name."""
    return _EXPRESSION_OF_WORD


def canonical_expression(word: str) -> str:
    """Canonical noun of an expression word, whatever its case: "Happy" gives "happiness".

    Raises:
        ValueError: if the word names no expression that mien knows.
    """
    try:
        return _EXPRESSION_OF_WORD[word.strip().lower()]
    except KeyError:
        known = ", ".join(EXPRESSIONS)
        raise ValueError(f"unknown expression {word!r}; mien knows {known}") from None


LABEL_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "basic7": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"),
        "basic8": (
            "neutral",
            "happiness",
            "sadness",
            "surprise",
            "fear",
            "disgust",
            "anger",
            "contempt",
        ),
        "affwild2": (
            "neutral",
            "anger",
            "disgust",
            "fear",
            "happiness",
            "sadness",
            "surprise",
            "other",
        ),
        "mafw11": (
            "anger",
            "disgust",
            "fear",
            "happiness",
            "neutral",
            "sadness",
            "surprise",
            "contempt",
            "anxiety",
            "helplessness",
            "disappointment",
        ),
    }
)
"""Closed sets of expression names that a label can come from."""


# ---------------------------------------------------------------- which units make which expression


@dataclass(frozen=True, slots=True)
class Prototype:
    """A combination of action units that signals an expression.

    Attributes:
        expression: canonical name.
        units: the action units that are present together.
        source: key of the source in this module's docstring.
        unilateral: True where the sign is on one side of the face only.
    """

    expression: str
    units: frozenset[int]
    source: str
    unilateral: bool = False


def _prototypes(
    expression: str, source: str, *combinations: Iterable[int], unilateral: bool = False
) -> tuple[Prototype, ...]:
    return tuple(Prototype(expression, frozenset(c), source, unilateral) for c in combinations)


PROTOTYPES: tuple[Prototype, ...] = (
    *_prototypes("happiness", "EMFACS", (6, 12), (12,)),
    *_prototypes("happiness", "Du2014", (12, 25), (6, 12, 25)),
    *_prototypes("sadness", "EMFACS", (1, 4), (1, 4, 15), (1, 4, 11), (6, 15), (1, 15)),
    *_prototypes("sadness", "Matsumoto2008", (1, 4, 15, 17), (1, 4, 17), (1, 15, 17)),
    *_prototypes("sadness", "Du2014", (4, 15), (4, 6, 15), (1, 4, 6, 15)),
    *_prototypes("surprise", "EMFACS", (1, 2, 5, 26), (1, 2, 5, 27), (1, 2, 5), (1, 2, 26)),
    *_prototypes("surprise", "Du2014", (1, 2, 25, 26), (1, 2, 5, 25, 26)),
    *_prototypes("fear", "EMFACS", (1, 2, 4), (1, 2, 4, 5, 20, 25), (1, 2, 4, 5, 20, 26)),
    *_prototypes("fear", "EMFACS", (1, 2, 4, 5), (1, 2, 4, 5, 25, 26), (5, 20), (1, 2, 4, 5, 7)),
    *_prototypes("fear", "Matsumoto2008", (1, 2, 4, 5, 7, 20, 25), (1, 2, 4, 5, 7, 20, 26)),
    *_prototypes("fear", "Du2014", (1, 4, 20, 25), (1, 4, 5, 20, 25), (1, 2, 4, 5, 20, 25)),
    *_prototypes("disgust", "EMFACS", (9,), (10,), (9, 16), (9, 17), (10, 16), (10, 17)),
    *_prototypes("disgust", "Matsumoto2008", (9, 15), (9, 15, 16), (9, 25), (10, 25)),
    *_prototypes("disgust", "Du2014", (9, 10, 17), (4, 9, 10, 17), (9, 10, 24), (4, 9, 17)),
    *_prototypes("anger", "EMFACS", (4, 5, 7, 23), (4, 5, 7, 24), (4, 5, 7), (4, 7, 23)),
    *_prototypes("anger", "Matsumoto2008", (4, 5, 7, 10, 23), (4, 5, 7, 10, 25), (4, 7, 10)),
    *_prototypes("anger", "Du2014", (4, 7, 24), (4, 7, 10, 23), (4, 7, 17, 24), (4, 7, 17, 23)),
    *_prototypes("contempt", "EMFACS", (14,), (12, 14), unilateral=True),
)

_AGAINST: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "neutral": frozenset({1, 2, 4, 5, 6, 9, 10, 12, 14, 15, 16, 20, 23, 24, 27}),
        "happiness": frozenset({1, 4, 5, 9, 15, 20, 23, 24}),
        "sadness": frozenset({2, 5, 9, 10, 12, 23, 27}),
        "surprise": frozenset({4, 6, 7, 9, 10, 15, 20, 23, 24, 43}),
        "fear": frozenset({6, 9, 10, 12, 14, 23, 24, 43}),
        "disgust": frozenset({1, 2, 5, 12, 26, 27}),
        "anger": frozenset({1, 2, 6, 12, 15, 20}),
        "contempt": frozenset({1, 2, 5, 9, 20, 26, 27}),
    }
)
"""Units that speak against an expression: none of its combinations has them, and they belong to
another emotion's core signs. `SHARED_UNITS` are left out, unless the combinations rule them out.
mien's own reading of the sources above."""

SHARED_UNITS: frozenset[int] = frozenset({16, 17, 18, 25, 26, 27, 43, 45})
"""Units that most speech and many expressions share: the mouth opens, purses and moves the chin in
talk, and everyone blinks. All others are core units. mien's own reading of the sources above."""


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for an expression among the units of a face.

    Attributes:
        units: present units that speak for it; empty where none does.
        complete: True where they make up at least one whole combination.
    """

    units: frozenset[int] = frozenset()
    complete: bool = False


def prototypes_of(expression: str) -> tuple[Prototype, ...]:
    """The combinations that signal an expression; empty where the sources give none."""
    return tuple(p for p in PROTOTYPES if p.expression == expression)


def units_against(expression: str) -> frozenset[int]:
    """Units that speak against an expression."""
    return _AGAINST.get(expression, frozenset())


def matching_prototypes(units: Iterable[int]) -> tuple[Prototype, ...]:
    """Combinations that are wholly contained in a set of present units, the most specific first."""
    present = frozenset(units)
    found = [p for p in PROTOTYPES if p.units <= present]
    return tuple(sorted(found, key=lambda p: -len(p.units)))


def supporting_units(expression: str, present: Iterable[int]) -> Support:
    """Which present units speak for an expression.

    Those of all its combinations that are wholly present; if there are none, those of the one
    combination that is nearest to whole, as long as half of it is present and one of these units
    is not in `SHARED_UNITS`. Parted lips alone so speak for nothing. mien's own rule.
    """
    there = frozenset(present)
    whole = [p.units for p in matching_prototypes(there) if p.expression == expression]
    if whole:
        return Support(frozenset().union(*whole), complete=True)
    parts = [(p.units & there, len(p.units)) for p in prototypes_of(expression)]
    parts = [(u, size) for u, size in parts if 2 * len(u) >= size and u - SHARED_UNITS]
    # max keeps the first of equals, so the answer does not depend on the order of `present`
    found, _ = max(parts, key=lambda p: (len(p[0]) / p[1], len(p[0])), default=(frozenset(), 0))
    return Support(found)
