"""What a model must beat: answers that look at no face, in closed form.

"Majority" gives the most frequent class, or calls a unit present where it is so in more than half
of the frames. "Prior-random" draws each answer by the base rates of the truth. Its accuracy and
recall are expected values; its F1 is that of the expected counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.metrics.action_units import UnitCounts, always_on_f1
from mien.metrics.classification import Confusion


@dataclass(frozen=True, slots=True)
class ClassBaseline:
    """WAR, UAR and macro-F1 of an answer that looks at no face; NaN without samples."""

    war: float
    uar: float
    macro_f1: float


def majority_class(counts: Confusion) -> ClassBaseline:
    """Always the most frequent true class, at base rate p of K classes that occur.

    WAR p, UAR 1/K, macro-F1 (2p / (1 + p)) / K.
    """
    rates = _rates(counts)
    if not rates.size:
        return ClassBaseline(*[float("nan")] * 3)
    top = float(rates.max())
    return ClassBaseline(top, 1 / len(rates), 2 * top / (1 + top) / len(rates))


def prior_random_class(counts: Confusion) -> ClassBaseline:
    """Each answer drawn by the base rates p of the K classes that occur.

    WAR sum p^2, UAR 1/K, macro-F1 of the expected counts 1/K.
    """
    rates = _rates(counts)
    if not rates.size:
        return ClassBaseline(*[float("nan")] * 3)
    return ClassBaseline(float((rates**2).sum()), 1 / len(rates), 1 / len(rates))


def majority_f1(counts: UnitCounts) -> dict[int, float]:
    """F1 of each unit's majority answer: 2p / (1 + p) where p > 1/2, else 0; NaN if never there."""
    return {
        unit: f1 if 2 * present > known or np.isnan(f1) else 0.0
        for (unit, f1), present, known in zip(
            always_on_f1(counts).items(), counts.support, counts.known, strict=True
        )
    }


def prior_random_f1(counts: UnitCounts) -> dict[int, float]:
    """F1 of the expected counts of answers drawn at base rate p, which is p; NaN if never there."""
    return {
        unit: float(present / known) if present else float("nan")
        for unit, present, known in zip(counts.units, counts.support, counts.known, strict=True)
    }


def _rates(counts: Confusion) -> np.ndarray:
    """Base rates of the classes that occur."""
    support = counts.support[counts.support > 0]
    return support / support.sum()
