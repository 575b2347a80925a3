"""From rows to losses: equal to losses by hand, singly and in batches, under PEFT, with clips."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien.models import EmoLlamaProcessor, FeallmImageProcessor
from mien.models.branches import score_branches
from mien.models.priors import LAYOUTS, FacePriors
from mien.train.collate import Collator
from mien.train.items import Item
from mien.train.objective import Objective
from mien.train.rows import RowsError

from .made_rows import made_items, picture
from .tiny import tiny_emo_llama, tiny_feallm, tiny_processor, tiny_tokenizer


def weights(**changes):
    spec = {"text": 1.0, "numbers": 1.0, "teacher": 0.0, "label_smoothing": 0.0}
    return SimpleNamespace(**{**spec, **changes})


def emo_processor(model):
    return EmoLlamaProcessor.for_model(
        model.config,
        FeallmImageProcessor(size=model.config.image_size, native_size=24),
        tiny_tokenizer(),
    )


def still(model):
    """Without dropout, in training mode."""
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0
    return model


def item(number, words="what is the face ?", frames=1, **changes):
    fields = {
        "n": number,
        "name": f"rows, row 'face{number}'",
        "frames": [picture(10 * number + k, 24) for k in range(frames)],
        "turns": [(words, "Happiness . raised lips")],
        "given": 0,
        "expression": np.eye(3, dtype=np.float32)[number % 3],
        "units": np.array([(0.0, 2.25, np.nan, 5.0)[number % 4]], np.float32),
    }
    return Item(**{**fields, **changes})


def soft(number):
    p = np.array([0.2, 0.5, 0.3], np.float32)
    return p, np.array([0.1 + 0.2 * (number % 4)], np.float32)


def losses_by_hand(objective, batch):
    """The parts of the loss as they were written before there was an `Objective`."""
    model = objective.base
    features = model.encode_images(batch["pixel_values"])
    prefix = objective.prefix.expand(len(features), -1)
    expression, unit = score_branches(
        model, objective.tree, input_ids=prefix, image_features=features
    )
    labels, rate = batch["expression_targets"], objective.loss.label_smoothing
    labels = (1 - rate) * labels + rate * labels.sum(-1, keepdim=True) / 3
    loss = -(labels * objective.class_weights * F.log_softmax(expression, -1)).sum(-1).mean()
    taught = batch["soft_expression"].log()
    loss = loss + F.kl_div(
        F.log_softmax(expression, -1), taught, reduction="batchmean", log_target=True
    )
    scores = unit[:, None]  # (B, 1, 6)
    units = batch["unit_targets"]
    steps = torch.arange(6.0)
    targets = (1 - (units[..., None] - steps).abs()).clamp(min=0) + 0 * units[..., None]
    known = torch.isfinite(targets[..., 0])
    targets = targets.nan_to_num(0.0)
    weight = 1 + (objective.unit_weights - 1) * (1 - targets[..., 0])
    unit_loss = -(targets * F.log_softmax(scores, -1)).sum(-1) * weight
    loss = loss + (unit_loss * known).sum() / known.sum().clamp(min=1)
    p = scores.float().softmax(-1)
    shown = (1 - p[..., 0] - 0.5 * p[..., 1]).clamp(1e-5, 1 - 1e-5)
    presence = batch["soft_presence"]
    loss = loss - (presence * shown.log() + (1 - presence) * (1 - shown).log()).mean()
    text = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        image_features=features[: len(batch["input_ids"])],
        labels=batch["labels"],
    )
    return loss + text.loss


def test_losses_of_a_batch_are_those_by_hand():
    model = still(tiny_feallm())
    objective = Objective(
        model,
        tiny_processor(model),
        weights(teacher=1.0, label_smoothing=0.1),
        class_weights=torch.tensor([0.5, 1.0, 2.0]),
        unit_weights=torch.tensor([3.0]),
    ).train()
    batch = Collator(tiny_processor(model), model.config, text_share=0.5)(
        [item(n, soft=soft(n)) for n in range(8)]
    )
    assert len(batch["input_ids"]) == 4
    batch["expression_targets"][5] = 0  # a face whose expression is unknown
    wanted = losses_by_hand(objective, batch)
    found = objective(**batch)["loss"]
    assert torch.allclose(found, wanted, rtol=1e-6)
    for loss in (wanted, found):
        model.zero_grad()
        loss.backward()
        grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        if loss is wanted:
            before = grads
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, grads, strict=True))


def test_unlabelled_and_ungraded_units_and_a_silent_teacher():
    model = still(tiny_feallm())
    objective = Objective(model, tiny_processor(model), weights(text=0.0, teacher=1.0)).eval()
    collate = Collator(tiny_processor(model), model.config)
    nothing = {"expression": np.zeros(3, np.float32), "units": np.array([np.nan], np.float32)}
    silent = (np.full(3, np.nan, np.float32), np.array([np.nan], np.float32))
    out = objective(**collate([item(0, soft=silent, **nothing)]))
    assert out["loss"] == 0
    there = item(0, soft=silent, expression=nothing["expression"])
    there.units = np.array([np.inf], np.float32)
    out = objective(**collate([there]))
    p = out["logits"][1].softmax(-1)[0, 0]
    assert torch.allclose(out["loss"], -(1 - p[0]).log(), rtol=1e-5)


def test_a_batch_without_any_target_moves_nothing():
    model = still(tiny_feallm())
    objective = Objective(model, tiny_processor(model), weights(numbers=0.0)).train()
    collate = Collator(tiny_processor(model), model.config, text_share=0.5, max_length=5,
                       too_long="drop")  # fmt: skip
    loss = objective(**collate([item(n) for n in range(4)]))["loss"]
    assert loss == 0
    loss.backward()
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", ["pictures", "clips"])
def test_a_batch_is_its_faces_one_by_one(kind):
    model = still(tiny_feallm() if kind == "pictures" else tiny_emo_llama())
    processor = tiny_processor(model) if kind == "pictures" else emo_processor(model)
    objective = Objective(model, processor, weights()).eval()
    frames = (1, 1, 1) if kind == "pictures" else (3, 1, 2)
    words = ("what is the face ?", "lips ?", "what expression ? what ?")
    items = [item(n, words[n], frames[n]) for n in range(3)]
    items[1].turns = [(words[1], "Sadness . raised lips . raised lips face")]
    collate = Collator(processor, model.config)
    many = objective(**collate(items))
    ones = [objective(**collate([one])) for one in items]
    for k in (0, 1):
        alone = torch.cat([one["logits"][k] for one in ones])
        assert torch.allclose(many["logits"][k], alone, atol=1e-4)
    counts = torch.tensor([(collate([i])["labels"] != -100).sum().item() for i in items])
    texts = torch.stack([one["parts"]["text"] for one in ones])
    assert torch.allclose(many["parts"]["text"], (texts * counts).sum() / counts.sum(), rtol=1e-5)
    lengths = [len(collate([i])["input_ids"][0]) for i in items]
    assert many["parts"]["padding"] == pytest.approx(1 - sum(lengths) / (3 * max(lengths)))


def test_clips_with_priors_are_what_the_processor_makes_of_them():
    model = tiny_emo_llama()
    processor = emo_processor(model)
    rng = np.random.default_rng(0)
    known = [
        FacePriors(
            rng.normal(size=8).astype(np.float32),
            rng.normal(100, 20, (LAYOUTS["ibug68"].count, 2)).astype(np.float32),
            "ibug68",
        )
        for _ in range(3)
    ]
    clips = [item(0, frames=2, priors=known[:2]), item(1, "lips ?", priors=known[2:])]
    batch = Collator(processor, model.config)(clips)
    talks = [
        [
            {
                "role": "user",
                "content": [
                    {"type": "video", "video": one.frames, "priors": one.priors},
                    {"type": "text", "text": one.turns[0][0]},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": one.turns[0][1]}]},
        ]
        for one in clips
    ]
    wanted = processor.apply_chat_template(
        talks,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
        processor_kwargs={"padding": True, "padding_side": "right"},
    )
    learned = wanted.pop("assistant_masks").bool()
    for name, values in wanted.items():
        assert torch.equal(batch[name].nan_to_num(7.0), values.nan_to_num(7.0)), name
    assert torch.equal(batch["labels"] != -100, learned)


def test_adapters_train_and_what_lies_beneath_does_not():
    peft = pytest.importorskip("peft")
    model = tiny_feallm()
    processor = tiny_processor(model)
    settings = peft.LoraConfig(
        r=2,
        target_modules=r".*language_model.*\.(q_proj|v_proj)",
        modules_to_save=list(model.own_modules),
    )
    wrapped = peft.get_peft_model(model, settings)
    objective = Objective(wrapped, processor, weights()).train()
    objective(**Collator(processor, model.config)([item(0), item(1)]))["loss"].backward()
    learned = {n for n, p in objective.named_parameters() if p.grad is not None and p.grad.any()}
    assert any("lora_B" in name for name in learned)
    assert any("multi_perspective_projector" in name for name in learned)
    assert all("lora_" in name or "modules_to_save" in name for name in learned)


def test_text_alone_looks_at_no_other_face_and_numbers_alone_need_no_text(tmp_path):
    model = tiny_feallm()
    processor = tiny_processor(model)
    items = made_items(tmp_path, model.config)
    batch = Collator(processor, model.config, text_share=0.5)([items[0], items[1]])
    out = Objective(model, processor, weights(numbers=0.0)).train()(**batch)
    assert set(out["parts"]) == {"text", "padding"}
    assert "logits" not in out
    batch = Collator(processor, model.config, text_share=0.0)([items[0], items[1]])
    out = Objective(model, processor, weights(text=0.0)).train()(**batch)
    assert set(out["parts"]) == {"expression", "units"}
    assert out["logits"][1].shape == (2, 1, 6)


def test_a_processor_of_another_model_and_a_model_without_numbers_are_refused():
    model = tiny_feallm()
    processor = tiny_processor(model)
    processor.num_image_tokens += 1
    with pytest.raises(
        RowsError, match=r"writes 18 placeholders for a picture, the model reads 17"
    ):
        Objective(model, processor, weights())
    other = tiny_feallm(image_token_id=9)
    with pytest.raises(RowsError, match="the tokenizer is not the model's"):
        Collator(tiny_processor(other), other.config)
    bare = tiny_feallm(action_units=[])
    with pytest.raises(ValueError, match="no `action_units`"):
        Objective(bare, tiny_processor(bare), weights())
