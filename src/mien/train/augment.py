"""Strong augmentation of small faces, on whole batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

GREY_MEAN, GREY_STD = 0.507, 0.255
"""Of FER2013 `train` grey values in [0, 1]."""

Channels = float | Sequence[float]


def plain(
    images: Tensor, size: int, *, mean: Channels = GREY_MEAN, std: Channels = GREY_STD
) -> Tensor:
    """Enlarges and normalises without augmentation.

    Args:
        images: (B, H, W) or (B, H, W, 3) uint8.
        size: side of the result in pixels.
        mean, std: of values in [0, 1], one for all channels or three.

    Returns:
        (B, 3, size, size) float32.
    """
    x = _scaled(images)  # (B, C, H, W)
    x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    return _normalised(x, mean, std).expand(-1, 3, -1, -1)


def augment(
    images: Tensor,
    size: int,
    chance: torch.Generator | Sequence[torch.Generator],
    strength: Tensor | None = None,
    *,
    mirror: bool = True,
    mean: Channels = GREY_MEAN,
    std: Channels = GREY_STD,
) -> Tensor:
    """Turns, scales, shifts, mirrors, shears, relights, blurs, adds noise and erases.

    Args:
        images: (B, H, W) or (B, H, W, 3) uint8.
        size: side of the result in pixels.
        chance: the only source of chance: a generator for the batch, or one for each picture, so
            that what becomes of it does not depend on the others.
        strength: (B,) in [0, 1], by which all but the mirroring is scaled; None for 1. Pictures
            of strength 0 are not mirrored either: they are as `plain` makes them.
        mirror: whether half of the pictures are mirrored.
        mean, std: of values in [0, 1], one for all channels or three.

    Returns:
        (B, 3, size, size) float32, normalised.
    """
    B = images.shape[0]
    strength = torch.ones(B) if strength is None else strength
    x = _scaled(images)  # (B, C, H, W)
    noise_shape = (x.shape[1], size, size)
    if isinstance(chance, torch.Generator):
        drawn = _draw(strength, noise_shape, chance)
    else:
        each = [_draw(strength[i : i + 1], noise_shape, g) for i, g in enumerate(chance)]
        drawn = _Drawn(**{f.name: _joined(each, f.name) for f in fields(_Drawn)})
    if not mirror:
        drawn.mirror = torch.ones(B)
    result = _apply(x, size, strength, drawn, mean, std).expand(-1, 3, -1, -1)
    still = strength == 0
    if still.any():
        result = result.clone()
        result[still] = plain(images[still], size, mean=mean, std=std)
    return result


@dataclass
class _Drawn:
    """What chance decided for B pictures; noise is None where no picture has any."""

    angle: Tensor
    scale: Tensor
    aspect: Tensor
    mirror: Tensor
    shift: Tensor
    contrast: Tensor
    brightness: Tensor
    gamma: Tensor
    blur: Tensor
    noise: Tensor
    noisy: Tensor
    erase: Tensor
    box: Tensor


def _joined(parts: Sequence[_Drawn], name: str) -> Tensor:
    return torch.cat([getattr(part, name) for part in parts])


def _draw(strength: Tensor, noise_shape: tuple[int, ...], generator: torch.Generator) -> _Drawn:
    B = len(strength)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(B, *shape, generator=generator) * (high - low) + low

    def happens(p: Tensor | float) -> Tensor:
        return torch.rand(B, generator=generator) < p

    angle = uniform(-15, 15)
    scale, aspect = uniform(-0.15, 0.12), uniform(-0.06, 0.06)
    mirror = torch.where(happens(0.5), -1.0, 1.0)
    shift = uniform(-0.12, 0.12, 2)
    contrast = uniform(-0.3, 0.35, 1, 1, 1)
    brightness = uniform(-0.15, 0.15, 1, 1, 1)
    gamma = uniform(-0.35, 0.35, 1, 1, 1)
    blur = happens(0.2 * strength)
    noise = torch.randn(B, *noise_shape, generator=generator) * uniform(0, 0.05, 1, 1, 1)
    noisy = happens(0.15 * strength)
    erase = happens(0.25 * strength)
    box = torch.zeros(B, 4)
    for i in erase.nonzero().flatten().tolist():
        box[i] = torch.rand(4, generator=generator)
    return _Drawn(
        angle, scale, aspect, mirror, shift, contrast, brightness, gamma, blur, noise, noisy, erase,
        box,
    )  # fmt: skip


def _apply(
    x: Tensor, size: int, strength: Tensor, drawn: _Drawn, mean: Channels, std: Channels
) -> Tensor:
    B, C = x.shape[:2]
    deep = strength[:, None, None, None]
    angle = strength * drawn.angle * math.pi / 180
    scale, aspect = 1 + strength * drawn.scale, 1 + strength * drawn.aspect
    theta = torch.zeros(B, 2, 3)
    theta[:, 0, 0] = drawn.mirror * torch.cos(angle) * scale * aspect
    theta[:, 0, 1] = -torch.sin(angle) * scale
    theta[:, 1, 0] = drawn.mirror * torch.sin(angle) * scale * aspect
    theta[:, 1, 1] = torch.cos(angle) * scale
    theta[:, :, 2] = strength[:, None] * drawn.shift
    grid = F.affine_grid(theta, [B, C, size, size], align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)  # (B, C, size, size)

    level = x.mean((2, 3), keepdim=True)
    x = (x - level) * (1 + deep * drawn.contrast) + level + deep * drawn.brightness
    x = x.clamp(0, 1).pow(torch.exp(deep * drawn.gamma))
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x = torch.where(drawn.blur[:, None, None, None], blurred, x)
    noisy = drawn.noisy[:, None, None, None]
    x = (x + torch.where(noisy, drawn.noise, torch.zeros(()))).clamp(0, 1)
    return _erased(_normalised(x, mean, std), drawn)


def _erased(x: Tensor, drawn: _Drawn) -> Tensor:
    """Blanks one rectangle of up to a third of each side in the chosen pictures."""
    size = x.shape[-1]
    ramp = torch.arange(size)
    for i in drawn.erase.nonzero().flatten().tolist():
        h, w, top, left = drawn.box[i].tolist()
        h, w = int((0.1 + 0.25 * h) * size), int((0.1 + 0.25 * w) * size)
        top, left = int(top * (size - h)), int(left * (size - w))
        rows = (ramp >= top) & (ramp < top + h)
        columns = (ramp >= left) & (ramp < left + w)
        x[i, :, rows[:, None] & columns[None]] = 0
    return x


def _scaled(images: Tensor) -> Tensor:
    """(B, C, H, W) in [0, 1], one channel of a grey picture."""
    channels = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return channels.float() / 255


def _normalised(x: Tensor, mean: Channels, std: Channels) -> Tensor:
    """One channel stays one where mean and deviation are the same for all."""
    means = [mean] if isinstance(mean, float | int) else list(mean)
    stds = [std] if isinstance(std, float | int) else list(std)
    if len(set(means)) == len(set(stds)) == 1:
        return (x - means[0]) / stds[0]
    return (x - torch.tensor(means)[:, None, None]) / torch.tensor(stds)[:, None, None]
