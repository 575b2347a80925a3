"""The baseline for units: ridge regression on MediaPipe's points and blendshapes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rendered import UNITS, Rendered

RIDGE = 300.0
"""Penalty of the regressor, in standard deviations of the features squared."""


def features(
    landmarks: NDArray[np.float32], blendshapes: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What the regressor reads: landmarks upright, centred and scaled by the eyes, and blendshapes.

    Args:
        landmarks: (N, 478, 3) in any common unit.
        blendshapes: (N, K).

    Returns:
        (N, 3 * 478 + K), NaN where no face was found.
    """
    right, left = landmarks[:, 33], landmarks[:, 263]  # outer eye corners
    across = (left - right)[:, :2]
    scale = np.linalg.norm(across, axis=1)[:, None]
    angle = np.arctan2(across[:, 1], across[:, 0])[:, None]
    x, y, z = np.moveaxis(landmarks - ((right + left) / 2)[:, None], -1, 0)
    upright = (
        (x * np.cos(angle) + y * np.sin(angle)) / scale,
        (y * np.cos(angle) - x * np.sin(angle)) / scale,
        z / scale,
    )
    return np.concatenate([*upright, blendshapes], 1).astype(np.float64)


class Regressor:
    """Ridge regression from MediaPipe's landmarks and blendshapes to intensities.

    Args:
        rendered: faces with labels.
        rows: those to fit on.
    """

    def __init__(self, rendered: Rendered, rows: NDArray[np.int64]):
        x = features(rendered.landmarks[rows], rendered.blendshapes[rows])
        self.mean, self.std = x.mean(0), x.std(0) + 1e-6
        x = (x - self.mean) / self.std
        known = rendered.known()[rows]
        weights = []
        self.offsets = np.zeros(len(UNITS))
        for column, y in enumerate(known.T):
            seen = np.isfinite(y)
            self.offsets[column] = y[seen].mean()
            gram = x[seen].T @ x[seen] + RIDGE * np.eye(x.shape[1])
            weights.append(np.linalg.solve(gram, x[seen].T @ (y[seen] - self.offsets[column])))
        self.weights = np.stack(weights, 1)

    def __call__(
        self, landmarks: NDArray[np.float32], blendshapes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """(N, 19) intensities in [0, 5], NaN where no face was found."""
        x = (features(landmarks, blendshapes) - self.mean) / self.std
        return (x @ self.weights + self.offsets).clip(0, 5).astype(np.float32)
