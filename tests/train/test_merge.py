"""Adapters folded in: the same logits, one folder that plain Transformers loads."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from mien.engines import Request, load_responder
from mien.language import prompt_for
from mien.models.multimodal import LORA_TARGETS
from mien.partfile import SinkError
from mien.train.compose import compose
from mien.train.folders import new_folder
from mien.train.merge import ADAPTER_CONFIG, MergeError, merge
from tests.train.tiny_bases import SMALL, save_llava, save_qwen, save_siglip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A start model, and adapters on it with random weights, as training leaves them."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("merge")
    save_llava(folder / "llava")
    start = compose("feallm", base=str(folder / "llava"), keep_base=True, fields=SMALL)
    start.model.save_pretrained(folder / "start")
    start.processor.save_pretrained(folder / "start")
    torch.manual_seed(1)
    settings = LoraConfig(
        r=4, target_modules=LORA_TARGETS, modules_to_save=list(start.model.own_modules)
    )
    model = get_peft_model(start.model, settings)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    model.peft_config["default"].base_model_name_or_path = str(folder / "start")
    model.save_pretrained(folder / "run" / "model", save_embedding_layers=False)
    start.processor.save_pretrained(folder / "run" / "model")
    pixels = torch.randn(1, 3, 32, 32)
    image = torch.full((1, model.config.num_image_tokens), model.config.image_token_id)
    inputs = {"input_ids": torch.cat((image, torch.randint(3, 250, (1, 9))), 1)}
    inputs["pixel_values"] = pixels
    with torch.no_grad():
        logits = model.eval()(**inputs).logits
        plain = AutoModelForImageTextToText.from_pretrained(folder / "start")(**inputs).logits
    assert (logits - plain).abs().max() > 0.1
    return folder, inputs, logits


def test_logits_are_the_same_and_transformers_loads_it(trained, tmp_path):
    folder, inputs, logits = trained
    merged = merge(folder / "run")
    with torch.no_grad():
        assert torch.allclose(merged.model(**inputs).logits, logits, atol=1e-4)
    with new_folder(tmp_path / "whole") as place:
        merged.model.save_pretrained(place)
        merged.processor.save_pretrained(place)
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {"model.safetensors", "generation_config.json", "config.json"} <= names
    assert not any("adapter" in name for name in names)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "whole")
    assert AutoProcessor.from_pretrained(tmp_path / "whole").num_image_tokens == 17
    with torch.no_grad():
        assert torch.allclose(again(**inputs).logits, logits, atol=1e-4)
    responder = load_responder(str(tmp_path / "whole"), device="cpu")
    picture = np.zeros((32, 32, 3), np.uint8)
    (reply,) = responder.respond([Request("a", (picture,), prompt_for("analysis"))])
    assert reply.text


def test_dtype_is_that_of_the_base_or_the_asked_one(trained):
    folder, inputs, logits = trained
    assert {p.dtype for p in merge(folder / "run").model.parameters()} == {torch.float32}
    half = merge(folder / "run" / "model", dtype="bfloat16").model
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    with torch.no_grad():
        got = half(**inputs).logits.float()
    assert torch.nn.functional.cosine_similarity(got.flatten(), logits.flatten(), 0) > 0.99


def test_another_base_is_refused(trained, tmp_path):
    folder, _, _ = trained
    save_siglip(tmp_path / "siglip")
    save_qwen(tmp_path / "qwen")
    other = compose(
        "feallm",
        vision=str(tmp_path / "siglip"),
        text=str(tmp_path / "qwen"),
        fields={**SMALL, "hidden_size": 32},
    )
    other.model.save_pretrained(tmp_path / "other")
    with pytest.raises(MergeError, match=r"do not belong to the base .*--base \(they name .*start"):
        merge(folder / "run", base=str(tmp_path / "other"))
    with pytest.raises(MergeError, match="of type 'llava', not one of mien's"):
        merge(folder / "run", base=str(folder / "llava"))
    with pytest.raises(MergeError, match="cannot be loaded"):
        merge(folder / "run", base=str(tmp_path / "nowhere"))


def test_folders_without_adapters_are_named(trained, tmp_path):
    folder, _, _ = trained
    with pytest.raises(MergeError, match="a whole model, without adapters"):
        merge(folder / "start")
    with pytest.raises(MergeError, match=r"has no adapter_config\.json"):
        merge(tmp_path)
    (tmp_path / ADAPTER_CONFIG).write_text(json.dumps({}))
    with pytest.raises(MergeError, match="copy the whole folder"):
        merge(tmp_path)


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as place:  # noqa: PT012
        (place / "half").write_text("x")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with new_folder(tmp_path / "out") as place:
        (place / "whole").write_text("x")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["whole"]
    with pytest.raises(SinkError, match="there is something already"), new_folder(tmp_path / "out"):
        pass
