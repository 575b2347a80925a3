"""FEALLM's Local Clue Aggregator (LCA): 16 crops, a vector each, self-attention, two exits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mien.models.attention import AttentionStep
from mien.models.feallm.crops import crop_regions

if TYPE_CHECKING:
    from mien.models.feallm.configuration import FeallmConfig


class ConvBlocks(nn.Module):
    """One convolutional block per crop, one vector per crop (the figure's 16 "Conv Block" boxes).

    Separate blocks run as one grouped convolution, each normalised on its own; shared blocks
    (``share_conv_blocks``) fold the crops into the batch. Depth and width are ours.
    """

    def __init__(self, config: FeallmConfig) -> None:
        super().__init__()
        self.num_crops = len(config.crop_boxes)
        self.groups = groups = 1 if config.share_conv_blocks else self.num_crops
        widths = [3, *config.conv_channels]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(groups * before, groups * after, 3, stride=2, padding=1, groups=groups),
                nn.GroupNorm(groups, groups * after),
                nn.GELU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(config.conv_pool_size)
        side = config.conv_pool_size
        self.to_vector = nn.Conv2d(
            groups * widths[-1], groups * config.hidden_size, side, groups=groups
        )

    def forward(self, crops: Tensor) -> Tensor:
        """Turn each crop into a vector R_local^i.

        Args:
            crops: (B, R, 3, S, S).

        Returns:
            (B, R, D).
        """
        batch, size = crops.shape[0], crops.shape[-1]
        x = crops.reshape(-1, self.groups * 3, size, size)  # (B * R / groups, groups * 3, S, S)
        x = self.pool(self.layers(x))  # (B * R / groups, groups * C, P, P)
        return self.to_vector(x).reshape(batch, self.num_crops, -1)  # (B, R, D)


class LocalClueAggregator(nn.Module):
    """Local Clue Aggregator, from FEALLM's architecture figure.

    Crop -> its own Conv Block -> R_local^i -> self-attention over the crops -> F_attn, with two
    exits: ``F'_local`` stays a set of tokens and feeds the projector as keys and values;
    ``F_local`` is flattened into one token that goes straight to the language model.
    """

    def __init__(self, config: FeallmConfig) -> None:
        super().__init__()
        self.crop_boxes, self.crop_size = config.crop_boxes, config.crop_size
        dim, num_crops = config.hidden_size, len(config.crop_boxes)
        self.conv_blocks = ConvBlocks(config)
        self.crop_embedding = nn.Embedding(num_crops, dim) if config.crop_embedding else None
        self.self_attention = None
        if config.use_lca_self_attention:
            self.self_attention = AttentionStep(
                dim,
                num_heads=config.lca_num_heads,
                residual=config.lca_residual,
                norm=config.lca_norm,
            )
        self.to_projector = nn.Linear(dim, dim) if config.use_local_in_projector else None
        self.to_token = None
        if config.use_local_token:
            self.to_token = nn.Linear(num_crops * dim, config.text_config.hidden_size)

    def crops(self, pixel_values: Tensor) -> Tensor:
        """(B, R, 3, S, S) regions of (B, 3, H, W) pictures; no weight takes part."""
        return crop_regions(pixel_values, self.crop_boxes, size=self.crop_size)

    def forward(
        self, pixel_values: Tensor | None, *, crops: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Gather local clues.

        Args:
            pixel_values: (B, 3, H, W), as the vision encoder sees them.
            crops: (B, R, 3, S, S), what ``crops`` cut out of the pictures, instead of them.

        Returns:
            ``F'_local`` (B, R, D) and ``F_local`` (B, 1, D_lm); ``None`` where switched off.
        """
        if crops is None:
            if pixel_values is None:
                raise ValueError("give pixel_values or crops")
            crops = self.crops(pixel_values)  # (B, R, 3, S, S)
        clues = self.conv_blocks(crops)  # (B, R, D)
        if self.crop_embedding is not None:
            clues = clues + self.crop_embedding.weight  # (B, R, D)
        if self.self_attention is not None:
            clues = self.self_attention(clues)  # (B, R, D)  F_attn
        tokens = None if self.to_projector is None else self.to_projector(clues)  # (B, R, D)
        token = None if self.to_token is None else self.to_token(clues.flatten(1))  # (B, D_lm)
        return tokens, None if token is None else token.unsqueeze(1)
