"""First weights of FEALLM's own modules on a base that reads pictures already."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mien.models import FeallmForConditionalGeneration
from mien.models.attention import AttentionStep

KEEP_BASE = {"deep_norm": False, "mlp_norm": False, "mpp_first_residual": True}
"""Fields of `FeallmConfig` with which the projector can begin as the base's own."""


@torch.no_grad()
def start_from_projector(
    model: FeallmForConditionalGeneration, projector: nn.Module, *, break_embedding: torch.Tensor
) -> None:
    """Begins where the base's projector ends.

    The adapter of F_L is the identity, the attention steps that have a residual add nothing yet,
    and the MLP is the base's. F_local begins as the embedding of the token in whose place it
    stands. With the fields of `KEEP_BASE` the visual tokens are the base's; as drawn, A1 has no
    residual and cannot be. What is zero here is a last layer, so that its gradient is not.

    Args:
        model: freshly composed, F_L being the hidden state that the base's projector reads.
        projector: the base's, with `linear_1` and `linear_2`.
        break_embedding: (D_lm,).
    """
    config, inner = model.config, model.model
    deep: Any = inner.multi_level_feature.adapters[-1]
    nn.init.eye_(deep.linear.weight)
    nn.init.zeros_(deep.linear.bias)
    if deep.position is not None:
        nn.init.zeros_(deep.position.weight)
    mpp: Any = inner.multi_perspective_projector
    steps = [mpp.to_clues, mpp.to_itself]
    if config.mpp_first_residual:
        steps.append(mpp.to_levels)
    for step in steps:
        _silence(step)
    for own, name in ((mpp.mlp[1], "linear_1"), (mpp.mlp[3], "linear_2")):
        _copy(own, getattr(projector, name))
    clues = inner.local_clue_aggregator
    if clues is not None and clues.to_token is not None:
        nn.init.zeros_(clues.to_token.weight)
        clues.to_token.bias.copy_(break_embedding)


def _silence(step: AttentionStep | None) -> None:
    if step is not None:
        nn.init.zeros_(step.output.weight)
        nn.init.zeros_(step.output.bias)


def _copy(own: nn.Linear, theirs: nn.Linear) -> None:
    own.weight.copy_(theirs.weight)
    if theirs.bias is None:
        nn.init.zeros_(own.bias)
    else:
        own.bias.copy_(theirs.bias)
