"""The local engine reads pictures with EMO-LLaMA as it does with FEALLM."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, ResNetConfig

from mien.engines.local_model import LocalModel
from mien.facs import LABEL_SETS
from mien.language import prompt_for
from mien.models import (
    EmoLlamaConfig,
    EmoLlamaForConditionalGeneration,
    EmoLlamaProcessor,
    FeallmImageProcessor,
)
from mien.models.branches import score_branches

from .conftest import tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    config = EmoLlamaConfig(
        vision_config=ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic"
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            tie_word_embeddings=True,
        ),
        qformer_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
        num_query_tokens=4,
        hidden_size=16,
        clue_heads=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_size=64,
        action_units=[4, 12],
        expressions=list(LABEL_SETS["basic7"]),
        mirror_average=True,
    )
    processor = EmoLlamaProcessor.for_model(config, FeallmImageProcessor(size=64), tokenizer)
    place = tmp_path_factory.mktemp("emo")
    EmoLlamaForConditionalGeneration(config).save_pretrained(place)
    processor.save_pretrained(place)
    return place


@torch.inference_mode()
def test_numbers_and_words(folder):
    local = LocalModel.from_folder(folder, name="emo", device=torch.device("cpu"))
    assert local.crop_spec.size == 64
    crops = list(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    seen = local.look(crops)
    expected = []
    for picture in (crops[1], crops[1][:, ::-1]):
        inputs = local.processor(
            images=picture, instructions=[prompt_for("analysis")], return_tensors="pt"
        )
        inputs.update(local.prompts([local.question]))
        expected.append(score_branches(local.model, local.tree, **inputs))
    for number, group in enumerate(seen.scores):
        mean = (expected[0][number] + expected[1][number])[0] / 2
        assert np.allclose(group[1], mean.numpy(), atol=1e-4)
    expression, units = local.read([group[0] for group in seen.scores])
    assert sum(expression.scores.values()) == pytest.approx(1)
    assert [unit.au for unit in units] == [4, 12]
    written = local.write(seen.features, [local.question] * 2, max_new_tokens=4)
    assert [type(text) for text in written] == [str, str]
