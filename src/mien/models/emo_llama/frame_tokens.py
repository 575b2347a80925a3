"""LLaMA-VID's two kinds of tokens per frame: what is asked about, and what is there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.emo_llama.projector import projector

if TYPE_CHECKING:
    from mien.models.emo_llama.configuration import EmoLlamaConfig


class ContextToken(nn.Module):
    """The context token, from LLaMA-VID (arXiv 2311.17043), which EMO-LLaMA tunes::

        E_t = Mean(Softmax(Q_t X_t^T / sqrt(C)) X_t)        Q_t: the Q-Former's text-guided queries

    Layer norm of X_t, and linear layers for queries and keys, come before; an MLP projects E_t.
    """

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__()
        width = config.vision_shape.channels
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(config.qformer_config.hidden_size, width)
        self.key = nn.Linear(width, width)
        self.projector = projector(width, config.text_config.hidden_size)

    def forward(self, queries: Tensor, patches: Tensor) -> Tensor:
        """Attend and average.

        Args:
            queries: (R, Q, D_q) what the Q-Former's queries became; R frames.
            patches: (R, N, C).

        Returns:
            (R, 1, D_lm).
        """
        patches = self.norm(patches)
        scores = self.query(queries) @ self.key(patches).transpose(1, 2)  # (R, Q, N)
        weights = (scores / math.sqrt(patches.shape[-1])).softmax(-1)
        context = (weights @ patches).mean(1, keepdim=True)  # (R, 1, C)
        return self.projector(context)  # (R, 1, D_lm)


class ContentTokens(nn.Module):
    """The content tokens: patches pooled to a grid and projected; no instruction takes part."""

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__()
        shape = config.vision_shape
        self.size, self.grid = (shape.height, shape.width), config.content_grid
        self.norm = nn.LayerNorm(shape.channels)
        self.projector = projector(shape.channels, config.text_config.hidden_size)

    def forward(self, patches: Tensor) -> Tensor:
        """Pool and project.

        Args:
            patches: (R, N, C).

        Returns:
            (R, n, D_lm).
        """
        patches = self.norm(patches)
        maps = patches.transpose(1, 2).unflatten(2, self.size)  # (R, C, H, W)
        pooled = F.adaptive_avg_pool2d(maps, self.grid) if self.grid != self.size else maps
        return self.projector(pooled.flatten(2).transpose(1, 2))  # (R, n, D_lm)
