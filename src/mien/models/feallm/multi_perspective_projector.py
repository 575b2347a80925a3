"""FEALLM's Multi-perspective Projector (MPP): deep, shallow and local features to tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from mien.models.attention import AttentionStep

if TYPE_CHECKING:
    from mien.models.feallm.configuration import FeallmConfig


class MultiPerspectiveProjector(nn.Module):
    """Multi-perspective Projector, from FEALLM's architecture figure::

    A1  = CrossAttention(Q = F_L, K = V = F_s)                no residual is drawn
    A2  = A1 + CrossAttention(Q = A1, K = V = F'_local)
    A3  = A2 + SelfAttention(A2)
    out = MLP(A3)                                             as many tokens as F_L
    """

    def __init__(self, config: FeallmConfig) -> None:
        super().__init__()
        dim, heads, norm = config.hidden_size, config.mpp_num_heads, config.mpp_norm
        self.to_levels: AttentionStep | None = None
        if config.use_fs:
            self.to_levels = AttentionStep(
                dim,
                num_heads=heads,
                context_dim=config.fs_dim,
                residual=config.mpp_first_residual,
                norm=norm,
            )
        self.to_clues: AttentionStep | None = None
        if config.use_local_in_projector:
            self.to_clues = AttentionStep(dim, num_heads=heads, context_dim=dim, norm=norm)
        self.to_itself = AttentionStep(dim, num_heads=heads, norm=norm)
        dim_lm = config.text_config.hidden_size
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim) if norm == "pre" and config.mlp_norm else nn.Identity(),
            nn.Linear(dim, dim_lm),
            nn.GELU(),
            nn.Linear(dim_lm, dim_lm),
        )

    def forward(self, deep: Tensor, levels: Tensor | None, clues: Tensor | None) -> Tensor:
        """Project.

        Args:
            deep: (B, N, D) F_L.
            levels: (B, M, D_s) F_s, or ``None`` when the config switches it off.
            clues: (B, R, D) F'_local, or ``None`` when the config switches it off.

        Returns:
            (B, N, D_lm) visual tokens.
        """
        x = deep if self.to_levels is None else self.to_levels(deep, levels)  # (B, N, D)  A1
        x = x if self.to_clues is None else self.to_clues(x, clues)  # (B, N, D)  A2
        x = self.to_itself(x)  # (B, N, D)  A3
        return self.mlp(x)  # (B, N, D_lm)
