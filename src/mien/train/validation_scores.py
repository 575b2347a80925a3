"""Scores on the validation rows, which choose the best checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.metrics import confusion, count_units, uar, unit_macro_f1, war

TRACE, SHOWN = 0.5, 1.5
"""Intensities between them are traces: neither present nor absent."""


def unit_presence(intensities: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 for B and more, 0 for none, NaN for traces and unknown intensities."""
    trace = np.isnan(intensities) | ((intensities >= TRACE) & (intensities < SHOWN))
    return np.where(trace, np.nan, intensities >= SHOWN)


def validation_scores(
    expression: NDArray[np.floating],
    units: NDArray[np.floating] | None,
    expression_targets: NDArray[np.floating],
    unit_targets: NDArray[np.floating] | None,
    *,
    expressions: Sequence[str],
    action_units: Sequence[int],
) -> dict[str, float]:
    """UAR, WAR and macro-F1 of the units, over what is known.

    Args:
        expression: (N, E) log-likelihoods.
        units: (N, U, 6) log-likelihoods of absent and A to E.
        expression_targets: (N, E) distributions, zeros where unknown.
        unit_targets: (N, U) intensities in [0, 5], NaN where unknown.
        expressions: E names, in this order.
        action_units: U numbers, in this order.

    Returns:
        "uar", "war" and "au_f1"; a score of which no row knows anything is left out.
    """
    found: dict[str, float] = {}
    known = expression_targets.sum(-1) > 0  # (N,)
    if known.any():
        truth = [expressions[i] for i in expression_targets[known].argmax(-1)]
        called = [expressions[i] for i in expression[known].argmax(-1)]
        matrix = confusion(truth, called, expressions)
        found |= {"uar": uar(matrix), "war": war(matrix)}
    if units is not None and unit_targets is not None and len(action_units):
        exact = np.exp(units - units.max(-1, keepdims=True))  # (N, U, 6)
        present = 1 - exact[..., 0] / exact.sum(-1)  # (N, U)
        shown = unit_presence(unit_targets)
        if np.isfinite(shown).any():
            counts = count_units(shown, (present >= 0.5).astype(float), action_units)
            found["au_f1"] = unit_macro_f1(counts)
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}
