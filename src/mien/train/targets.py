"""Labels of a row as the numbers that a model is trained on, and how often each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.engines.numbers import LEVELS

PRESENT = float("inf")
"""Intensity of a unit that is labelled as present without a grade."""


def targets_of(
    labels: Mapping[str, Any] | None, expressions: Sequence[str], units: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets of one row.

    Args:
        labels: as in a row of instruction data.
        expressions: the model's.
        units: the model's.

    Returns:
        (E,) one at the expression, zeros where it is unknown or none of the model's; (U,)
        intensities in [0, 5], 0 absent, `PRESENT` ungraded, NaN unknown.
    """
    expression = np.zeros(len(expressions), np.float32)
    intensity = np.full(len(units), np.nan, np.float32)
    known = labels or {}
    if known.get("expression") in expressions:
        expression[expressions.index(known["expression"])] = 1
    places = {au: i for i, au in enumerate(units)}
    for unit in known.get("action_units") or ():
        if unit["au"] not in places or unit["present"] is None:
            continue
        graded = PRESENT if unit["intensity"] is None else unit["intensity"]
        intensity[places[unit["au"]]] = graded if unit["present"] else 0
    return expression, intensity


def level_targets(intensities: Tensor) -> Tensor:
    """Soft targets over absent, A to E: an intensity between two levels is shared by both.

    Args:
        intensities: (B, U) in [0, 5], NaN where unknown.

    Returns:
        (B, U, 6), NaN where unknown.
    """
    steps = torch.arange(len(LEVELS), dtype=intensities.dtype, device=intensities.device)
    return (1 - (intensities[..., None] - steps).abs()).clamp(min=0) + 0 * intensities[..., None]


def class_weights(counts: Sequence[float], power: float = 0.35) -> Tensor:
    """(E,) weights that lift rare expressions a little and keep the mean loss.

    Args:
        counts: faces of each expression; one without any has weight 1.
        power: 0 for none, 1 for the full inverse of the share.
    """
    found = np.asarray(counts, np.float64)
    there = found > 0
    weights = np.ones(len(found))
    if there.any():
        weights[there] = (found.mean() / found[there]) ** power
        weights[there] *= found.sum() / (weights * found).sum()
    return torch.from_numpy(weights).float()


def unit_weights(shares: Sequence[float]) -> Tensor:
    """(U,) weights of a present unit, from 1 for one that 30 % of the faces show to 3.

    Args:
        shares: share of faces that show each unit clearly, NaN where it is nowhere labelled.
    """
    found = np.asarray(shares, np.float64)
    weights = np.clip((0.3 / np.clip(found, 1e-9, 1)) ** 0.5, 1, 3)
    return torch.from_numpy(np.where(np.isfinite(found), weights, 1.0)).float()
