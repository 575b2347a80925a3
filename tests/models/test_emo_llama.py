"""EMO-LLaMA whole: clips, padding, caches, files, PEFT, branches."""

import pytest
import torch
from tiny_emo_llama import PRIORS, build_emo, clips, emo_config, pictures_of
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

from mien.models import EmoLlamaConfig, EmoLlamaForConditionalGeneration, EmoLlamaModel
from mien.models.branches import PrefixTree, score_branches
from mien.models.multimodal import LORA_TARGETS

KINDS = ["clip", "siglip", "resnet", "pvt", "eva"]


@pytest.fixture(scope="module")
def model():
    return build_emo()


def row_alone(inputs, row):
    """One row of a batch without its padding, of text and of frames."""
    real = inputs["attention_mask"][row].bool()
    frames = int(inputs["frame_mask"][row].sum())
    words = int(inputs["qformer_attention_mask"][row].sum())
    alone = {}
    for name, values in inputs.items():
        one = values[row : row + 1]
        if name in ("input_ids", "attention_mask"):
            one = one[:, real]
        elif name.startswith("qformer"):
            one = one[:, :words]
        else:
            one = one[:, :frames]
        alone[name] = one
    return alone


def generate(model, inputs, **kwargs):
    fixed = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    fixed["suppress_tokens"] = [model.config.image_token_id]
    out = model.generate(**inputs, **fixed, **kwargs)
    return out[:, inputs["input_ids"].shape[1] :]


@pytest.mark.parametrize("kind", KINDS)
def test_any_vision_encoder_and_gradients_everywhere(kind):
    model = build_emo(kind, prior_dropout=0.0, prior_frame_dropout=0.0).train()
    inputs = clips(model, frames=(3, 2))
    inputs["landmarks"][0, 0] = torch.nan  # so that "absent" has a part in it too
    inputs["face_embedding"][0, 1] = torch.nan
    inputs["pose"][1, 0] = torch.nan
    inputs["blendshapes"][1, 1] = torch.nan
    out = model(**inputs, labels=inputs["input_ids"])
    assert out.logits.shape == (*inputs["input_ids"].shape, model.config.text_config.vocab_size)
    assert out.image_hidden_states.shape == (2, 3, model.config.num_image_tokens, 32)
    out.loss.backward()
    # Of the Q-Former's last layer only the queries go on; a bias of keys shifts all scores alike.
    unread = (
        "qformer.encoder.layer.1.intermediate.",
        "qformer.encoder.layer.1.output.",
        "key.bias",
    )
    for name, parameter in model.named_parameters():
        if "vision_tower" in name:
            assert parameter.grad is None
        elif not any(part in name for part in unread):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_one_frame_is_a_picture(model):
    inputs = clips(model, frames=(1, 1))
    given = pictures_of(inputs)
    clip = model.encode_images(**given)
    given["pixel_values"] = given["pixel_values"][:, 0]  # (P, 3, S, S)
    del given["frame_mask"]
    assert torch.equal(model.encode_images(**given), clip)
    inputs["pixel_values"] = given["pixel_values"]
    del inputs["frame_mask"]
    assert model(**inputs).logits.isfinite().all()


def test_frames_are_read_one_by_one(model):
    given = pictures_of(clips(model, frames=(3, 3)))
    whole = model.encode_images(**given)
    for frame in range(3):
        part = {
            name: values if name.startswith("qformer") else values[:, frame : frame + 1]
            for name, values in given.items()
        }
        assert torch.allclose(model.encode_images(**part)[:, 0], whole[:, frame], atol=1e-5)


def test_padded_frames_have_no_influence(model):
    inputs = clips(model, frames=(3, 1, 2), lengths=(5, 4, 2))
    logits = model(**inputs).logits
    for name in ("pixel_values", *PRIORS):
        inputs[name][1, 1:] = 1e6
        inputs[name][2, 2:] = torch.nan
    assert torch.equal(model(**inputs).logits, logits)
    features = model.encode_images(**pictures_of(inputs))
    assert (features[1, 1:] == 0).all()


