"""Metrics as functions of sums over items, for `Resampler`.

Each metric is a pair: a function that turns answers into counts or moments of each item, and one
that turns S sums of these into S values. Under the sums of all items they equal the plain functions
of the same name. What is unknown is 0 in every column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SAME = 1e-12  # relative variance below which rounding cannot tell values from a constant


def class_sums(
    truth: Sequence[str | int], predicted: Sequence[str | int | None], labels: Sequence[str | int]
) -> NDArray[np.float64]:
    """Support, hits and calls of each class.

    Args:
        truth, predicted, labels: as for `confusion`.

    Returns:
        (N, 3K): K columns of support, K of hits, K of calls. An unparsed answer calls nothing.

    Raises:
        ValueError: if lengths differ or a true class is not one of the labels.
    """
    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} true classes, but {len(predicted)} predictions")
    index = {label: k for k, label in enumerate(labels)}
    if wrong := [t for t in truth if t not in index]:
        raise ValueError(f"true class {wrong[0]!r} is not one of {list(labels)}")
    size, rows = len(labels), np.arange(len(truth))
    sums = np.zeros((len(truth), 3 * size))
    t = np.array([index[x] for x in truth], np.int64)
    p = np.array([-1 if x is None else index.get(x, -1) for x in predicted], np.int64)
    sums[rows, t] = 1
    sums[rows[t == p], size + t[t == p]] = 1
    sums[rows[p >= 0], 2 * size + p[p >= 0]] = 1
    return sums


def war_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3K) of `class_sums` to accuracy (S,)."""
    support, hits, _ = _thirds(sums)
    return _ratio(hits.sum(axis=1), support.sum(axis=1))


def recall_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3K) of `class_sums` to the recall of each class (S, K)."""
    support, hits, _ = _thirds(sums)
    return _ratio(hits, support)


def uar_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3K) of `class_sums` to UAR (S,), over the classes that were drawn."""
    return _mean(recall_of(sums))


def class_f1_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3K) of `class_sums` to the F1 of each class (S, K)."""
    support, hits, calls = _thirds(sums)
    return np.where(support > 0, _ratio(2 * hits, support + calls), np.nan)


def macro_f1_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3K) of `class_sums` to macro-F1 (S,), over the classes that were drawn."""
    return _mean(class_f1_of(sums))


def unit_sums(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Hits, false alarms and misses of each unit, by the rules of `count_units`.

    Args:
        truth: (N, A) 1 present, 0 absent, NaN unknown.
        predicted: (N, A) 1 present, 0 absent, NaN where there is no answer.

    Returns:
        (N, 3A): A columns of hits, A of false alarms, A of misses.

    Raises:
        ValueError: if the shapes do not fit.
    """
    t, p = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if t.ndim != 2 or t.shape != p.shape:
        raise ValueError(f"truth {t.shape} and predicted {p.shape} are not (N, A) and (N, A)")
    called, there, gone = p == 1, t == 1, t == 0
    parts = (there & called, gone & (called | np.isnan(p)), there & ~called)
    return np.concatenate(parts, axis=1).astype(np.float64)


def unit_f1_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3A) of `unit_sums` to the F1 of each unit (S, A)."""
    return _f1(*_thirds(sums))


def unit_macro_f1_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3A) of `unit_sums` to macro-F1 (S,), over the units that were drawn."""
    return _mean(unit_f1_of(sums))


def unit_micro_f1_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 3A) of `unit_sums` to micro-F1 (S,)."""
    return _f1(*(part.sum(axis=1) for part in _thirds(sums)))


