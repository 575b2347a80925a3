"""Tiny random models and a tokenizer in memory: no network, no files."""

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    PvtV2Config,
    ResNetConfig,
    SiglipVisionConfig,
)

from mien.models import (
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)

WORDS = "what is the expression ? happiness sadness neutral AU12 : A B C D E absent . raised lips"
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>", "<image>", "<user>", "<assistant>"]


def vision_config(kind: str):
    """A tiny encoder of each shape: ViT with and without a class token, batch norm, hybrid."""
    vit = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 6,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    if kind == "clip":
        return CLIPVisionConfig(**vit)
    if kind == "siglip":
        return SiglipVisionConfig(**vit)
    if kind == "resnet":
        return ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic"
        )
    return PvtV2Config(
        image_size=32,
        hidden_sizes=[8, 12, 16, 20],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        mlp_ratios=[2, 2, 2, 2],
        drop_path_rate=0.0,
    )


def feallm_config(kind: str = "clip", **changes) -> FeallmConfig:
    fields = {
        "vision_config": vision_config(kind),
        "text_config": LlamaConfig(
            vocab_size=len(SPECIAL) + len(WORDS.split()),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
        ),
        "image_token_id": SPECIAL.index("<image>"),
        "image_size": {"resnet": 64, "pvt": 64}.get(kind, 32),
        "hidden_size": 16,
        "conv_channels": [4, 8],
        "crop_size": 16,
        "lca_num_heads": 2,
        "mpp_num_heads": 2,
        "action_units": [12],
        "expressions": ["happiness", "sadness", "neutral"],
    }
    return FeallmConfig(**{**fields, **changes})


def build(kind: str = "clip", seed: int = 0, **changes) -> FeallmForConditionalGeneration:
    torch.manual_seed(seed)
    model = FeallmForConditionalGeneration(feallm_config(kind, **changes)).eval()
    with torch.no_grad():  # sharper than an untrained model, so that greedy choices are no ties
        for parameter in model.model.language_model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    return model


def prompts(model, lengths=(5, 5), seed: int = 0):
    """Random prompts of the given text lengths, left-padded, one picture each."""
    generator = torch.Generator().manual_seed(seed)
    count, size = model.config.num_image_tokens, model.config.image_size
    width = max(lengths) + count
    ids = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in enumerate(lengths):
        words = torch.randint(5, 20, (length,), generator=generator)
        image = torch.full((count,), model.config.image_token_id)
        ids[row, width - count - length :] = torch.cat((image, words))
    pixels = torch.randn(len(lengths), 3, size, size, generator=generator)
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "pixel_values": pixels}


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    vocab = {word: i for i, word in enumerate(SPECIAL + WORDS.split())}
    core = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=["<image>", "<user>", "<assistant>"],
        padding_side="left",
    )


@pytest.fixture
def model() -> FeallmForConditionalGeneration:
    return build()


@pytest.fixture
def processor(tokenizer) -> FeallmProcessor:
    config = feallm_config()
    return FeallmProcessor(
        image_processor=FeallmImageProcessor(size=config.image_size, native_size=24),
        tokenizer=tokenizer,
        num_image_tokens=config.num_image_tokens,
    )


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
