"""The table of action units: each unit's scores beside its support and its baselines."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mien.metrics.action_units import (
    UnitCounts,
    always_on_f1,
    count_units,
    fold_mean_f1,
    unit_f1,
)
from mien.metrics.baselines import majority_f1, prior_random_f1


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One unit; a score that is undefined is NaN.

    Attributes:
        unit: FACS number.
        support, known, unanswered: frames where it is present, where its label is known, and of
            these those without an answer.
        f1, precision, recall: of the answers. Precision is NaN where it was never called.
        always_on, majority, prior_random: F1 of the baselines.
    """

    unit: int
    support: int
    known: int
    unanswered: int
    f1: float
    precision: float
    recall: float
    always_on: float
    majority: float
    prior_random: float


def unit_table(counts: UnitCounts) -> list[UnitRow]:
    """A row for each unit, those that never occur included.

    A missing answer where the unit is absent counts as a false alarm, in precision too.
    """
    f1, always = unit_f1(counts), always_on_f1(counts)
    majority, random = majority_f1(counts), prior_random_f1(counts)
    rows = []
    for k, unit in enumerate(counts.units):
        hits = int(counts.hits[k])
        called, support = hits + int(counts.false_alarms[k]), int(counts.support[k])
        rows.append(
            UnitRow(
                unit,
                support,
                int(counts.known[k]),
                int(counts.unanswered[k]),
                f1[unit],
                hits / called if called else float("nan"),
                hits / support if support else float("nan"),
                always[unit],
                majority[unit],
                random[unit],
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class FoldF1:
    """F1 under both conventions of cross-validation, which can differ by 0.1.

    Attributes:
        pooled: F1 of each unit over the frames of all folds together.
        fold_mean: mean over folds of each unit's F1, over the folds in which it occurs.
        folds: their number.
    """

    pooled: dict[int, float]
    fold_mean: dict[int, float]
    folds: int

    @property
    def macro_pooled(self) -> float:
        """Mean of `pooled` over the units that occur."""
        return _mean(self.pooled)

    @property
    def macro_fold_mean(self) -> float:
        """Mean of `fold_mean` over the units that occur."""
        return _mean(self.fold_mean)


def fold_f1(
    truth: ArrayLike, predicted: ArrayLike, units: Sequence[int], folds: Sequence[Hashable]
) -> FoldF1:
    """Pooled and fold-mean F1 in one call; arguments and errors as for `fold_mean_f1`."""
    return FoldF1(
        unit_f1(count_units(truth, predicted, units)),
        fold_mean_f1(truth, predicted, units, folds),
        len(set(folds)),
    )


@dataclass(frozen=True, slots=True)
class SampleF1:
    """F1 of the set of units of each image, averaged over images.

    Attributes:
        mean: NaN without images.
        images: how many have at least one known label.
        empty: of these, how many have no unit in truth and answer, and so score 1.
    """

    mean: float
    images: int
    empty: int


def sample_f1(truth: ArrayLike, predicted: ArrayLike, units: Sequence[int]) -> SampleF1:
    """F1 over the units of one image, then the mean over images.

    Nothing present and nothing called is right and scores 1; a unit called on such an image gives
    0, so that inventing units is never free. A missing answer is wrong, as for `count_units`.

    Args:
        truth, predicted, units: as for `count_units`.

    Raises:
        ValueError: as `count_units`.
    """
    count_units(truth, predicted, units)  # the checks
    t, p = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    none = np.isnan(p)
    hits = ((t == 1) & (p == 1)).sum(axis=1)
    wrong = ((t == 0) & ((p == 1) | none)).sum(axis=1) + ((t == 1) & ((p == 0) | none)).sum(axis=1)
    known = ~np.isnan(t).all(axis=1)
    empty = known & (hits + wrong == 0)
    total = np.where(empty, 1, 2 * hits + wrong)
    f1 = np.where(empty, 1.0, 2 * hits / np.maximum(total, 1))[known]
    mean = float(f1.mean()) if f1.size else float("nan")
    return SampleF1(mean, int(known.sum()), int(empty.sum()))


def _mean(scores: dict[int, float]) -> float:
    known = [v for v in scores.values() if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
