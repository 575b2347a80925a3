"""Temperatures and thresholds from the selection split, written into the model's config."""

from __future__ import annotations

from pathlib import Path

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


def calibrate(engine: LocalEngine, faces: Faces, rendered: Rendered, folder: Path) -> None:
    """Fits one temperature for the expression, one and a threshold per unit, and saves them.

    Args:
        engine: the model; its config is changed.
        faces: photographs, for the expression; only the "select" part is read.
        rendered: rendered faces, whose units are certain; only "select" as well.
        folder: where the model's config is saved.
    """
    photographs, drawn = faces.where("select"), rendered.where("select")
    units = rendered.known()[drawn]
    expression, *_ = raw_scores(engine, faces.images[photographs])
    _, *groups = raw_scores(engine, rendered.images[drawn])
    temperatures, absence = {}, {}
    truth_of_all = presence(units)
    for au, scores, truth in zip(UNITS, groups, units.T, strict=True):
        known = np.isfinite(truth)
        levels = np.floor(truth[known] + 0.5).astype(int)
        temperatures[str(au)] = round(fit_temperature(scores[known], levels), 4)
    evidence = np.stack(
        [
            evidence_of(group / temperatures[str(au)])
            for au, group in zip(UNITS, groups, strict=True)
        ],
        axis=1,
    )
    for au, threshold in zip(UNITS, best_thresholds(truth_of_all, evidence), strict=True):
        absence[str(au)] = round(float(threshold), 4)
    engine.model.config.calibration = {
        "expression": round(fit_temperature(expression, faces.labels[photographs]), 4),
        "units": temperatures,
        "absence": absence,
    }
    engine.model.config.save_pretrained(folder)
