"""What carries units from rendered faces over to photographs: style, alignment, pseudo-labels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .rendered import UNITS, Rendered

RIDGE = 300.0
"""Penalty of the regressor, in standard deviations of the features squared."""


def restyle(images: Tensor, references: Tensor, share: Tensor) -> Tensor:
    """Gives pictures the light and contrast of others.

    The low frequencies' amplitudes are blended towards the reference's (Yang & Soatto, *FDA:
    Fourier Domain Adaptation*, CVPR 2020); the phases, in which the face's shape lies, stay.

    Args:
        images: (B, H, W) uint8.
        references: (B, H, W) uint8.
        share: (B,) how far, in [0, 1].

    Returns:
        (B, H, W) uint8.
    """
    own = torch.fft.rfft2(images.float())
    other = torch.fft.rfft2(references.float())
    H, W = images.shape[-2:]
    rows = torch.fft.fftfreq(H).abs()[:, None] * H
    columns = torch.fft.rfftfreq(W)[None] * W
    low = ((rows <= 2) & (columns <= 2)).float()  # (H, W // 2 + 1)
    amplitude = own.abs()
    mixed = amplitude + share[:, None, None] * low * (other.abs() - amplitude)
    result = torch.fft.irfft2(torch.polar(mixed, own.angle()), s=(H, W))
    return result.round().clamp(0, 255).to(torch.uint8)


def coral(real: Tensor, rendered: Tensor) -> Tensor:
    """Distance of means and covariances of two sets of features (Sun & Saenko, *Deep CORAL*, 2016).

    Args:
        real: (R, D).
        rendered: (S, D).
    """

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(0)
        centred = x - mean
        return mean, centred.T @ centred / max(len(x) - 1, 1)

    (m, c), (n, d) = moments(real), moments(rendered)
    D = real.shape[1]
    return (m - n).square().mean() + (c - d).square().sum() / (4 * D)


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

    It serves as the baseline that nano has to beat, and as a source of pseudo-labels.

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
