"""Strong augmentation of small grey faces, on whole batches."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN, STD = 0.507, 0.255
"""Of FER2013 `train` grey values in [0, 1]."""


def plain(images: Tensor, size: int) -> Tensor:
    """Enlarges and normalises without augmentation.

    Args:
        images: (B, H, W) uint8.
        size: side of the result in pixels.

    Returns:
        (B, 3, size, size) float32.
    """
    x = images[:, None].float() / 255  # (B, 1, H, W)
    x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    return ((x - MEAN) / STD).expand(-1, 3, -1, -1)


def augment(
    images: Tensor, size: int, generator: torch.Generator, strength: Tensor | None = None
) -> Tensor:
    """Turns, scales, shifts, mirrors, shears, relights, blurs, adds noise and erases.

    Args:
        images: (B, H, W) uint8.
        size: side of the result in pixels.
        generator: the only source of chance.
        strength: (B,) in [0, 1], by which all but the mirroring is scaled; None for 1.

    Returns:
        (B, 3, size, size) float32, normalised.
    """
    B = images.shape[0]
    strength = torch.ones(B) if strength is None else strength
    deep = strength[:, None, None, None]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(B, *shape, generator=generator) * (high - low) + low

    def chance(p: Tensor | float) -> Tensor:
        return torch.rand(B, generator=generator) < p

    angle = strength * uniform(-15, 15) * math.pi / 180
    scale = 1 + strength * uniform(-0.15, 0.12)
    aspect = 1 + strength * uniform(-0.06, 0.06)
    mirror = torch.where(chance(0.5), -1.0, 1.0)
    theta = torch.zeros(B, 2, 3)
    theta[:, 0, 0] = mirror * torch.cos(angle) * scale * aspect
    theta[:, 0, 1] = -torch.sin(angle) * scale
    theta[:, 1, 0] = mirror * torch.sin(angle) * scale * aspect
    theta[:, 1, 1] = torch.cos(angle) * scale
    theta[:, :, 2] = strength[:, None] * uniform(-0.12, 0.12, 2)
    grid = F.affine_grid(theta, [B, 1, size, size], align_corners=False)
    x = images[:, None].float() / 255  # (B, 1, H, W)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)  # (B, 1, size, size)

    contrast = 1 + deep * uniform(-0.3, 0.35, 1, 1, 1)
    brightness = deep * uniform(-0.15, 0.15, 1, 1, 1)
    gamma = torch.exp(deep * uniform(-0.35, 0.35, 1, 1, 1))
    mean = x.mean((2, 3), keepdim=True)
    x = ((x - mean) * contrast + mean + brightness).clamp(0, 1).pow(gamma)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x = torch.where(chance(0.2 * strength)[:, None, None, None], blurred, x)
    noise = torch.randn(x.shape, generator=generator) * uniform(0, 0.05, 1, 1, 1)
    x = (
        x + torch.where(chance(0.15 * strength)[:, None, None, None], noise, torch.zeros(()))
    ).clamp(0, 1)
    x = (x - MEAN) / STD
    return _erase(x, chance(0.25 * strength), generator).expand(-1, 3, -1, -1)


def _erase(x: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Blanks one rectangle of up to a third of each side in the chosen pictures."""
    size = x.shape[-1]
    ramp = torch.arange(size)
    for i in chosen.nonzero().flatten().tolist():
        h, w, top, left = torch.rand(4, generator=generator).tolist()
        h, w = int((0.1 + 0.25 * h) * size), int((0.1 + 0.25 * w) * size)
        top, left = int(top * (size - h)), int(left * (size - w))
        rows = (ramp >= top) & (ramp < top + h)
        columns = (ramp >= left) & (ramp < left + w)
        x[i, 0, rows[:, None] & columns[None]] = 0
    return x
