"""Trained parts by name, and how large a model's parts are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel


def load_vision(vision: str | PreTrainedModel) -> PreTrainedModel:
    """A vision encoder by name, folder or model; of CLIP and SigLIP their vision half."""
    if not isinstance(vision, str):
        return vision
    found = AutoConfig.from_pretrained(vision)
    return AutoModel.from_pretrained(
        vision, config=getattr(found, "vision_config", found), dtype="auto"
    )


def load_text(text: str | PreTrainedModel) -> PreTrainedModel:
    """A language model with its head, by name, folder or model."""
    if not isinstance(text, str):
        return text
    return AutoModelForCausalLM.from_pretrained(text, dtype="auto")


def parameter_counts(model: nn.Module, names: Sequence[str]) -> dict[str, int]:
    """Parameters of the modules of these names within ``model``; 0 for one that is switched off."""
    parts = {name: getattr(model, name) for name in names}
    return {
        name: 0 if part is None else sum(p.numel() for p in part.parameters())
        for name, part in parts.items()
    }
