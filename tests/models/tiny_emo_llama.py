"""Tiny random EMO-LLaMAs and what goes into them."""

import numpy as np
import torch
from transformers import InstructBlipQFormerConfig, InstructBlipVisionConfig

from conftest import SPECIAL, WORDS, feallm_config, vision_config
from mien.models import EmoLlamaConfig, EmoLlamaForConditionalGeneration
from mien.models.priors import LAYOUTS, Attribute, FacePriors
from mien.schema import Pose

WORD_COUNT = len(SPECIAL) + len(WORDS.split())
QFORMER = {
    "vocab_size": WORD_COUNT,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 16,
}
PRIORS = ("face_embedding", "landmarks", "pose", "blendshapes")


def eva_config(**changes) -> InstructBlipVisionConfig:
    fields = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
        "initializer_range": 0.02,
    }
    return InstructBlipVisionConfig(**{**fields, **changes})


def qformer_config(**changes) -> InstructBlipQFormerConfig:
    return InstructBlipQFormerConfig(**{**QFORMER, "encoder_hidden_size": 16, **changes})


def emo_config(kind: str = "clip", **changes) -> EmoLlamaConfig:
    fields = {
        "vision_config": eva_config() if kind == "eva" else vision_config(kind),
        "text_config": feallm_config().text_config,
        "qformer_config": QFORMER,
        "image_token_id": SPECIAL.index("<image>"),
        "image_size": {"resnet": 64, "pvt": 64}.get(kind, 32),
        "num_query_tokens": 4,
        "face_embedding_source": "made up",
        "face_embedding_size": 8,
        "landmark_layout": "ibug68",
        "landmark_dim": 2,
        "blendshapes": ["jawOpen", "browInnerUp"],
        "hidden_size": 16,
        "num_clue_tokens": 3,
        "clue_heads": 2,
        "action_units": [12],
        "expressions": ["happiness", "sadness", "neutral"],
    }
    return EmoLlamaConfig(**{**fields, **changes})


def build_emo(kind: str = "clip", seed: int = 0, **changes) -> EmoLlamaForConditionalGeneration:
    torch.manual_seed(seed)
    model = EmoLlamaForConditionalGeneration(emo_config(kind, **changes)).eval()
    with torch.no_grad():  # sharper than an untrained model, so that greedy choices are no ties
        for parameter in model.model.language_model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    return model


def clips(model, frames=(3, 1), lengths=(5, 5), seed: int = 0):
    """Random clips with priors and left-padded prompts, one clip a row."""
    config, most = model.config, max(frames)
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(len(frames), most, *shape, generator=generator)

    counts = [n * config.num_image_tokens for n in frames]
    width = max(count + length for count, length in zip(counts, lengths, strict=True))
    ids = torch.zeros(len(frames), width, dtype=torch.long)
    words = torch.zeros(len(frames), max(lengths), dtype=torch.long)
    for row, (count, length) in enumerate(zip(counts, lengths, strict=True)):
        text = torch.randint(7, 20, (length,), generator=generator)
        ids[row, width - count - length : width - length] = config.image_token_id
        ids[row, width - length :] = text
        words[row, :length] = text
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "pixel_values": random(3, config.image_size, config.image_size),
        "frame_mask": (torch.arange(most) < torch.tensor(frames)[:, None]).long(),
        "qformer_input_ids": words,
        "qformer_attention_mask": (words != 0).long(),
        "face_embedding": random(8),
        "landmarks": random(68, 2),
        "pose": 20 * random(3),
        "blendshapes": random(2).sigmoid(),
    }


def pictures_of(inputs):
    """The inputs of `encode_images` among all."""
    return {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}


def face(seed: int = 0, **changes) -> FacePriors:
    """Priors of a made-up face with 68 points."""
    rng = np.random.default_rng(seed)
    fields = {
        "embedding": rng.normal(size=8).astype(np.float32),
        "landmarks": rng.normal(100, 20, (LAYOUTS["ibug68"].count, 2)).astype(np.float32),
        "layout": "ibug68",
        "pose": Pose(10.0, -5.0, 2.0),
        "blendshapes": {"jawOpen": 0.25, "browInnerUp": 0.5, "other": 0.1},
        "attributes": {"age": Attribute("20-29", 0.9)},
    }
    return FacePriors(**{**fields, **changes})
