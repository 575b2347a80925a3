"""The units that a rendered face may be asked for, and which of them a face cannot show together.

Source: Ekman, Friesen & Hager, *Facial Action Coding System*, 2002, for what each unit does; which
pairs exclude each other is mien's reading of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

UNITS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 24, 25, 26, 43)
"""Units that a pattern may hold."""

DRAWN: tuple[int, ...] = tuple(u for u in UNITS if u != 25)
"""Units that are drawn. 25 (lips part) comes with 10, 12, 16 and 26; it stands in a pattern only as
a wish, where a prototype asks for it."""

MIDLINE: frozenset[int] = frozenset({17, 18, 25, 26})
"""Units that a face model moves on both sides at once."""

SHOWN = 1.5
"""Intensity from which a unit is shown: it rounds to B."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two units that cannot both be strong.

    Attributes:
        first, second: FACS numbers.
        limits: intensities; the two conflict where both units are above their limit.
        yields_to: most that is left of the unit that gives way, per unit; 0 removes it.
        reason: why.
    """

    first: int
    second: int
    limits: tuple[float, float] = (0.0, 0.0)
    yields_to: tuple[float, float] = (0.0, 0.0)
    reason: str = ""


_B, _C = 2.4, 3.4  # the upper ends of B and C, less a hair so that they round down

CONFLICTS: tuple[Conflict, ...] = (
    Conflict(24, 25, reason="pressed lips do not part"),
    Conflict(24, 26, reason="pressed lips hold the jaw"),
    Conflict(24, 16, reason="pressed lips stay together"),
    Conflict(24, 10, reason="pressed lips stay together"),
    Conflict(24, 18, (0.0, _B), (0.0, _B), reason="a strong pucker rounds what 24 flattens"),
    Conflict(43, 5, reason="the lid is up or down"),
    Conflict(18, 12, reason="corners go in or out"),
    Conflict(18, 20, reason="corners go in or out"),
    Conflict(18, 14, reason="corners go in or out"),
    Conflict(12, 15, (_B, _B), (_B, _B), reason="corners go up or down; both only when weak"),
    Conflict(5, 7, (0.0, _C), (0.0, _C), reason="a strong 7 closes the eye that 5 opens"),
    Conflict(17, 26, (_C, _C), (_C, _C), reason="the chin boss cannot rise far on a dropped jaw"),
    Conflict(16, 17, (_C, _C), (_C, _C), reason="the lower lip goes down or up"),
)
"""Pairs that a face cannot show, or not in strength. `mouthFunnel` (22) and a stretched mouth (27)
exclude 24 as well; neither is drawn as a unit."""


def conflicts_in(strength: Mapping[int, float]) -> tuple[Conflict, ...]:
    """The conflicts that some units (au to intensity) are in."""
    return tuple(
        c
        for c in CONFLICTS
        if strength.get(c.first, 0.0) > c.limits[0] and strength.get(c.second, 0.0) > c.limits[1]
    )


def settle(
    rng: np.random.Generator, strength: dict[int, float], keep: frozenset[int] = frozenset()
) -> None:
    """Take conflicts out of `strength`, in place; units of `keep` are lowered but not removed.

    Which unit gives way is drawn by chance, in proportion to the other one's intensity: the weaker
    one more often.
    """
    while found := conflicts_in(strength):
        conflict = found[0]
        pair = ((conflict.first, conflict.yields_to[0]), (conflict.second, conflict.yields_to[1]))
        may = [(au, rest) for au, rest in pair if au not in keep]
        may = may or [(au, rest) for au, rest in pair if rest >= SHOWN]
        if len(may) == 2:
            first, second = strength[conflict.first], strength[conflict.second]
            may = may[:1] if rng.random() < second / (first + second) else may[1:]
        au, rest = may[0]
        if rest:
            # Not the limit itself, or such units would all look alike.
            strength[au] = float(rng.uniform(max(rest - 1, SHOWN), rest))
        else:
            del strength[au]


EXTRAS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "cheekPuff": frozenset({10, 12, 14, 16, 20, 24, 25, 26}),
        "jawForward": frozenset(),
        "jawLeft": frozenset(),
        "jawRight": frozenset(),
        "mouthLeft": frozenset({20}),
        "mouthRight": frozenset({20}),
        "mouthFunnel": frozenset({12, 14, 18, 20, 24}),
        "mouthRollLower": frozenset({16, 17, 18, 24, 25, 26}),
    }
)
"""Distracting actions, and the units that they hide or cannot go with."""
