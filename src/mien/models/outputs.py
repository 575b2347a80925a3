"""What mien's models return, and what Transformers calls a cache in it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

CACHE = (
    "cache"
    if "cache" in {field.name for field in fields(BaseModelOutputWithPast)}
    else "past_key_values"
)
"""The cache's name in outputs and in `forward`: `cache` since Transformers 5.24."""


@dataclass
class FaceCausalLMOutput(CausalLMOutputWithPast):
    """What the classes with a language-model head return.

    The loss where ``labels`` were given, logits (B, T, V), or (B, K, V) with ``logits_to_keep``,
    what Transformers' class holds beside them, and the image features of ``encode_images``.
    """

    image_hidden_states: Tensor | None = None


@dataclass
class FaceModelOutput(BaseModelOutputWithPast):
    """What the classes without a head return: the language model's output, the image features."""

    image_hidden_states: Tensor | None = None
