"""Heads on a frozen vision encoder that teach a model what they say of each face it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mien.partfile import write_whole
from mien.train.fields import RecipeError

GRID = 4
"""Side of the map that units are read from: a mean over the face would lose where things are."""
LOCAL = 32
"""Channels of that map."""
_NAMES = ("expressions", "action_units")
_LAYERS = ("expression", "local", "units")


class EncoderHeads(nn.Module):
    """Expressions and units from an encoder's last two maps, each by one linear layer.

    Args:
        middle, last: channels of these maps.
        expressions: their number, E.
        units: their number, U.
        dropout: of what the linear layers read, in training.
    """

    def __init__(
        self, middle: int, last: int, *, expressions: int, units: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.expression = nn.Linear(last, expressions)
        self.local = nn.Conv2d(middle, LOCAL, 1)
        self.units = nn.Linear(last + LOCAL * GRID * GRID, 2 * units)
        self.dropout = nn.Dropout(dropout)

    def answers(self, middle: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the maps of B faces say.

        Args:
            middle, last: (B, C, H, W), each of its own C, H, W.

        Returns:
            Expression logits (B, E), presence logits (B, U), intensities (B, U) in units of E, and
            the features (B, C) of the whole face.
        """
        features = last.float().mean((2, 3))  # (B, C)
        local = F.adaptive_avg_pool2d(self.local(middle).float().relu(), GRID).flatten(1)
        units = self.units(self.dropout(torch.cat([features, local], 1)))  # (B, 2 * U)
        presence, intensity = units.float().chunk(2, 1)
        return self.expression(self.dropout(features)).float(), presence, intensity, features

    @classmethod
    def from_file(cls, path: Path, config: Any) -> Self:
        """Heads that `save_heads` wrote.

        Args:
            path: the file.
            config: of the model that is to be taught.

        Raises:
            RecipeError: if the file is none of these, or is of another encoder, other expressions
                or other units.
        """
        if config.model_type != "feallm":
            raise RecipeError(
                f"loss.heads: the start is a {config.model_type}, and heads read the maps of a "
                "FEALLM's encoder; take data.soft_labels"
            )
        try:
            with safe_open(path, framework="pt") as file:
                named = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise RecipeError(f"loss.heads: {path} is no safetensors file: {error}") from None
        for name, wanted in zip(_NAMES, _names_of(config), strict=True):
            if named.get(name) != wanted:
                raise RecipeError(
                    f"loss.heads: {path} has {name} {named.get(name) or 'without names'}, and the "
                    f"model {wanted}; write it with mien.train.heads.save_heads, for this model"
                )
        wanted_keys = {f"{n}.{kind}" for n in _LAYERS for kind in ("weight", "bias")}
        if set(state) != wanted_keys:
            odd = sorted(set(state) ^ wanted_keys)
            raise RecipeError(f"loss.heads: {path} differs from heads in {', '.join(odd)}")
        middle, last = (level.channels for level in config.levels[-2:])
        heads = cls(
            middle,
            last,
            expressions=len(config.expressions),
            units=len(config.action_units),
        )
        try:
            heads.load_state_dict(state)
        except RuntimeError as error:
            raise RecipeError(f"loss.heads: {path} was made for another encoder: {error}") from None
        return heads


def save_heads(heads: EncoderHeads, path: Path, config: Any) -> None:
    """Writes heads for `loss.heads` of a recipe.

    Args:
        heads: what else it holds, such as an encoder, is left out.
        path: the file.
        config: of the model that is to be taught; its `expressions` and `action_units` are the
            order of the heads' own.

    Raises:
        mien.partfile.SinkError: if the file cannot be written.
    """
    state = {
        name: tensor.detach().contiguous()
        for name, tensor in heads.state_dict().items()
        if name.partition(".")[0] in _LAYERS
    }
    write_whole(path, save(state, dict(zip(_NAMES, _names_of(config), strict=True))))


def _names_of(config: Any) -> tuple[str, str]:
    return " ".join(config.expressions), " ".join(f"AU{au}" for au in config.action_units)
