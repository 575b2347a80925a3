"""Do probabilities mean what they say? Calibration error, and the temperature that mends it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def expected_calibration_error(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], *, bins: int = 15
) -> float:
    """Expected calibration error of the predicted class (Guo et al., ICML 2017, equation 3).

    Args:
        probabilities: (N, K), each row summing to 1.
        truth: (N,) index of the true class.
        bins: equally wide bins of confidence.

    Returns:
        Mean gap between confidence and accuracy, weighted by bin size, in [0, 1]; NaN without
        samples.

    Raises:
        ValueError: if the shapes do not fit.
    """
    p, truth = np.asarray(probabilities, np.float64), np.asarray(truth)
    if p.ndim != 2 or truth.shape != (len(p),):
        raise ValueError(f"probabilities {p.shape} and truth {truth.shape} are not (N, K) and (N,)")
    if not len(p):
        return float("nan")
    return _gap(p.max(1), p.argmax(1) == truth, bins)


def binary_calibration_error(
    probabilities: NDArray[np.floating], truth: NDArray[np.floating], *, bins: int = 15
) -> float:
    """Calibration error of the probability that something is present, such as an action unit.

    Unlike `expected_calibration_error` it bins that probability itself over [0, 1], not the
    confidence in the likelier answer, so that errors below one half are seen too.

    Args:
        probabilities: (N,) in [0, 1]; NaN, where there is no answer, is left out.
        truth: (N,) 1 present, 0 absent; NaN, where unknown, is left out.
        bins: equally wide bins.

    Returns:
        Mean gap between probability and frequency, weighted by bin size; NaN without samples.

    Raises:
        ValueError: if the shapes do not fit.
    """
    p, t = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    if p.ndim != 1 or p.shape != t.shape:
        raise ValueError(f"probabilities {p.shape} and truth {t.shape} are not (N,) and (N,)")
    known = ~np.isnan(p) & ~np.isnan(t)
    return _gap(p[known], t[known], bins) if known.any() else float("nan")


def _gap(stated: NDArray, happened: NDArray, bins: int) -> float:
    """Mean over samples of |mean stated - mean happened| in the sample's bin."""
    index = np.minimum((stated * bins).astype(int), bins - 1)
    error = 0.0
    for k in np.unique(index):
        inside = index == k
        error += inside.mean() * abs(stated[inside].mean() - happened[inside].mean())
    return float(error)


def negative_log_likelihood(
    log_scores: NDArray[np.floating], truth: NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Mean -log p(truth) of softmax(log_scores / temperature); (N, K) and (N,)."""
    x = np.asarray(log_scores, np.float64) / temperature
    x = x - x.max(1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
    return float(-log_p[np.arange(len(x)), np.asarray(truth)].mean())


def fit_temperature(
    log_scores: NDArray[np.floating],
    truth: NDArray[np.integer],
    *,
    low: float = 0.05,
    high: float = 20.0,
) -> float:
    """The temperature with the least negative log-likelihood, by golden-section search.

    The likelihood has one minimum along the temperature, so the search cannot be trapped.

    Args:
        log_scores: (N, K) unnormalised log-scores.
        truth: (N,) index of the true class.
        low, high: bounds of the search.

    Raises:
        ValueError: without samples.
    """
    if not len(truth):
        raise ValueError("a temperature needs at least one sample")
    golden = (5**0.5 - 1) / 2
    a, b = np.log(low), np.log(high)
    c, d = b - golden * (b - a), a + golden * (b - a)

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(log_scores, truth, float(np.exp(log_temperature)))

    loss_c, loss_d = loss(c), loss(d)
    while b - a > 1e-4:
        if loss_c < loss_d:
            b, d, loss_d = d, c, loss_c
            c = b - golden * (b - a)
            loss_c = loss(c)
        else:
            a, c, loss_c = c, d, loss_d
            d = a + golden * (b - a)
            loss_d = loss(d)
    return float(np.exp((a + b) / 2))
