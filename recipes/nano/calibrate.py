"""Temperatures and thresholds from the selection split, written into the model's config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.engines.local_responder import LocalResponder
from mien.metrics import fit_temperature

from .photographs import Photographs
from .rendered import UNITS, Rendered, presence
from .score_units import best_thresholds


def raw_scores(
    responder: LocalResponder, images: NDArray[np.uint8], *, batch_size: int = 64
) -> list[NDArray[np.float32]]:
    """Uncalibrated log-likelihoods of all candidates.

    Args:
        responder: the model.
        images: (N, H, W) grey faces.
        batch_size: faces at a time.

    Returns:
        Per group (N, n_candidates): the expression, then each unit.
    """
    batches = []
    for start in range(0, len(images), batch_size):
        grey = images[start : start + batch_size]
        crops = [np.repeat(face[..., None], 3, -1) for face in grey]
        with torch.inference_mode():
            batches.append(responder.core.look(crops).scores)
    return [np.concatenate(group) for group in zip(*batches, strict=True)]


def evidence_of(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) log-odds of presence (A to E against absent) of (N, 6) log-likelihoods."""
    return np.logaddexp.reduce(scores[:, 1:], axis=1) - scores[:, 0]


def fit_calibration(
    expression: NDArray[np.float32],
    votes: NDArray[np.float32],
    levels: NDArray[np.float32],
    units: NDArray[np.float32],
) -> dict[str, Any]:
    """One temperature for the expression, one and a threshold per unit, as engines read them.

    Args:
        expression: (N, 8) log-likelihoods of faces that people have voted on.
        votes: (N, 8) shares of the votes: what users are to get is the distribution.
        levels: (M, 19, 6) log-likelihoods of faces whose units are certain.
        units: (M, 19) intensities, NaN where unknown.
    """
    temperatures, evidence = {}, []
    for column, au in enumerate(UNITS):
        scores, truth = levels[:, column], units[:, column]
        known = np.isfinite(truth)
        steps = np.floor(truth[known] + 0.5).astype(int)
        temperatures[str(au)] = round(fit_temperature(scores[known], steps), 4)
        evidence.append(evidence_of(scores / temperatures[str(au)]))
    thresholds = best_thresholds(presence(units), np.stack(evidence, axis=1))
    return {
        "expression": round(votes_temperature(expression, votes), 4),
        "units": temperatures,
        "absence": {str(au): round(float(t), 4) for au, t in zip(UNITS, thresholds, strict=True)},
    }


def votes_temperature(scores: NDArray[np.floating], votes: NDArray[np.floating]) -> float:
    """The temperature at which the softmax of scores (N, K) is nearest to votes (N, K).

    Nearest in cross entropy, on a grid of steps of 2 %.
    """
    tried = np.exp(np.arange(-1.2, 1.2, 0.02))

    def cross_entropy(temperature: float) -> float:
        x = scores.astype(np.float64) / temperature
        return float(-(votes * (x - np.logaddexp.reduce(x, axis=1, keepdims=True))).sum())

    return float(min(tried, key=cross_entropy))


def calibrate(
    responder: LocalResponder, photographs: Photographs, rendered: Rendered, folder: Path
) -> None:
    """Calibrates a model on the selection split, and saves its config.

    Args:
        responder: the model; its config is changed.
        photographs: for the expression; only the "select" part is read.
        rendered: rendered faces, whose units are certain; only "select" as well.
        folder: where the model's config is saved.
    """
    voted, drawn = photographs.where("select"), rendered.where("select")
    expression, *_ = raw_scores(responder, photographs.images[voted])
    _, *groups = raw_scores(responder, rendered.images[drawn])
    responder.core.model.config.calibration = fit_calibration(
        expression, photographs.votes[voted], np.stack(groups, axis=1), rendered.known()[drawn]
    )
    responder.core.model.config.save_pretrained(folder)
