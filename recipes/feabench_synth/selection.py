"""Which of the candidate scenes are taken: the first ones, but for as few as the balance needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.synth.combinations import is_held_out
from mien.synth.measure import MEASURED_UNITS
from mien.synth.produce import Picture
from mien.synth.signs import signals

Key = int | str
"""An action unit, the name of an expression, or one of the two below."""
Shares = Mapping[Key, tuple[float, float]]
Counts = NDArray[np.int64]
TURNED, COARSE = "turned away", "coarse"

HAIR = 0.05
"""Nearest that a measurement may come to a limit, as a share of it (`Measured.margin`)."""
LEAST_HEIGHT = 60.0
LEAST_INSIDE = 0.8
MOST_YAW = 50.0
LEAST_NATIVE = 64
MOST_HIDDEN = 6
"""Units that cannot be seen; where there are more, hardly anything can."""

BASIC = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")

SHARES: Shares = {
    **dict.fromkeys(MEASURED_UNITS, (0.115, 0.19)),
    **dict.fromkeys(BASIC, (0.066, 0.086)),
    "contempt": (0.022, 0.028),
    TURNED: (0.0, 0.1),
    COARSE: (0.0, 0.1),
}
"""Least and most of the pictures that show a unit or an expression, or are hard to read."""


@dataclass(frozen=True)
class Candidate:
    """What the choice knows of a scene.

    Attributes:
        index: its number.
        keys: which of `SHARES` it counts for.
    """

    index: int
    keys: frozenset[Key]


def candidate(picture: Picture) -> Candidate | None:
    """A picture as a candidate; None where it does not qualify.

    It qualifies if the face is large enough and in the picture, if no label hangs by a hair, if
    what can be seen to be present is itself a combination of the test, or of fewer than three
    units, of which both halves have all, and if it signals the expression by itself.
    """
    sample = picture.sample
    if sample.box is None or sample.box[3] - sample.box[1] < LEAST_HEIGHT:
        return None
    if picture.inside < LEAST_INSIDE or min(unit.margin for unit in picture.units) < HAIR:
        return None
    present = {unit.au for unit in picture.units if unit.present}
    hidden = sum(not unit.visible for unit in picture.units)
    if hidden > MOST_HIDDEN or not belongs_to_test(present):
        return None
    keys: set[Key] = set(present)
    if sample.expression is not None and (label := sample.expression.label) is not None:
        if label != "neutral" and not signals(label, present):
            return None
        keys.add(label)
    if abs(float(sample.attributes["yaw"])) > MOST_YAW:
        keys.add(TURNED)
    if float(sample.attributes.get("native", LEAST_NATIVE)) < LEAST_NATIVE:
        keys.add(COARSE)
    return Candidate(picture.index, frozenset(keys))


def belongs_to_test(present: Iterable[int]) -> bool:
    """Whether a set of units is held out from training, or too small to be."""
    counted = set(present) - {25}
    return len(counted) < 3 or is_held_out({(au, "both"): 5.0 for au in counted})


def select(candidates: Sequence[Candidate], count: int, shares: Shares = SHARES) -> list[int]:
    """The numbers of the candidates that are taken, in their order.

    The first ones are taken, and exchanged for later ones as long as that brings the counts nearer
    to their limits; each time the one exchange that does so most. Only whole numbers are compared,
    so that the choice is the same on every machine.

    Args:
        candidates: in the order of their numbers.
        count: how many are wanted.
        shares: least and most share of each key.

    Raises:
        ValueError: if the candidates do not suffice; the message says what they lack.
    """
    if len(candidates) < count:
        raise ValueError(f"{len(candidates)} candidates for {count} places")
    keys = list(shares)
    holds = np.array([[key in c.keys for key in keys] for c in candidates], np.int64)  # (P, K)
    least = np.array([math.ceil(shares[key][0] * count) for key in keys])
    most = np.array([math.floor(shares[key][1] * count) for key in keys])
    taken = np.arange(len(candidates)) < count
    counts = holds[taken].sum(0)
    while (cost := _cost(counts, least, most)) > 0:
        inside, outside = np.flatnonzero(taken), np.flatnonzero(~taken)
        best = None
        for i in inside:
            costs = _cost(counts - holds[i] + holds[outside], least, most)
            j = int(costs.argmin()) if len(costs) else -1
            if j >= 0 and costs[j] < cost:
                best, cost = (i, outside[j]), costs[j]
        if best is None:
            off = np.flatnonzero((counts < least) | (counts > most))
            told = ", ".join(f"{keys[k]} ({counts[k]})" for k in off)
            raise ValueError(f"{len(candidates)} candidates are too few for a balance of {told}")
        taken[best[0]], taken[best[1]] = False, True
        counts += holds[best[1]] - holds[best[0]]
    return [c.index for c, chosen in zip(candidates, taken, strict=True) if chosen]


def _cost(counts: Counts, least: Counts, most: Counts) -> Counts:
    """(...,) squared distances of (..., K) counts from their limits."""
    off = np.maximum(least - counts, 0) + np.maximum(counts - most, 0)
    return (off * off).sum(-1)
