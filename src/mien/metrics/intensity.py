"""Agreement of intensities on the scale 0 to 5, per action unit.

ICC and MAE compare values on one scale, so a probability must never be given for an intensity: a
perfect answer divided by 5 has PCC 1, but ICC(3,1) 0.385. Averages are taken over units; pooling
units before correlating would inflate ICC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pcc(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Pearson correlation of (N,) and (N,), blind to scale and offset; NaN if one is constant."""
    x, y = pair(truth, predicted)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    dx, dy = x - x.mean(), y - y.mean()
    return float((dx @ dy) / np.sqrt((dx @ dx) * (dy @ dy)))


def icc_3_1(truth: ArrayLike, predicted: ArrayLike) -> float:
    """ICC(3,1), two-way mixed, single rater, consistency (Shrout & Fleiss, 1979), of two raters.

    It forgives a constant offset and punishes another spread. (MSR - MSE) / (MSR + MSE), with MSR
    the mean square between frames and MSE that of the residual. NaN if the truth is constant.
    """
    x, y = pair(truth, predicted)
    if len(x) < 2 or np.ptp(x) == 0:
        return float("nan")
    table = np.stack([x, y], axis=1)  # (N, 2)
    n = len(table)
    grand, by_frame, by_rater = table.mean(), table.mean(axis=1), table.mean(axis=0)
    between = 2 * ((by_frame - grand) ** 2).sum() / (n - 1)
    residual = ((table - by_frame[:, None] - by_rater[None] + grand) ** 2).sum() / (n - 1)
    return float((between - residual) / (between + residual))


def icc_2_1(truth: ArrayLike, predicted: ArrayLike) -> float:
    """ICC(2,1), two-way random, single rater, absolute agreement (Shrout & Fleiss, 1979).

    Unlike ICC(3,1) it punishes a constant offset: (MSR - MSE) / (MSR + MSE + 2 (MSC - MSE) / N),
    with MSC the mean square between the two raters. NaN if the truth is constant.
    """
    x, y = pair(truth, predicted)
    if len(x) < 2 or np.ptp(x) == 0:
        return float("nan")
    n = len(x)
    spread, shared = (x.var(ddof=1) + y.var(ddof=1)) / 2, np.cov(x, y)[0, 1]
    between, residual = spread + shared, spread - shared
    raters = n * (x.mean() - y.mean()) ** 2 / 2
    return float((between - residual) / (between + residual + 2 * (raters - residual) / n))


def mae(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error of (N,) and (N,); NaN without samples."""
    x, y = pair(truth, predicted)
    return float(np.abs(x - y).mean()) if len(x) else float("nan")


@dataclass(frozen=True, slots=True)
class IntensityScores:
    """Scores of one unit.

    Attributes:
        pcc, icc, mae: see the functions; NaN where undefined.
        support: frames with a known label.
        answered: of these, frames with an answer, over which the scores are taken.
    """

    pcc: float
    icc: float
    mae: float
    support: int
    answered: int


def unit_intensity(
    truth: ArrayLike, predicted: ArrayLike, units: Sequence[int]
) -> dict[int, IntensityScores]:
    """Scores of each unit.

    Args:
        truth: (N, A) in [0, 5], NaN where unknown.
        predicted: (N, A) in [0, 5], NaN where there is no answer.
        units: the A action units.

    Raises:
        ValueError: if shapes do not fit, or a value is outside [0, 5].
    """
    t, p = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if t.ndim != 2 or t.shape[1] != len(units) or t.shape != p.shape:
        raise ValueError(f"truth {t.shape} and predicted {p.shape} are not (N, {len(units)})")
    for name, values in (("truth", t), ("predicted", p)):
        bad = values[(values < 0) | (values > 5)]
        if bad.size:
            raise ValueError(f"{name} holds {bad[0]:g}, outside [0, 5]")
    scores = {}
    for k, unit in enumerate(units):
        known = ~np.isnan(t[:, k])
        both = known & ~np.isnan(p[:, k])
        x, y = t[both, k], p[both, k]
        scores[unit] = IntensityScores(
            pcc(x, y), icc_3_1(x, y), mae(x, y), int(known.sum()), int(both.sum())
        )
    return scores


def mean_over_units(
    scores: dict[int, IntensityScores], value: Callable[[IntensityScores], float]
) -> tuple[float, tuple[int, ...]]:
    """Mean of one score over the units where it is defined, and the units where it is not."""
    values = {unit: value(s) for unit, s in scores.items()}
    known = [v for v in values.values() if not np.isnan(v)]
    undefined = tuple(unit for unit, v in values.items() if np.isnan(v))
    return (float(np.mean(known)) if known else float("nan")), undefined


def pair(truth: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """(N,) and (N,) floats.

    Raises:
        ValueError: if they are not vectors of one length.
    """
    x, y = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"truth {x.shape} and predicted {y.shape} are not (N,) and (N,)")
    return x, y
