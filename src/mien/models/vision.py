"""Any vision encoder of Transformers: the shape of its hidden states, and each as a map."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoModel


class LevelShape(NamedTuple):
    """Width and grid of a hidden state, and its class and register tokens."""

    channels: int
    height: int
    width: int
    prefix: int


def to_map(hidden: Tensor, shape: LevelShape) -> Tensor:
    """One hidden state as a map.

    Args:
        hidden: (B, C, H, W) of a convolutional or hybrid encoder, or (B, P + H * W, C) of a ViT
            with P class and register tokens in front, which are dropped.
        shape: what ``probe_shapes`` found for this hidden state.

    Returns:
        (B, C, H, W).
    """
    if hidden.ndim == 4:
        return hidden  # (B, C, H, W)
    grid = hidden[:, shape.prefix :].transpose(1, 2)  # (B, C, H * W)
    return grid.unflatten(2, (shape.height, shape.width))  # (B, C, H, W)


def encoder_tokens(encoder: nn.Module, pixel_values: Tensor, *, layer: int) -> Tensor:
    """A hidden state of an encoder as tokens.

    Args:
        encoder: that ``AutoModel`` builds.
        pixel_values: (R, 3, S, S).
        layer: index into its ``hidden_states``; -1 is its final output.

    Returns:
        (R, V, C): class and register tokens, if any, then the patches.
    """
    outputs = encoder(pixel_values=pixel_values, output_hidden_states=layer != -1, return_dict=True)
    hidden: Tensor = outputs.last_hidden_state if layer == -1 else outputs.hidden_states[layer]
    return hidden.flatten(2).transpose(1, 2) if hidden.ndim == 4 else hidden  # (R, V, C)


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over the names and values of a module's weights."""
    digest = hashlib.sha256()
    for name, values in module.state_dict().items():
        digest.update(name.encode())
        data = values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        digest.update(memoryview(data))
    return digest.hexdigest()


def probe_shapes(
    vision_config: Any, *, image_size: int, taps: Sequence[int], field: str
) -> list[LevelShape]:
    """Find the shapes of hidden states by running the encoder without weights or data.

    Args:
        vision_config: of an encoder that ``AutoModel`` builds.
        image_size: side of its pictures.
        taps: indices into its ``hidden_states``.
        field: name of the config's field that holds the taps, for the error.

    Raises:
        ValueError: if a hidden state's tokens do not form a square grid.
    """
    with torch.device("meta"), torch.no_grad():
        encoder = AutoModel.from_config(vision_config)
        encoder.eval()
        pixels = torch.empty(1, 3, image_size, image_size)
        outputs = encoder(pixel_values=pixels, output_hidden_states=True)
    shapes = []
    for tap in taps:
        hidden = outputs.hidden_states[tap]
        if hidden.ndim == 4:
            shapes.append(LevelShape(hidden.shape[1], hidden.shape[2], hidden.shape[3], 0))
            continue
        count, patch = hidden.shape[1], getattr(vision_config, "patch_size", None)
        grid = math.isqrt(count)
        if grid * grid != count and isinstance(patch, int):
            grid = image_size // patch
        prefix = count - grid * grid
        if not 0 <= prefix <= 16:
            raise ValueError(
                f"{field}: hidden state {tap} has {count} tokens, which is no square grid with a "
                f"few class or register tokens in front (image_size {image_size}, patch_size "
                f"{patch})"
            )
        shapes.append(LevelShape(hidden.shape[2], grid, grid, prefix))
    return shapes