def moment_sums(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Moments of each pair that is known on both sides.

    Args:
        truth, predicted: (N,), NaN where unknown.

    Returns:
        (N, 7): one, x, y, x^2, y^2, xy, |x - y|, with both moved by the mean of the truth, which
        changes none of the statistics below and keeps their rounding small.

    Raises:
        ValueError: if the shapes do not fit.
    """
    x, y = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"truth {x.shape} and predicted {y.shape} are not (N,) and (N,)")
    both = ~np.isnan(x) & ~np.isnan(y)
    middle = x[both].mean() if both.any() else 0.0
    x, y = np.where(both, x - middle, 0), np.where(both, y - middle, 0)
    return np.stack([both.astype(float), x, y, x * x, y * y, x * y, np.abs(x - y)], axis=1)


def pcc_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 7) of `moment_sums` to Pearson correlation (S,)."""
    _, _, vx, vy, cov = _moments(sums)
    return _ratio(cov, np.sqrt(vx * vy))


def icc_3_1_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 7) of `moment_sums` to ICC(3,1) (S,), which for two raters is 2 cov / (var + var)."""
    _, _, vx, vy, cov = _moments(sums)
    return np.where(vx > 0, _ratio(2 * cov, vx + vy), np.nan)


def icc_2_1_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 7) of `moment_sums` to ICC(2,1) (S,)."""
    n, gap, vx, vy, cov = _moments(sums)
    spread = (vx + vy) * n / np.maximum(n - 1, 1) / 2
    shared = cov * n / np.maximum(n - 1, 1)
    raters = 2 * (n * gap**2 / 2 - (spread - shared)) / np.maximum(n, 1)
    return np.where((vx > 0) & (n > 1), _ratio(2 * shared, 2 * spread + raters), np.nan)


def ccc_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 7) of `moment_sums` to CCC (S,)."""
    _, gap, vx, vy, cov = _moments(sums)
    return np.where(vx > 0, _ratio(2 * cov, vx + vy + gap**2), np.nan)


def mae_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 7) of `moment_sums` to mean absolute error (S,)."""
    s = np.asarray(sums, np.float64)
    return _ratio(s[:, 6], s[:, 0])


def rmse_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 7) of `moment_sums` to root mean squared error (S,)."""
    n, _, _, xx, yy, xy, _ = np.asarray(sums, np.float64).T
    return np.sqrt(_ratio(np.maximum(xx + yy - 2 * xy, 0), n))


def mean_sums(values: ArrayLike) -> NDArray[np.float64]:
    """(N,) values, NaN where undefined, to (N, 2) of value and one; for `mean_of`."""
    v = np.asarray(values, np.float64)
    known = ~np.isnan(v)
    return np.stack([np.where(known, v, 0), known.astype(float)], axis=1)


def mean_of(sums: ArrayLike) -> NDArray[np.float64]:
    """(S, 2) of `mean_sums` to the mean (S,) of the values that are known."""
    s = np.asarray(sums, np.float64)
    return _ratio(s[:, 0], s[:, 1])


def _moments(sums: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """Count, difference of means, variances of truth and answer, covariance, each (S,)."""
    n, x, y, xx, yy, xy, _ = np.asarray(sums, np.float64).T
    size = np.maximum(n, 1)
    mx, my = x / size, y / size
    vx = _variance(xx / size, mx)
    vy = _variance(yy / size, my)
    cov = np.where((vx > 0) & (vy > 0), xy / size - mx * my, 0.0)
    return n, mx - my, vx, vy, cov


def _variance(square: NDArray, mean: NDArray) -> NDArray[np.float64]:
    variance = square - mean**2
    return np.where(variance > _SAME * np.maximum(square, _SAME), variance, 0.0)


def _thirds(sums: ArrayLike) -> list[NDArray[np.float64]]:
    return np.split(np.asarray(sums, np.float64), 3, axis=1)


def _f1(hits: NDArray, false_alarms: NDArray, misses: NDArray) -> NDArray[np.float64]:
    f1 = _ratio(2 * hits, 2 * hits + false_alarms + misses)
    return np.where(hits + misses > 0, f1, np.nan)


def _ratio(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    nan = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=nan, where=denominator > 0)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, M) to the mean of each row over what is defined there."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))
