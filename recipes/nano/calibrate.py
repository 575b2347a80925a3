"""Temperatures and thresholds from the selection split, written into the model's config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.engines.local import LocalEngine
from mien.metrics import fit_temperature

from .faces import Faces
from .rendered import UNITS, Rendered, presence
from .score_units import best_thresholds


def raw_scores(
    engine: LocalEngine, images: NDArray[np.uint8], *, batch_size: int = 64
) -> list[NDArray[np.float32]]:
    """Uncalibrated log-likelihoods of all candidates.

    Args:
        engine: the model.
        images: (N, 48, 48) grey faces.
        batch_size: faces at a time.

    Returns:
        Per group (N, n_candidates): the expression, then each unit.
    """
    batches = []
    for start in range(0, len(images), batch_size):
        grey = images[start : start + batch_size]
        batches.append(engine.scores([np.repeat(face[..., None], 3, -1) for face in grey]))
    return [np.concatenate(group) for group in zip(*batches, strict=True)]


def evidence_of(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) log-odds of presence (A to E against absent) of (N, 6) log-likelihoods."""
    return np.logaddexp.reduce(scores[:, 1:], axis=1) - scores[:, 0]


def fit_calibration(
    expression: NDArray[np.float32],
    labels: NDArray[np.int64],
    levels: NDArray[np.float32],
    units: NDArray[np.float32],
) -> dict[str, Any]:
    """One temperature for the expression, one and a threshold per unit, as engines read them.

    Args:
        expression: (N, 7) log-likelihoods of labelled faces.
        labels: (N,) index into the classes.
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
        "expression": round(fit_temperature(expression, labels), 4),
        "units": temperatures,
        "absence": {str(au): round(float(t), 4) for au, t in zip(UNITS, thresholds, strict=True)},
    }


def calibrate(engine: LocalEngine, faces: Faces, rendered: Rendered, folder: Path) -> None:
    """Calibrates a model on the selection split, and saves its config.

    Args:
        engine: the model; its config is changed.
        faces: photographs, for the expression; only the "select" part is read.
        rendered: rendered faces, whose units are certain; only "select" as well.
        folder: where the model's config is saved.
    """
    photographs, drawn = faces.where("select"), rendered.where("select")
    expression, *_ = raw_scores(engine, faces.images[photographs])
    _, *groups = raw_scores(engine, rendered.images[drawn])
    engine.model.config.calibration = fit_calibration(
        expression, faces.labels[photographs], np.stack(groups, axis=1), rendered.known()[drawn]
    )
    engine.model.config.save_pretrained(folder)
