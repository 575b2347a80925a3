"""The multi-level feature: taps of any vision encoder, brought to one grid and one width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.vision import LevelShape

if TYPE_CHECKING:
    from mien.models.feallm.configuration import FeallmConfig


class LevelAdapter(nn.Module):
    """One level on F_L's grid and at the common width: pool, flatten, norm, linear, position.

    The encoder's levels differ in width, size and scale; the paper's figure simply concatenates
    them. The norm and the position embedding are ours (``docs/papers.md``).
    """

    def __init__(
        self, config: FeallmConfig, shape: LevelShape, grid: tuple[int, int], *, norm: bool
    ) -> None:
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(shape.channels) if norm else nn.Identity()
        self.linear = nn.Linear(shape.channels, config.hidden_size)
        self.position = None
        if config.position_embedding == "learned":
            self.position = nn.Embedding(grid[0] * grid[1], config.hidden_size)
        self.use_sine = config.position_embedding == "sine"

    def forward(self, level: Tensor) -> Tensor:
        """Adapt.

        Args:
            level: (B, C, H, W).

        Returns:
            (B, N, D) with N the number of cells of F_L's grid.
        """
        if level.shape[-2:] != self.grid:
            level = F.adaptive_avg_pool2d(level, self.grid)
        tokens = self.linear(self.norm(level.flatten(2).transpose(1, 2)))  # (B, N, D)
        if self.position is not None:
            tokens = tokens + self.position.weight
        if self.use_sine:
            tokens = tokens + sine_positions(self.grid, tokens)
        return tokens


def sine_positions(grid: tuple[int, int], like: Tensor) -> Tensor:
    """Fixed 2-D sine and cosine positions, (N, D), in the dtype and on the device of ``like``."""
    dim = like.shape[-1]
    if dim % 4:
        raise ValueError(f"position_embedding 'sine' needs hidden_size % 4 == 0, got {dim}")
    rate = 10_000 ** (-torch.arange(dim // 4, device=like.device, dtype=torch.float32) * 4 / dim)
    parts = []
    for index in torch.meshgrid(
        *[torch.arange(n, device=like.device, dtype=torch.float32) for n in grid], indexing="ij"
    ):
        angle = index.flatten()[:, None] * rate  # (N, D / 4)
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1).to(like.dtype)  # (N, D)


class MultiLevelFeature(nn.Module):
    """F_s = Concat(F_1, ..., F_{L-1}) beside F_L, from FEALLM's architecture figure.

    The axis of the concatenation is not to be seen in the figure: ``fs_concat`` is ``"token"``
    or ``"channel"``.
    """

    def __init__(self, config: FeallmConfig) -> None:
        super().__init__()
        shapes = config.levels
        self.shapes = shapes if config.use_fs else shapes[-1:]
        grid = (shapes[-1].height, shapes[-1].width)
        norms = [config.adapter_norm] * len(self.shapes)
        norms[-1] &= config.deep_norm
        self.adapters = nn.ModuleList(
            LevelAdapter(config, shape, grid, norm=norm)
            for shape, norm in zip(self.shapes, norms, strict=True)
        )
        self.concat_dim = 1 if config.fs_concat == "token" else 2

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Adapt all levels.

        Args:
            levels: the tapped hidden states as maps (B, C_l, H_l, W_l), F_L last.

        Returns:
            F_L (B, N, D) and F_s, (B, (L - 1) * N, D) or (B, N, (L - 1) * D); ``None`` without F_s.
        """
        used = levels[-len(self.adapters) :]
        *shallow, deep = [
            adapter(level) for adapter, level in zip(self.adapters, used, strict=True)
        ]
        return deep, torch.cat(shallow, dim=self.concat_dim) if shallow else None
