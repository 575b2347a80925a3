"""A tiny random FEALLM that can speak, saved as a folder: no network, no shipped weights."""

import random

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, PreTrainedTokenizerFast, ResNetConfig

from mien.facs import LABEL_SETS
from mien.language import describe, prompt_for
from mien.models import (
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)

SPECIAL = ["<pad>", "<s>", "</s>", "<image>", "<user>", "<assistant>"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    rng = random.Random(0)
    texts = [prompt_for("analysis")]
    for name in LABEL_SETS["basic7"]:
        texts.append(describe("analysis", expression=name, units={12: 3.0, 6: 2.0}, rng=rng))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=SPECIAL[3:],
        padding_side="left",
    )


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """Folder of a model with two expressions' worth of training: none."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    config = FeallmConfig(
        vision_config=ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic"
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_size=64,
        native_size=48,
        hidden_size=16,
        conv_channels=[4, 8],
        crop_size=16,
        lca_num_heads=2,
        mpp_num_heads=2,
        action_units=[4, 12, 25],
        expressions=list(LABEL_SETS["basic7"]),
        calibration={"expression": 2.0, "units": {"12": 0.5}},
    )
    model = FeallmForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = 0
    processor = FeallmProcessor(
        FeallmImageProcessor(size={"height": 64, "width": 64}, native_size=48, do_grayscale=True),
        tokenizer,
        num_image_tokens=config.num_image_tokens,
    )
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
