"""Scores of a ranking: average precision and AUC, also under weights for the bootstrap.

An unknown label (NaN) is left out. A missing score (NaN) ranks below every other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weighted = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Item weights (S, N) to the statistic under each of the S weightings, (S,)."""


def average_precision(truth: ArrayLike, scores: ArrayLike) -> float:
    """Sum over the distinct scores of precision times the gain in recall, without interpolation.

    Args:
        truth: (N,) 1 present, 0 absent, NaN unknown.
        scores: (N,), higher where present; equal scores enter together.

    Returns:
        In (0, 1]; a random ranking gets about the base rate. NaN where nothing is present.

    Raises:
        ValueError: if the shapes do not fit or a label is not 0, 1 or NaN.
    """
    return float(weighted_average_precision(truth, scores)(np.ones((1, np.size(truth))))[0])


def unit_average_precision(
    truth: ArrayLike, scores: ArrayLike, units: Sequence[int]
) -> dict[int, float]:
    """Average precision of each unit.

    Args:
        truth: (N, A) 1 present, 0 absent, NaN unknown.
        scores: (N, A), higher where present, NaN where there is none.
        units: the A action units.

    Raises:
        ValueError: if the shapes do not fit.
    """
    t, s = np.asarray(truth, np.float64), np.asarray(scores, np.float64)
    if t.ndim != 2 or t.shape != s.shape or t.shape[1] != len(units):
        raise ValueError(f"truth {t.shape} and scores {s.shape} are not (N, {len(units)})")
    return {unit: average_precision(t[:, k], s[:, k]) for k, unit in enumerate(units)}


def weighted_average_precision(truth: ArrayLike, scores: ArrayLike) -> Weighted:
    """Average precision as a function of item weights; the scores are sorted once.

    Args:
        truth, scores: as for `average_precision`.
    """
    order, ends, present = _sorted(truth, scores)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        hits, taken = _cumulated(weights, order, ends, present)
        total = hits[:, -1:] if hits.shape[1] else np.zeros((len(weights), 1))
        gain = np.diff(hits, axis=1, prepend=0.0)
        # where nothing is taken yet, nothing is gained
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        return _ratio((precision * gain).sum(axis=1), total[:, 0])

    return statistic


def weighted_auc(truth: ArrayLike, scores: ArrayLike) -> Weighted:
    """Area under the ROC curve as a function of item weights; a tie counts half.

    With all weights 1 it is `unit_auc` of one unit, but for missing scores: here they tie with
    each other below the rest, there each loses its comparisons.

    Args:
        truth, scores: as for `average_precision`.
    """
    order, ends, present = _sorted(truth, scores)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        hits, taken = _cumulated(weights, order, ends, present)
        if not hits.shape[1]:
            return np.full(len(weights), np.nan)
        above = np.diff(hits, axis=1, prepend=0.0)  # present weight at each distinct score
        absent = np.diff(taken - hits, axis=1, prepend=0.0)
        beaten = (hits - above / 2) * absent  # present items above, half of those that tie
        return _ratio(beaten.sum(axis=1), hits[:, -1] * (taken - hits)[:, -1])

    return statistic


def _sorted(
    truth: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Known items by falling score, the last place of each distinct score, and their labels."""
    t, s = np.asarray(truth, np.float64), np.asarray(scores, np.float64)
    if t.ndim != 1 or t.shape != s.shape:
        raise ValueError(f"truth {t.shape} and scores {s.shape} are not (N,) and (N,)")
    bad = t[~np.isnan(t) & (t != 0) & (t != 1)]
    if bad.size:
        raise ValueError(f"truth holds {bad[0]:g}; it must be 0, 1 or NaN")
    known = np.flatnonzero(~np.isnan(t))
    ranked = np.where(np.isnan(s[known]), -np.inf, s[known])
    down = np.argsort(-ranked, kind="stable")
    order, ranked = known[down], ranked[down]
    last = np.ones(len(order), bool)
    last[:-1] = ranked[1:] != ranked[:-1]
    return order, np.flatnonzero(last), t[order]


def _cumulated(
    weights: NDArray[np.float64],
    order: NDArray[np.int64],
    ends: NDArray[np.int64],
    present: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(S, D) weight of the present items, and of all, down to each of the D distinct scores."""
    sorted_weights = weights[:, order]
    hits = np.cumsum(sorted_weights * present, axis=1)[:, ends]
    return hits, np.cumsum(sorted_weights, axis=1)[:, ends]


def _ratio(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    nan = np.full(len(numerator), np.nan)
    return np.divide(numerator, denominator, out=nan, where=denominator > 0)