@pytest.mark.parametrize("kind", ["clip", "resnet"])
def test_batches_equal_singles(kind):
    model = build_emo(kind)
    inputs = clips(model, frames=(3, 1, 2), lengths=(7, 2, 4))
    logits, texts = model(**inputs).logits, generate(model, inputs)
    for row in range(3):
        alone = row_alone(inputs, row)
        one = model(**alone).logits[0]
        assert torch.allclose(one, logits[row, -len(one) :], atol=1e-4)
        assert torch.equal(texts[row], generate(model, alone)[0])
    assert len({tuple(row) for row in texts.tolist()}) > 1


def test_cache_on_equals_off(model):
    inputs = clips(model, lengths=(6, 3))
    on = generate(model, inputs, use_cache=True)
    assert torch.equal(on, generate(model, inputs, use_cache=False))


def test_beams_take_their_own_clip(model):
    inputs = clips(model, frames=(3, 2), lengths=(6, 3))
    both = generate(model, inputs, num_beams=2)
    assert torch.equal(both[:1], generate(model, row_alone(inputs, 0), num_beams=2))


def test_the_encoder_runs_once_per_answer(model):
    calls = []
    hook = model.model.vision_tower.register_forward_hook(lambda *_: calls.append(1))
    generate(model, clips(model))
    hook.remove()
    assert len(calls) == 1


def test_ready_features_stand_in_for_pixels(model):
    inputs = clips(model, frames=(3, 2))
    given = pictures_of(inputs)
    features = model.encode_images(**given)
    seen = model.model.vision_tokens(given.pop("pixel_values").flatten(0, 1)).unflatten(0, (2, 3))
    assert torch.allclose(model.encode_images(**given, vision_tokens=seen), features, atol=1e-5)
    kept = {k: inputs[k] for k in ("input_ids", "attention_mask", "frame_mask")}
    ready = model(**kept, image_features=features)
    assert torch.allclose(ready.logits, model(**inputs).logits, atol=1e-5)
    assert torch.equal(
        generate(model, {**kept, "image_features": features}), generate(model, inputs)
    )


def test_branches_equal_separate_passes(model):
    inputs = clips(model, frames=(3, 1), lengths=(6, 2))
    groups = [[[7], [8], [9, 10]], [[11, 12, 13], [11, 12, 14], [11, 15]]]
    scores = score_branches(model, PrefixTree.from_candidates(groups), **inputs)
    for group, found in zip(groups, scores, strict=True):
        for column, candidate in enumerate(group):
            for row in range(2):
                alone = row_alone(inputs, row)
                length = alone["input_ids"].shape[1]
                ids = torch.cat((alone["input_ids"], torch.tensor([candidate])), dim=1)
                alone.update(input_ids=ids, attention_mask=torch.ones_like(ids))
                steps = model(**alone).logits[0].log_softmax(-1)
                expected = steps[length - 1 : -1].gather(1, ids[0, length:, None]).sum()
                assert torch.allclose(found[row, column], expected, atol=1e-4)


def test_numbers_can_be_read_from_features_alone(model):
    inputs = clips(model)
    tree = PrefixTree.from_candidates([[[7], [8, 9]]])
    kept = {k: inputs[k] for k in ("input_ids", "attention_mask", "frame_mask")}
    features = model.encode_images(**pictures_of(inputs))
    ready = score_branches(model, tree, image_features=features, **kept)
    assert torch.allclose(ready[0], score_branches(model, tree, **inputs)[0], atol=1e-5)


@pytest.mark.parametrize(
    "changes", [{}, {"use_context": False}, {"use_global": False, "use_local": False}]
)
def test_save_and_load_through_the_auto_classes(changes, tmp_path):
    model = build_emo("eva", calibration={"expression": 1.5}, **changes)
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert isinstance(again, EmoLlamaForConditionalGeneration)
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    inputs = clips(model)
    assert torch.allclose(model(**inputs).logits, again(**inputs).logits, atol=1e-5)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, EmoLlamaConfig)
    for name in ("level_shape", "landmark_regions", "content_pool", "blendshapes", "calibration"):
        assert getattr(config, name) == getattr(model.config, name)
    assert config.qformer_config.encoder_hidden_size == 16
    assert isinstance(AutoModel.from_pretrained(tmp_path), EmoLlamaModel)


