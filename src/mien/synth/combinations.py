"""Which action units a rendered face is to show: combinations that faces make, in balance.

Intensities lie in [0.5, 5] (FACS A to E are 1 to 5; below 0.5 is absence), and a unit counts as
shown from B (1.5) on. What a picture is labelled with is measured on the posed mesh; a pattern is
only what the pose aims at.

Sources:
    Tong2007: Tong, Liao & Ji, *Facial action unit recognition by exploiting their dynamic and
        semantic relationships*, IEEE TPAMI 29(10), 2007.
    Zhao2015: Zhao, Chu, De la Torre, Cohn & Zhang, *Joint patch and multi-label learning for
        facial action unit detection*, CVPR, 2015.
    Li2019: Li, Zhu, Zeng, Wang & Lin, *Semantic relationships guided representation learning for
        facial action unit recognition*, AAAI, 2019.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np

from mien.schema import Side
from mien.synth.conflicts import DRAWN, EXTRAS, MIDLINE, SHOWN, settle
from mien.synth.signs import SIGNS, Sign, may_join, signals

_Key = TypeVar("_Key", int, str)

Origin = Literal["prototype", "variant", "cooccurrence", "random", "single", "neutral"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Units that are to be shown, before a face model shows them.

    Attributes:
        origin: how it was drawn.
        expression: canonical name where the origin is prototype, variant or neutral; None for a
            blend of two expressions and for every other origin.
        units: (au, side) to intensity in (0, 5]; the side is the person's own. A unit has either
            "both" or one or two single sides.
        extras: ARKit actions without a unit of `conflicts.UNITS`, which distract; weight in [0, 1].
    """

    origin: Origin
    expression: str | None
    units: Mapping[tuple[int, Side], float]
    extras: Mapping[str, float] = field(default_factory=dict)


def strengths(units: Mapping[tuple[int, Side], float]) -> dict[int, float]:
    """Intensity of each unit: that of its stronger side."""
    found: dict[int, float] = {}
    for (au, _), intensity in units.items():
        found[au] = max(found.get(au, 0.0), intensity)
    return found


def shown(units: Mapping[tuple[int, Side], float]) -> frozenset[int]:
    """Units at B or more on one side at least."""
    return frozenset(au for au, value in strengths(units).items() if value >= SHOWN)


def is_held_out(units: Mapping[tuple[int, Side], float]) -> bool:
    """Whether the set of units shown belongs to the held-out combinations.

    A fifth of the sets of three units and more is held out, by a hash of the sorted numbers, the
    same on every machine. Sets of up to two units (single units, neutral, 6+12) are never held
    out, and both halves draw them: there are too few of them to share out, so on those the two
    halves are not disjoint. 25 does not count, since it comes about on the mesh.
    """
    return _set_is_held_out(shown(units) - {25})


def _set_is_held_out(aus: Iterable[int]) -> bool:
    numbers = sorted(aus)
    if len(numbers) < 3:
        return False
    digest = hashlib.sha256(",".join(map(str, numbers)).encode()).digest()
    return digest[0] / 256 < 0.2


_MIX: Mapping[str, float] = MappingProxyType(
    {
        "neutral": 0.08,
        "happiness": 0.075,
        "sadness": 0.065,
        "surprise": 0.065,
        "fear": 0.065,
        "disgust": 0.075,
        "anger": 0.065,
        "contempt": 0.025,
        "blend": 0.03,
        "cooccurrence": 0.19,
        "random": 0.18,
        "single": 0.085,
    }
)
"""Share of the pictures: expressions by name, and what has no expression."""

_PARTNERS: Mapping[int, Mapping[int, float]] = MappingProxyType(
    {
        1: {2: 0.5, 4: 0.25, 5: 0.2, 15: 0.1},
        2: {1: 0.7, 5: 0.25, 26: 0.2, 18: 0.1},
        4: {7: 0.5, 9: 0.15, 1: 0.2, 17: 0.15, 43: 0.1},
        5: {1: 0.3, 2: 0.4, 26: 0.2},
        6: {12: 0.65, 7: 0.4, 10: 0.3, 43: 0.15},
        7: {6: 0.35, 4: 0.35, 10: 0.2, 12: 0.3, 43: 0.1},
        9: {4: 0.5, 7: 0.35, 10: 0.3, 17: 0.2, 6: 0.2},
        10: {12: 0.3, 6: 0.3, 7: 0.3, 9: 0.2, 16: 0.2, 14: 0.15},
        12: {6: 0.6, 10: 0.3, 7: 0.3, 16: 0.2, 26: 0.25, 14: 0.15, 43: 0.1},
        14: {17: 0.3, 24: 0.3, 12: 0.2, 10: 0.15},
        15: {17: 0.6, 4: 0.2, 1: 0.2, 24: 0.15, 14: 0.1},
        16: {26: 0.4, 10: 0.3, 12: 0.25, 20: 0.2},
        17: {15: 0.35, 24: 0.35, 14: 0.3, 4: 0.2, 18: 0.2},
        18: {17: 0.3, 26: 0.15, 4: 0.15, 2: 0.15, 43: 0.1},
        20: {16: 0.3, 26: 0.25, 5: 0.2, 12: 0.15, 4: 0.15},
        24: {17: 0.5, 14: 0.3, 15: 0.15, 4: 0.2, 43: 0.1},
        26: {16: 0.3, 12: 0.2, 20: 0.2, 18: 0.15, 2: 0.15, 1: 0.15},
        43: {4: 0.2, 6: 0.2, 7: 0.15, 12: 0.15, 24: 0.15, 18: 0.1},
    }
)
"""Unit to its partners' chance of being there when it is.

That units come in such groups is what Tong2007, Zhao2015 and Li2019 found and use. Which partners
stand here, and their chances in round numbers, is mien's choice and no statistics of a dataset."""

