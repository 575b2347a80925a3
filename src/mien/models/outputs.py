"""What mien's models return."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast, ModelOutput


@dataclass
class FaceCausalLMOutput(ModelOutput):
    """What the classes with a language-model head return.

    Attributes:
        loss: () next-token loss, when ``labels`` were given.
        logits: (B, T, V), or (B, K, V) with ``logits_to_keep``.
        past_key_values: the cache.
        hidden_states: the language model's, on request.
        attentions: the language model's, on request.
        image_hidden_states: what ``encode_images`` gave.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    image_hidden_states: Tensor | None = None


@dataclass
class FaceModelOutput(BaseModelOutputWithPast):
    """What the classes without a head return: the language model's output, the image features."""

    image_hidden_states: Tensor | None = None
