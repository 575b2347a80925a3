"""The combinations that signal an expression, in the units that a rendered face may be asked for.

They are those of `facs.PROTOTYPES`, where the sources stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mien import facs
from mien.synth.conflicts import CONFLICTS, SHOWN, UNITS, conflicts_in

_STAND_INS: Mapping[int, tuple[int, float, float]] = MappingProxyType(
    {23: (24, 0.5, 5.0), 27: (26, 3.6, 5.0), 11: (10, 0.5, 2.0)}
)
"""Unit of a prototype that is not drawn -> (the nearest one that is, least and most intensity)."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A combination that signals an expression, in units that are drawn.

    Attributes:
        expression: canonical name.
        units: FACS number to least and most intensity.
        unilateral: True where it is on one side of the face only.
    """

    expression: str
    units: Mapping[int, tuple[float, float]]
    unilateral: bool


def sign_of(prototype: facs.Prototype) -> Sign | None:
    """A prototype in units that are drawn: 24 for 23, a wide 26 for 27, a weak 10 for 11.

    None where the units that stand in conflict with the others, so that the sign would be lost.
    """
    units: dict[int, tuple[float, float]] = {}
    for au in sorted(prototype.units):
        stand_in, low, high = _STAND_INS.get(au, (au, 0.5, 5.0))
        units[stand_in] = (low, high)
    if set(units) - set(UNITS):
        return None
    for conflict in conflicts_in(dict.fromkeys(units, 5.0)):
        if max(conflict.yields_to) < SHOWN:
            return None
    return Sign(prototype.expression, MappingProxyType(units), prototype.unilateral)


def _signs() -> dict[str, tuple[Sign, ...]]:
    found: dict[tuple[str, frozenset[int]], Sign] = {}
    for prototype in facs.PROTOTYPES:
        if sign := sign_of(prototype):
            found.setdefault((sign.expression, frozenset(sign.units)), sign)
    names = {sign.expression for sign in found.values()}
    return {n: tuple(s for s in found.values() if s.expression == n) for n in sorted(names)}


SIGNS: Mapping[str, tuple[Sign, ...]] = MappingProxyType(_signs())
"""Expression to its combinations, each set of units once."""


def signals(expression: str, units: Iterable[int]) -> bool:
    """Whether units hold one of the expression's combinations."""
    present = set(units)
    return any(present.issuperset(sign.units) for sign in SIGNS[expression])


def may_join(name: str, au: int, present: frozenset[int]) -> bool:
    """Whether a unit leaves the expression what it is."""
    if au in present or au in facs.units_against(name):
        return False
    joined = present | {au}
    if any({c.first, c.second} <= joined for c in CONFLICTS if au in (c.first, c.second)):
        return False
    return not any(
        au in sign.units and joined.issuperset(sign.units)
        for other, signs in SIGNS.items()
        if other != name
        for sign in signs
    )
