"""The attention step that FEALLM's figure draws four times."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["pre", "post", "none"]


class AttentionStep(nn.Module):
    """Multi-head attention from ``x`` to ``context``, with an optional residual and layer norm.

    Args:
        dim: width D of ``x`` and of the result.
        num_heads: number of heads; must divide ``dim``.
        context_dim: width of ``context``; ``None`` means self-attention (``context`` is ``x``).
        residual: add ``x`` to the result.
        norm: ``"pre"`` normalises what goes in, ``"post"`` what comes out, ``"none"`` nothing.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        context_dim: int | None = None,
        residual: bool = True,
        norm: Norm = "pre",
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"width {dim} is not a multiple of num_heads {num_heads}")
        self.num_heads, self.residual = num_heads, residual
        kv_dim = context_dim or dim
        self.query_norm = nn.LayerNorm(dim) if norm == "pre" else nn.Identity()
        has_own_norm = norm == "pre" and context_dim is not None
        self.context_norm = nn.LayerNorm(kv_dim) if has_own_norm else nn.Identity()
        self.output_norm = nn.LayerNorm(dim) if norm == "post" else nn.Identity()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(kv_dim, dim)
        self.value = nn.Linear(kv_dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (B, N, D) queries.
            context: (B, M, D_context) keys and values; ``None`` for self-attention.

        Returns:
            (B, N, D).
        """
        queries = self.query_norm(x)  # (B, N, D)
        keys = queries if context is None else self.context_norm(context)  # (B, M, D_context)
        attended = F.scaled_dot_product_attention(
            self._heads(self.query(queries)),
            self._heads(self.key(keys)),
            self._heads(self.value(keys)),
        )  # (B, heads, N, D / heads)
        out = self.output(attended.transpose(1, 2).flatten(2))  # (B, N, D)
        return self.output_norm(x + out if self.residual else out)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, heads, N, D / heads)
