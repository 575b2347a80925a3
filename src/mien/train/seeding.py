"""Random numbers that depend on names alone: (seed, visit, purpose) always gives the same ones."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PURPOSES = ("row", "augment", "view", "words", "pass")


def draw(seed: int, visit: Any, purpose: str) -> NDArray[np.uint64]:
    """64 random bits for each visit.

    Args:
        seed: of the run.
        visit: number of a visit, or an array of them.
        purpose: what is drawn, so that one choice says nothing of another.
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2 ** 64 is what is meant
        x = np.asarray(visit).astype(np.uint64)
        x = _mix(x + _mix(np.uint64(seed & 0xFFFF_FFFF_FFFF_FFFF)))
        return _mix(x + np.uint64(_PURPOSES.index(purpose) + 1))


def generator(seed: int, visit: int, purpose: str) -> random.Random:
    """Python's generator for one visit."""
    return random.Random(int(draw(seed, visit, purpose)))


def _mix(x: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    """Steele, Lea and Flood's SplitMix64 (OOPSLA 2014)."""
    z = np.asarray(x) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
