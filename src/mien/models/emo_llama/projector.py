"""The MLP between the encoder's width and the language model's."""

from __future__ import annotations

from torch import nn


def projector(width: int, dim_lm: int) -> nn.Sequential:
    """Two linear layers with a GELU between them (LLaMA-VID's ``mlp2x_gelu``)."""
    return nn.Sequential(nn.Linear(width, dim_lm), nn.GELU(), nn.Linear(dim_lm, dim_lm))
