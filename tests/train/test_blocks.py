"""What is shared out over devices, for every kind of encoder and language model."""

import pytest
from torch import nn

from mien.train.blocks import transformer_blocks

from .tiny import tiny_emo_llama, tiny_feallm


def test_blocks_are_those_that_the_model_has():
    # CLIP's own list also names blocks of its text half, which is not there.
    model = tiny_feallm()
    assert "CLIPTextEmbeddings" in model._no_split_modules
    assert transformer_blocks(model) == ["CLIPEncoderLayer", "LlamaDecoderLayer"]


def test_blocks_of_other_parts():
    assert transformer_blocks(tiny_feallm("qwen")) == ["CLIPEncoderLayer", "Qwen2DecoderLayer"]
    assert "InstructBlipQFormerLayer" in transformer_blocks(tiny_emo_llama())


def test_blocks_stay_within_pefts_wrapper():
    peft = pytest.importorskip("peft")
    model = tiny_feallm()
    config = peft.LoraConfig(target_modules=["q_proj"], modules_to_save=list(model.own_modules))
    wrapped = peft.get_peft_model(model, config)
    assert transformer_blocks(wrapped) == ["CLIPEncoderLayer", "LlamaDecoderLayer"]


def test_a_model_without_a_list_has_no_blocks():
    assert transformer_blocks(nn.ModuleList([nn.Linear(2, 2)])) == []
