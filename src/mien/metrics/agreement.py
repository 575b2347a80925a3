"""Agreement of valence and arousal with their labels: CCC, RMSE and sign agreement.

Each is taken per dimension over the whole set. Valence and arousal lie in [-1, 1]; the functions
work on any scale, as long as truth and answer share it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mien.metrics.intensity import pair, pcc


def ccc(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Concordance correlation (Lin, 1989), 2 cov / (var + var + (mean - mean)^2).

    Variances and covariance are those of the population (divided by N). An offset and another
    scale both lower it. NaN if the truth is constant or N < 2; 0 if only the answer is constant.
    """
    x, y = pair(truth, predicted)
    if len(x) < 2 or np.ptp(x) == 0:
        return float("nan")
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def rmse(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Root of the mean squared error of (N,) and (N,); NaN without samples."""
    x, y = pair(truth, predicted)
    return float(np.sqrt(((x - y) ** 2).mean())) if len(x) else float("nan")


def sagr(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Sign agreement, the share of samples whose signs are equal; NaN without samples.

    Zero has a sign of its own, so an answer of 0 agrees with a label of 0 alone.
    """
    x, y = pair(truth, predicted)
    return float((np.sign(x) == np.sign(y)).mean()) if len(x) else float("nan")


@dataclass(frozen=True, slots=True)
class AgreementScores:
    """Scores of one dimension.

    Attributes:
        ccc, pcc, rmse, sagr: see the functions; NaN where undefined.
        support: samples with a known label.
        answered: of these, samples with an answer, over which the scores are taken.
    """

    ccc: float
    pcc: float
    rmse: float
    sagr: float
    support: int
    answered: int


def agreement(truth: ArrayLike, predicted: ArrayLike) -> AgreementScores:
    """Scores of one dimension over the samples that have a label and an answer.

    Args:
        truth: (N,), NaN where unknown.
        predicted: (N,), NaN where there is no answer. A missing answer has no distance from the
            truth, so it is counted (`support` against `answered`) and not scored.

    Raises:
        ValueError: if the shapes do not fit.
    """
    x, y = pair(truth, predicted)
    known = ~np.isnan(x)
    both = known & ~np.isnan(y)
    x, y = x[both], y[both]
    return AgreementScores(
        ccc(x, y), pcc(x, y), rmse(x, y), sagr(x, y), int(known.sum()), int(both.sum())
    )