_TILTS: Mapping[int, float] = MappingProxyType(
    {
        1: 0.75,
        2: 0.9,
        4: 0.3,
        5: 0.3,
        6: 3.2,
        7: 1.0,
        9: 5.8,
        10: 3.5,
        12: 0.65,
        14: 10.0,
        15: 2.8,
        16: 6.2,
        17: 2.8,
        18: 10.0,
        20: 6.1,
        24: 7.8,
        26: 2.3,
        43: 8.0,
    }
)
"""How often a unit is drawn, relative to the others, where no expression asks for it. Fitted so
that in the whole mix each unit is shown in 10 to 20 of 100 faces: the expressions bring 1, 2, 4 and
5 in plenty, but 14, 18, 24 and 43 hardly ever."""

_TRACES = 0.04  # chance of a unit that is not asked for to be there as a trace (A)
_ASYMMETRY = 0.15  # share of faces whose two sides differ
_DISTRACTED = 0.1  # share of faces with an extra, where one may be


def _choice(rng: np.random.Generator, weights: Mapping[_Key, float]) -> _Key:
    """A key, drawn in proportion to its weight."""
    values = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(values, rng.random() * values[-1], side="right"))]


def _any_level(rng: np.random.Generator) -> float:
    """An intensity whose letter is one of A to E with the same chance."""
    level = rng.integers(1, 6)
    return float(min(level + rng.uniform(-0.5, 0.499 if level < 5 else 0.0), 5.0))


def _posed(
    rng: np.random.Generator, sign: Sign, spread: float, without: frozenset[int] = frozenset()
) -> tuple[dict[int, float], frozenset[int]]:
    """Intensities of a combination that go together, and the units that keep its meaning.

    Args:
        rng: random numbers.
        sign: the combination.
        spread: standard deviation of a unit around the strength of the face.
        without: units to leave out.
    """
    units = [au for au in sign.units if au not in without]
    strength = rng.uniform(1.0, 5.0)
    core = next(
        frozenset(s.units)
        for s in sorted(SIGNS[sign.expression], key=lambda s: len(s.units))
        if set(units).issuperset(s.units)
    )
    found: dict[int, float] = {}
    for au in units:
        low, high = sign.units[au]
        value = float(np.clip(strength + spread * rng.standard_normal(), low, high))
        # A face must show the expression that it is labelled with.
        if au in core and value < SHOWN:
            value = float(rng.uniform(SHOWN, 2.2))
        found[au] = value
    return found, core


def _any_sign(rng: np.random.Generator, name: str) -> Sign:
    """A combination of an expression; those without 1 and 4 more often, which most others have."""
    weights = {i: 0.5 ** len({1, 4} & set(sign.units)) for i, sign in enumerate(SIGNS[name])}
    return SIGNS[name][_choice(rng, weights)]


def _expression(
    rng: np.random.Generator, name: str
) -> tuple[Origin, dict[int, float], frozenset[int]]:
    sign = _any_sign(rng, name)
    if rng.random() < 0.45:
        strength, _ = _posed(rng, sign, 0.4)
        return "prototype", strength, frozenset(strength)
    without: frozenset[int] = frozenset()
    loose = [au for au in sign.units if signals(name, set(sign.units) - {au})]
    if loose and rng.random() < 0.4:
        without = frozenset({int(rng.choice(loose))})
    strength, core = _posed(rng, sign, 1.0, without)
    for _ in range(int(rng.choice((0, 1, 2), p=(0.2, 0.5, 0.3)))):
        may = {au: _TILTS[au] for au in DRAWN if may_join(name, au, frozenset(strength))}
        if may:
            au = _choice(rng, may)
            strength[au] = _any_level(rng)
    return "variant", strength, core


