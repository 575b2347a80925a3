"""Language models in 8 and 4 bits, with bitsandbytes where it is installed."""

import importlib.util

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, ResNetConfig

from mien.engines import quantize
from mien.engines.base import EngineError
from mien.engines.history import begun
from mien.engines.load import load_responder
from mien.engines.quantize import KEPT, quantization
from mien.engines.request import Request
from mien.facs import LABEL_SETS
from mien.language import prompt_for
from mien.models import (
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)
from tests.engines.conftest import tiny_tokenizer

needs_kernels = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """4-bit weights come in blocks of 64, so this model is a little wider than others."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    config = FeallmConfig(
        vision_config=ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic"
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_size=32,
        hidden_size=16,
        conv_channels=[4, 8],
        crop_size=16,
        lca_num_heads=2,
        mpp_num_heads=2,
        action_units=[6, 12],
        expressions=list(LABEL_SETS["basic7"]),
    )
    model = FeallmForConditionalGeneration(config)
    made = tmp_path_factory.mktemp("quantized")
    model.save_pretrained(made)
    FeallmProcessor(
        FeallmImageProcessor(size=32), tokenizer, num_image_tokens=config.num_image_tokens
    ).save_pretrained(made)
    return str(made)


def faces():
    return [np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)]


@needs_kernels
@pytest.mark.parametrize(("kind", "closest"), [("8bit", 0.02), ("4bit", 0.3)])
def test_the_decoder_alone_is_quantised(folder, kind, closest):
    whole = load_responder(folder, device="cpu")
    small = load_responder(folder, device="cpu", quantize=kind)
    kinds = {name: type(m).__name__ for name, m in small.core.model.named_modules()}
    changed = {name for name, kind in kinds.items() if kind in ("Linear8bitLt", "Linear4bit")}
    assert len(changed) == 2 * 7
    assert all(name.startswith("model.language_model.layers") for name in changed)
    with torch.inference_mode():
        expected, got = (one.core.look(faces()).scores for one in (whole, small))
    for a, b in zip(expected, got, strict=True):
        assert np.abs(a - b).max() < closest * 10
        assert not np.array_equal(a, b)
    assert small.core.identity()["quantized"] == f"bitsandbytes {kind}"
    (reply,) = small.respond([Request("a", tuple(faces()), prompt_for("analysis"))])
    assert reply.text


def test_names_of_kept_modules_are_those_of_the_models(folder):
    model = load_responder(folder, device="cpu").core.model
    own = {f"model.{name}" for name in model.own_modules}
    assert own | {"model.vision_tower", "lm_head"} <= set(KEPT)
    assert all(any(n == name for n, _ in model.named_modules()) for name in own)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(quantize.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="needs bitsandbytes: pip install bitsandbytes"):
        quantization("4bit", compute=torch.float32)


def test_wrong_kinds_and_models_are_named():
    with pytest.raises(EngineError, match="use 8bit or 4bit"):
        quantization("3bit", compute=torch.float32)
    with pytest.raises(EngineError, match="for language models on this machine"):
        load_responder("openai:x@http://localhost:1/v1", quantize="8bit")


def test_answers_begin_as_the_template_writes_them():
    assert begun("USER: Q ASSISTANT:", "Anger.") == "USER: Q ASSISTANT: Anger."
    assert begun("USER: Q ASSISTANT:", "") == "USER: Q ASSISTANT:"
    assert begun("<assistant>", "Anger.") == "<assistant>Anger."
