"""The whole model: encoders of every kind, batches, caches, files, PEFT, 7B shapes."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    LlamaConfig,
    LlamaForCausalLM,
)

from conftest import build, feallm_config, prompts, vision_config
from mien.models import FeallmConfig, FeallmForConditionalGeneration, FeallmModel

KINDS = ["clip", "siglip", "resnet", "pvt"]


@pytest.mark.parametrize("kind", KINDS)
def test_any_vision_encoder(kind):
    model = build(kind)
    inputs = prompts(model, lengths=(5, 3))
    out = model(**inputs, labels=inputs["input_ids"])
    assert out.logits.shape == (*inputs["input_ids"].shape, model.config.text_config.vocab_size)
    assert out.image_hidden_states.shape == (2, model.config.num_image_tokens, 32)
    out.loss.backward()
    grads = {n: p.grad is not None for n, p in model.named_parameters()}
    assert all(has == ("vision_tower" not in name) for name, has in grads.items())


@pytest.mark.parametrize("kind", KINDS)
def test_batch_of_many_is_batch_of_one(kind):
    model = build(kind)
    inputs = prompts(model, lengths=(5, 5, 5))
    many = model(**inputs).logits
    for row in range(3):
        one = model(**{k: v[row : row + 1] for k, v in inputs.items()}).logits
        assert torch.allclose(one[0], many[row], atol=1e-5)


def alone(inputs, row):
    """One row of a left-padded batch, its padding taken off."""
    real = inputs["attention_mask"][row].bool()
    return {
        "input_ids": inputs["input_ids"][row][real][None],
        "attention_mask": inputs["attention_mask"][row][real][None],
        "pixel_values": inputs["pixel_values"][row : row + 1],
    }


def generate(model, inputs, **kwargs):
    fixed = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    fixed["suppress_tokens"] = [model.config.image_token_id]
    out = model.generate(**inputs, **fixed, **kwargs)
    return out[:, inputs["input_ids"].shape[1] :]


@pytest.mark.parametrize("kind", ["clip", "pvt"])
def test_left_padding_equals_singles(kind):
    model = build(kind)
    inputs = prompts(model, lengths=(7, 2, 4))
    batch = generate(model, inputs)
    for row in range(3):
        assert torch.equal(batch[row], generate(model, alone(inputs, row))[0])
    assert len({tuple(row) for row in batch.tolist()}) > 1


def test_cache_on_equals_off(model):
    inputs = prompts(model, lengths=(6, 3))
    assert torch.equal(
        generate(model, inputs, use_cache=True), generate(model, inputs, use_cache=False)
    )


def test_beams_take_their_own_picture(model):
    inputs = prompts(model, lengths=(6, 3))
    both = generate(model, inputs, num_beams=2)
    assert torch.equal(both[:1], generate(model, alone(inputs, 0), num_beams=2))


def test_the_encoder_runs_once_per_answer(model):
    calls = []
    model.model.vision_tower.register_forward_hook(lambda *_: calls.append(1))
    generate(model, prompts(model))
    assert len(calls) == 1


def test_image_features_stand_in_for_pixels(model):
    inputs = prompts(model)
    pixels = inputs.pop("pixel_values")
    levels = model.model.vision_levels(pixels)
    features = model.encode_images(pixels, levels=levels)
    assert torch.equal(features, model.get_image_features(pixels).pooler_output)
    ready = model(**inputs, image_features=features).logits
    assert torch.allclose(ready, model(**inputs, pixel_values=pixels).logits, atol=1e-6)
    assert torch.equal(
        generate(model, inputs, image_features=features),
        generate(model, inputs, pixel_values=pixels),
    )


def test_logits_to_keep(model):
    inputs = prompts(model)
    whole = model(**inputs).logits
    assert torch.allclose(model(**inputs, logits_to_keep=2).logits, whole[:, -2:], atol=1e-6)


def test_wrong_number_of_placeholders_is_refused(model):
    inputs = prompts(model)
    inputs["pixel_values"] = inputs["pixel_values"][:1]
    with pytest.raises(ValueError, match="tokens: 34, features: 17"):
        model(**inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_load_through_the_auto_classes(kind, tmp_path):
    model = build(kind, calibration={"expression": 1.5}, face_scale=1.3)
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert isinstance(again, FeallmForConditionalGeneration)
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    inputs = prompts(model)
    assert torch.allclose(model(**inputs).logits, again(**inputs).logits, atol=1e-5)
    assert not any(p.requires_grad for p in again.model.vision_tower.parameters())
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, FeallmConfig)
    assert type(config.vision_config) is type(model.config.vision_config)
    for name in ("tap_levels", "level_shapes", "crop_boxes", "conv_channels", "image_token_id"):
        assert getattr(config, name) == getattr(model.config, name)
    assert (config.calibration, config.face_scale) == ({"expression": 1.5}, 1.3)
    assert config.action_units == [12]
    assert isinstance(AutoModel.from_pretrained(tmp_path), FeallmModel)


def test_half_precision_files_load_as_float32(tmp_path):
    model = build()
    model.half().save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32)
    assert again(**prompts(again)).logits.dtype == torch.float32


def test_bfloat16_runs():
    model = build().to(torch.bfloat16)
    inputs = prompts(model)
    assert model(**inputs, labels=inputs["input_ids"]).loss.isfinite()


def test_frozen_batch_norm_does_not_drift():
    model = build("resnet").train()
    assert not model.model.vision_tower.training
    assert model.model.language_model.training
    before = {n: b.clone() for n, b in model.named_buffers() if "running" in n}
    inputs = prompts(model)
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert before
    assert all(torch.equal(b, before[n]) for n, b in model.named_buffers() if n in before)


def test_an_encoder_that_is_not_frozen_trains():
    model = build("resnet", freeze_vision=False).train()
    inputs = prompts(model)
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert model.model.vision_tower.training
    assert any(p.grad is not None for p in model.model.vision_tower.parameters())


def test_gradient_checkpointing_gives_the_same_gradients():
    plain, checkpointed = build(), build()
    checkpointed.gradient_checkpointing_enable({"use_reentrant": False})
    inputs = prompts(plain)
    for model in (plain, checkpointed):
        model.train()(**inputs, labels=inputs["input_ids"]).loss.backward()
    other = dict(checkpointed.named_parameters())
    for name, parameter in plain.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, other[name].grad, atol=1e-5), name


def test_new_modules_are_initialised():
    model = build()
    for name, parameter in model.named_parameters():
        assert parameter.isfinite().all(), name
        if parameter.ndim > 1:
            assert parameter.std() > 0, name
    features = model.encode_images(torch.randn(2, 3, 32, 32))
    assert 0.05 < features.std() < 5


@pytest.mark.parametrize("tied", [False, True])
def test_from_parts(tied, tmp_path):
    torch.manual_seed(0)
    text_config = feallm_config().text_config
    text_config.tie_word_embeddings = tied
    text = LlamaForCausalLM(text_config).eval()
    vision = AutoModel.from_config(vision_config("clip")).eval()
    vision.save_pretrained(tmp_path / "vision")
    text.save_pretrained(tmp_path / "text")
    own = {
        "image_token_id": 4,
        "hidden_size": 16,
        "conv_channels": [4],
        "mpp_num_heads": 2,
        "lca_num_heads": 2,
    }
    model = FeallmForConditionalGeneration.from_parts(
        str(tmp_path / "vision"), str(tmp_path / "text"), **own
    )
    assert not any(p.is_meta for p in [*model.parameters(), *model.buffers()])
    ids = torch.tensor([[7, 8, 9]])
    assert torch.allclose(model(input_ids=ids).logits, text(input_ids=ids).logits, atol=1e-6)
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied
    kept = model.model.vision_tower.state_dict()
    assert all(torch.equal(kept[k], v) for k, v in vision.state_dict().items())
    inputs = prompts(model)
    logits = model(**inputs).logits
    model.save_pretrained(tmp_path / "whole")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "whole")
    assert torch.allclose(again(**inputs).logits, logits, atol=1e-5)


def test_lora_leaves_the_vision_encoder_alone(tmp_path):
    peft = pytest.importorskip("peft")
    own = ["local_clue_aggregator", "multi_perspective_projector", "multi_level_feature"]
    settings = peft.LoraConfig(
        r=2, target_modules=r".*language_model.*\.(q_proj|v_proj)", modules_to_save=own
    )
    model = peft.get_peft_model(build(), settings).train()
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert not any("vision_tower" in name for name in trained)
    assert all("lora" in name or "modules_to_save" in name for name in trained)
    for part in [*own, "lora"]:
        assert any(part in name for name in trained)
    assert not model.base_model.model.model.vision_tower.training
    inputs = prompts(build())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(8):
        loss = model(**inputs, labels=inputs["input_ids"]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    model.eval().save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(build(), tmp_path).eval()
    assert torch.allclose(again(**inputs).logits, model(**inputs).logits, atol=1e-5)


def test_shapes_at_seven_billion():
    """CLIP ViT-L/14-336 with a 7B Llama, forward and backward, without weights."""
    config = FeallmConfig(text_config=LlamaConfig(vocab_size=32001))
    assert config.num_image_tokens == 24 * 24 + 1
    with torch.device("meta"):
        model = FeallmForConditionalGeneration(config).to(torch.bfloat16).train()
    own = sum(
        p.numel()
        for name, p in model.model.named_parameters()
        if not name.startswith(("vision_tower", "language_model"))
    )
    assert 6.9e9 < model.num_parameters() < 7.3e9
    assert own < 1.2e8
    length = config.num_image_tokens + 64
    ids = torch.zeros(2, length, dtype=torch.long, device="meta")
    pixels = torch.zeros(2, 3, 336, 336, dtype=torch.bfloat16, device="meta")
    features = model.encode_images(pixels)
    assert features.shape == (2, 577, 4096)
    out = model(input_ids=ids, image_features=features, labels=ids)
    assert out.logits.shape == (2, length, 32001)
    out.loss.backward()
    for name, parameter in model.named_parameters():
        if "vision_tower" not in name:
            assert parameter.grad is not None, name
            assert parameter.grad.shape == parameter.shape


def test_fake_tensors_run_through():
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = FeallmForConditionalGeneration(feallm_config())
        assert model.encode_images(torch.randn(2, 3, 32, 32)).shape == (2, 17, 32)


def test_a_label_head_reads_the_encoders_last_map_and_is_never_trained():
    model = build("resnet", label_heads={"fer2013": ["anger", "neutral"]})
    head = model.model.label_heads["fer2013"]
    levels = model.model.vision_levels(prompts(model)["pixel_values"])
    logits = model.model.dataset_labels(levels)["fer2013"]
    assert torch.allclose(logits, head(levels[-1].flatten(2).mean(-1)))
    assert not any(p.requires_grad for p in head.parameters())
    assert build("resnet").model.dataset_labels(levels) == {}