def _blend(rng: np.random.Generator) -> dict[int, float]:
    """Parts of two expressions."""
    names = [n for n in SIGNS if n != "contempt"]
    strength: dict[int, float] = {}
    for name in rng.choice(names, 2, replace=False):
        posed, _ = _posed(rng, _any_sign(rng, str(name)), 0.7)
        for au, value in posed.items():
            strength[au] = max(value, strength.get(au, 0.0))
    return strength


def _cooccurring(rng: np.random.Generator) -> dict[int, float]:
    """One unit, its partners, and now and then theirs; their intensities go together."""
    face = rng.uniform(1.2, 5.0)
    found: list[int] = [_choice(rng, _TILTS)]
    for au in found:  # grows while it is read: a partner brings its own, less often
        damp = 1.0 if au == found[0] else 0.4
        for partner, chance in _PARTNERS[au].items():
            chance *= damp * min(1.0, _TILTS[partner]) ** 0.5
            if partner not in found and len(found) < 6 and rng.random() < chance:
                found.append(partner)
    return {au: float(np.clip(face + 0.9 * rng.standard_normal(), 0.5, 5.0)) for au in found}


def _at_random(rng: np.random.Generator) -> dict[int, float]:
    """One to four units that need have nothing to do with each other."""
    weights = np.array([_TILTS[au] for au in DRAWN])
    count = int(rng.choice((1, 2, 3, 4), p=(0.15, 0.25, 0.3, 0.3)))
    units = rng.choice(DRAWN, count, replace=False, p=weights / weights.sum())
    return {int(au): _any_level(rng) for au in units}


def _sided(
    rng: np.random.Generator, strength: Mapping[int, float], *, unilateral: bool, labelled: bool
) -> dict[tuple[int, Side], float]:
    """Units per side: as a rule the same on both."""
    weak: Side = "left" if rng.random() < 0.5 else "right"
    strong: Side = "right" if weak == "left" else "left"
    differ = rng.random() < _ASYMMETRY
    found: dict[tuple[int, Side], float] = {}
    for au, value in strength.items():
        if unilateral and au in (12, 14):
            found[au, strong] = value
        elif unilateral or not differ or au in MIDLINE:
            found[au, "both"] = value
        else:
            found[au, strong] = value
            one_sided = not labelled and rng.random() < 0.25
            if not one_sided and (less := value * rng.uniform(0.2, 0.9)) >= 0.5:
                found[au, weak] = float(less)
    return found


def _make(rng: np.random.Generator, component: str) -> Pattern:
    expression: str | None = None
    origin: Origin
    keep: frozenset[int] = frozenset()
    strength: dict[int, float] = {}
    if component == "neutral":
        origin, expression = "neutral", "neutral"
    elif component in SIGNS:
        origin, strength, keep = _expression(rng, component)
        expression = component
    elif component == "blend":
        origin, strength = "variant", _blend(rng)
    elif component == "cooccurrence":
        origin, strength = "cooccurrence", _cooccurring(rng)
    elif component == "random":
        origin, strength = "random", _at_random(rng)
    else:
        origin, strength = "single", {int(rng.choice(DRAWN)): _any_level(rng)}
    settle(rng, strength, keep)
    keep = frozenset(strength)
    if component != "single":
        for au in DRAWN:
            if au not in strength and rng.random() < _TRACES:
                strength[au] = float(rng.uniform(0.5, 1.499))
        settle(rng, strength, keep)
    units = _sided(
        rng,
        strength,
        unilateral=expression == "contempt",
        labelled=expression is not None,
    )
    extras: dict[str, float] = {}
    if origin not in ("neutral", "prototype", "single") and rng.random() < _DISTRACTED:
        may = [name for name, against in EXTRAS.items() if not against & strength.keys()]
        extras[str(rng.choice(may))] = float(rng.uniform(0.2, 0.9))
    return Pattern(origin, expression, units, extras)


_TRIES = 64


def draw_pattern(rng: np.random.Generator, *, held_out: bool = False) -> Pattern:
    """Draw the units of one face.

    Args:
        rng: random numbers; the same state gives the same pattern.
        held_out: draw from the held-out combinations (`is_held_out`), else from the others. Sets of
            up to two units are drawn either way; their share is the same.
    """
    while True:
        component = _choice(rng, _MIX)
        pattern = _make(rng, component)
        large = len(shown(pattern.units) - {25}) >= 3
        for _ in range(_TRIES):
            if large == (len(shown(pattern.units) - {25}) >= 3) and (
                not large or is_held_out(pattern.units) == held_out
            ):
                return pattern
            pattern = _make(rng, component)
