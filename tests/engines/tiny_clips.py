"""A tiny random EMO-LLaMA that can speak, saved as a folder."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, ResNetConfig

from mien.facs import LABEL_SETS
from mien.models import (
    EmoLlamaConfig,
    EmoLlamaForConditionalGeneration,
    EmoLlamaProcessor,
    FeallmImageProcessor,
)
from tests.engines.conftest import tiny_tokenizer


def tiny_emo_llama(**changes) -> tuple[EmoLlamaForConditionalGeneration, EmoLlamaProcessor]:
    """The model and its processor, with other fields of its configuration where given."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    fields = {
        "vision_config": ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic"
        ),
        "text_config": LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            tie_word_embeddings=True,
        ),
        "qformer_config": {
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
        "num_query_tokens": 4,
        "hidden_size": 16,
        "clue_heads": 2,
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "image_size": 64,
        "action_units": [4, 12],
        "expressions": list(LABEL_SETS["basic7"]),
        "mirror_average": True,
        "clip_frames": 3,
    }
    config = EmoLlamaConfig(**{**fields, **changes})
    processor = EmoLlamaProcessor.for_model(config, FeallmImageProcessor(size=64), tokenizer)
    return EmoLlamaForConditionalGeneration(config), processor


def save_emo_llama(place: Path, **changes) -> Path:
    """Writes the model."""
    for part in tiny_emo_llama(**changes):
        part.save_pretrained(place)
    return place