def test_bfloat16_runs():
    model = build_emo().to(torch.bfloat16).train()
    inputs = clips(model)
    inputs["landmarks"][0] = torch.nan
    loss = model(**inputs, labels=inputs["input_ids"]).loss
    loss.backward()
    assert loss.isfinite()


def test_gradient_checkpointing_gives_the_same_gradients():
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    changes = {"prior_dropout": 0.0, "prior_frame_dropout": 0.0}
    config = {**emo_config().qformer_config.to_dict(), **quiet}
    plain, checkpointed = (build_emo(qformer_config=config, **changes) for _ in range(2))
    checkpointed.gradient_checkpointing_enable({"use_reentrant": False})
    inputs = clips(plain)
    for model in (plain, checkpointed):
        model.train()(**inputs, labels=inputs["input_ids"]).loss.backward()
    other = dict(checkpointed.named_parameters())
    for name, parameter in plain.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, other[name].grad, atol=1e-5), name


def test_new_modules_are_initialised():
    for name, parameter in build_emo().named_parameters():
        assert parameter.isfinite().all(), name
        if parameter.ndim > 1:
            assert parameter.std() > 0, name


def test_frozen_parts_stay_in_eval():
    model = build_emo("resnet", freeze_qformer=True).train()
    assert not model.model.vision_tower.training
    assert not model.model.qformer.training
    assert not any(p.requires_grad for p in model.model.qformer_queries.parameters())
    assert model.model.face_info_mining.training
    assert build_emo().train().model.qformer.training


def test_lora_reaches_the_language_model_alone(tmp_path):
    peft = pytest.importorskip("peft")
    own = list(EmoLlamaForConditionalGeneration.own_modules)
    settings = peft.LoraConfig(r=2, target_modules=LORA_TARGETS, modules_to_save=own)
    model = peft.get_peft_model(build_emo(), settings).train()
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert not any("vision_tower" in name or "qformer" in name for name in trained)
    assert all("lora" in name or "modules_to_save" in name for name in trained)
    for part in [*own, "language_model"]:
        assert any(part in name for name in trained)
    inputs = clips(build_emo())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.eval()  # dropout off, so that the losses can be compared
    losses = []
    for _ in range(8):
        loss = model(**inputs, labels=inputs["input_ids"]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    model.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(build_emo(), tmp_path).eval()
    assert torch.allclose(again(**inputs).logits, model(**inputs).logits, atol=1e-5)
    tree = PrefixTree.from_candidates([[[7], [8, 9]]])
    assert score_branches(model, tree, **inputs)[0].shape == (2, 2)


def test_wrong_inputs_are_refused(model):
    inputs = clips(model, frames=(2, 1))
    with pytest.raises(ValueError, match="tokens: 15, features: 20"):
        model(**{**inputs, "frame_mask": torch.ones(2, 2)})
    with pytest.raises(ValueError, match="no real frame"):
        model(**{**inputs, "frame_mask": torch.tensor([[1, 1], [0, 0]])})
    with pytest.raises(ValueError, match=r"frame_mask has shape \(2, 3\)"):
        model(**{**inputs, "frame_mask": torch.ones(2, 3)})
    with pytest.raises(ValueError, match="face_embedding has shape"):
        model(**{**inputs, "face_embedding": torch.zeros(2, 2, 9)})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content_pool": "grid:0"}, "content_pool"),
        ({"landmark_layout": "wflw"}, "landmark_layout"),
        ({"clue_heads": 3}, "clue_heads"),
        ({"prior_dropout": 1.0}, "prior_dropout"),
        ({"landmark_regions": {"lips": [68]}}, "landmark_regions"),
        (
            dict.fromkeys(("use_context", "use_content", "use_global", "use_local"), False),
            "no tokens",
        ),
    ],
)
def test_a_config_validates_itself(changes, words):
    with pytest.raises(ValueError, match=words):
        emo_config(**changes)
