"""A frozen linear layer with a low-rank difference that trains and is added in at the end."""

from __future__ import annotations

import math
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LowRankLinear(nn.Module):
    """``W x + B A x`` with W frozen; B starts at zero, so that nothing changes at first.

    Args:
        layer: the layer, without bias.
        rank: of the difference.
    """

    weight: nn.Parameter
    low_rank_a: nn.Parameter
    low_rank_b: nn.Parameter

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        if layer.bias is not None:
            raise ValueError("a layer with a bias has no low-rank form here")
        outputs, inputs = layer.weight.shape
        self.weight = nn.Parameter(layer.weight.detach(), requires_grad=False)
        self.low_rank_a = nn.Parameter(torch.empty(rank, inputs))
        self.low_rank_b = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.low_rank_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return F.linear(x, self.weight) + F.linear(F.linear(x, self.low_rank_a), self.low_rank_b)


def add_low_rank(model: nn.Module, pattern: str, *, rank: int) -> list[str]:
    """Puts a `LowRankLinear` in place of each linear layer whose name matches.

    Args:
        model: changed in place.
        pattern: regular expression for the whole name.
        rank: of the differences.

    Returns:
        The names.

    Raises:
        ValueError: if no layer matches.
    """
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and re.fullmatch(pattern, name)
    ]
    if not names:
        raise ValueError(f"no linear layer matches {pattern!r}")
    for name in names:
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        model.set_submodule(name, LowRankLinear(layer, rank))
    return names


def fold_low_rank(model: nn.Module) -> None:
    """Adds the differences to their layers, which become ordinary ones again.

    Args:
        model: changed in place.
    """
    found = [(n, m) for n, m in model.named_modules() if isinstance(m, LowRankLinear)]
    for name, low in found:
        outputs, inputs = low.weight.shape
        layer = nn.Linear(inputs, outputs, bias=False)
        layer.weight = nn.Parameter((low.weight + low.low_rank_b @ low.low_rank_a).detach())
        model.set_submodule(name, layer)
