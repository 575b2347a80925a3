"""Scores of the numbers that a model gives beside its words.

A face without numbers (no face found, a failed answer, a unit that the model does not know) is
wrong where an answer is right or wrong, ranks last where answers are ranked, and is left out where
only a distance could be taken (calibration, intensity).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.bench.result import Figure
from mien.bench.score.expression import expression_tally
from mien.bench.score.items import Items
from mien.bench.score.tally import Tally, joined
from mien.bench.score.units import mean, unit_tally
from mien.bench.suite import Suite
from mien.metrics import (
    Resampler,
    binary_calibration_error,
    expected_calibration_error,
    unit_auc,
    unit_average_precision,
)
from mien.metrics.sums import icc_3_1_of, mae_of, moment_sums, pcc_of

PRESENT = 0.5
"""Probability from which on a unit is called present."""


def expression_numbers(
    items: Items, labels: Sequence[str], resampler: Resampler
) -> dict[str, Figure]:
    """Scores of the likeliest class, and calibration error of its probability."""
    likeliest = [
        None if scores is None else max(labels, key=lambda name: scores.get(name, -1.0))
        for scores in items.score_expression
    ]
    figures = expression_tally(items.expressions, likeliest, labels).figures(resampler)
    given = [
        (label, scores)
        for label, scores in zip(items.expressions, items.score_expression, strict=True)
        if scores is not None and label in scores
    ]
    if given:
        names = [name for name in labels if all(name in scores for _, scores in given)]
        table = np.array([[scores[name] for name in names] for _, scores in given])
        rows = [names.index(label) for label, _ in given if label in names]
        if len(rows) == len(given):
            error = expected_calibration_error(table, np.array(rows))
            figures["ece"] = Figure(error)
    return figures


def unit_numbers(
    items: Items, suite: Suite, resampler: Resampler
) -> tuple[dict[str, Figure], dict[int, dict[str, float | None]]]:
    """Scores of the probabilities and intensities: means over units, and the table by unit."""
    units, truth, given = suite.units, items.units, items.score_units
    called = np.where(np.isnan(given), np.nan, (given >= PRESENT).astype(float))
    parts = [unit_tally(truth, called, units, suite)]
    intensity = _intensity_tally(items, suite)
    if intensity is not None:
        parts.append(intensity)
    tally = joined(*parts)
    figures = tally.figures(resampler)
    auc = unit_auc(truth, given, units)
    ap = unit_average_precision(truth, given, units)
    ece = {unit: binary_calibration_error(given[:, k], truth[:, k]) for k, unit in enumerate(units)}
    by_unit: dict[int, dict[str, float | None]] = {}
    for unit in units:
        row = {"auc": auc[unit], "ap": ap[unit], "ece": ece[unit]}
        row["f1"] = _taken(figures, f"au{unit}_f1")
        for name in ("pcc", "icc", "mae"):
            if f"au{unit}_{name}" in figures:
                row[name] = _taken(figures, f"au{unit}_{name}")
        by_unit[unit] = dict(row)
    for name, values in (("au_auc", auc), ("au_ap", ap), ("au_ece", ece)):
        figures[name] = Figure(mean(values))
    return figures, by_unit


def _taken(figures: dict[str, Figure], name: str) -> float:
    """Moves a unit's figure from the means to its own row."""
    value = figures.pop(name).value
    return float("nan") if value is None else value


def _intensity_tally(items: Items, suite: Suite) -> Tally | None:
    """PCC, ICC(3,1) and MAE of each unit and their means; None without a graded label or answer."""
    pairs = ~np.isnan(items.intensities) & ~np.isnan(items.score_intensity)
    if not pairs.any():
        return None
    size = len(suite.units)
    blocks = [
        moment_sums(items.intensities[:, k], items.score_intensity[:, k]) for k in range(size)
    ]
    rules = (("pcc", pcc_of), ("icc", icc_3_1_of), ("mae", mae_of))

    def finish(s: NDArray[np.float64]) -> NDArray[np.float64]:
        columns, means = [], []
        for _, rule in rules:
            each = np.stack([rule(s[:, 7 * k : 7 * k + 7]) for k in range(size)], axis=1)  # (S, A)
            known = ~np.isnan(each)
            total, count = np.where(known, each, 0).sum(axis=1), known.sum(axis=1)
            nan = np.full(len(s), np.nan)
            means.append(np.divide(total, count, out=nan, where=count > 0))
            columns.append(each)
        return np.concatenate([np.stack(means, axis=1), *columns], axis=1)

    names = tuple(f"intensity_{name}" for name, _ in rules)
    by_unit = tuple(f"au{unit}_{name}" for name, _ in rules for unit in suite.units)
    return Tally((*names, *by_unit), np.concatenate(blocks, axis=1), finish)
