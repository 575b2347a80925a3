import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, CLIPVisionConfig

from mien.models import FeallmConfig, FeallmForConditionalGeneration
from mien.models.multimodal import LORA_TARGETS
from mien.partfile import SinkError
from mien.train.fields import RecipeError
from mien.train.recipe import LoraSpec, Stage
from mien.train.stages import (
    base_of,
    count_parts,
    merged,
    part_of,
    prepare_stage,
    same_adapters,
    save_stage,
)

from .tiny import SHARED, VIT, text_batch, tiny_emo_llama, tiny_feallm, tiny_processor

BUILDERS = {
    "feallm": tiny_feallm,
    "feallm-qwen": lambda: tiny_feallm("qwen"),
    "emo-llama": tiny_emo_llama,
}


def stage(*train, **fields) -> Stage:
    lora = LoraSpec(rank=2, alpha=4, dropout=0.0) if "lora" in train else None
    return Stage(name="one", train=train, max_steps=1, lora=lora, **fields)


def steps(model, base, count: int = 3) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for number in range(count):
        model.train()
        model(**text_batch(base, seed=number)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("kind", BUILDERS)
def test_lora_touches_the_language_model_alone(kind):
    model = BUILDERS[kind]()
    hit = [n for n, _ in model.named_modules() if re.fullmatch(LORA_TARGETS, n)]
    assert len(hit) == 2 * 4  # two layers, four projections
    assert all(n.startswith("model.language_model.") for n in hit)
    made = prepare_stage(model, stage("lora"))
    adapters = [n for n, _ in made.named_parameters() if "lora_" in n]
    assert len(adapters) == 2 * 4 * 2
    assert not [n for n in adapters if "vision_tower" in n or "qformer" in n]


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("train", [("face",), ("lora",), ("face", "lora"), ("language",)])
def test_what_is_frozen_stays_bit_identical_and_the_rest_moves(kind, train):
    base = BUILDERS[kind]()
    model = prepare_stage(base, stage(*train))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    steps(model, base)
    moved = {n for n, p in model.named_parameters() if not torch.equal(before[n], p)}
    free = {n for n, p in model.named_parameters() if p.requires_grad}
    assert moved <= free
    assert {part_of(n) for n in moved} == set(train)
    assert not [n for n in free if "vision_tower" in n]


def test_qformer_trains_on_request_alone():
    base = tiny_emo_llama()
    prepare_stage(base, stage("face"))
    base.train()
    assert not any(p.requires_grad for p in base.model.qformer.parameters())
    base = tiny_emo_llama()
    model = prepare_stage(base, stage("qformer", "lora"))
    model.train()
    counts = count_parts(model)
    assert counts["qformer"].trained > 0
    assert counts["qformer"].frozen == 0
    assert counts["face"].trained == 0
    with pytest.raises(RecipeError, match="feallm model has none; leave it out"):
        prepare_stage(tiny_feallm(), stage("qformer"))


def test_counts_by_hand():
    base = tiny_feallm()
    vision = sum(p.numel() for p in base.model.vision_tower.parameters())
    model = prepare_stage(base, stage("lora"))
    counts = count_parts(model)
    # q 32->32, k and v 32->16, o 32->32 at rank 2, two layers.
    by_hand = 2 * 2 * ((32 + 32) + 2 * (32 + 16) + (32 + 32))
    assert counts["lora"].trained == by_hand
    assert counts["vision"].frozen == vision
    assert counts["vision"].trained == counts["language"].trained == 0


def test_untouched_copies_do_not_count_twice():
    face = count_parts(tiny_feallm())["face"].trained
    model = prepare_stage(tiny_feallm(), stage("face", "lora"))
    assert count_parts(model)["face"].trained == face
    assert count_parts(model)["face"].frozen == 0


def test_trained_weights_are_float32_beside_bf16():
    base = tiny_feallm().to(torch.bfloat16)
    model = prepare_stage(base, stage("face", "lora"))
    kinds = {(p.requires_grad, p.dtype) for p in model.parameters()}
    assert (True, torch.float32) in kinds
    assert (True, torch.bfloat16) not in kinds
    assert base.model.vision_tower.dtype == torch.bfloat16


@pytest.mark.parametrize("kind", ["feallm", "emo-llama"])
def test_adapters_are_saved_and_fold_in(kind, tmp_path):
    base = BUILDERS[kind]()
    model = prepare_stage(base, stage("face", "lora"))
    steps(model, base)
    model.eval()
    batch = text_batch(base, seed=9)
    with torch.no_grad():
        expected = model(**batch).logits
    folder = tmp_path / "model"
    save_stage(model, tiny_processor(tiny_feallm()), folder, base="base")
    assert (folder / "adapter_model.safetensors").exists()
    card = (folder / "README.md").read_text()
    assert "This folder holds adapters" in card
    assert "| start model | base |" in card
    again = merged(BUILDERS[kind](), folder).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(**batch).logits, expected)
    more = prepare_stage(BUILDERS[kind](), stage("face", "lora"), adapter=folder).eval()
    with torch.no_grad():
        torch.testing.assert_close(more(**batch).logits, expected)
    assert count_parts(more) == count_parts(model)
    assert base_of(more).config.model_type == base.config.model_type


@pytest.mark.parametrize("parts", [("face",), ("face", "lora")])
def test_a_full_disk_says_what_is_missing_and_leaves_nothing(tmp_path, monkeypatch, parts):
    model = prepare_stage(tiny_feallm(), stage(*parts))

    def full(part, **_):
        (Path(part) / "model.safetensors").write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(model, "save_pretrained", full)
    monkeypatch.setattr("mien.train.folders.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(SinkError, match=r"disk is full; at least 0\.\d MB more are needed; free"):
        save_stage(model, tiny_processor(tiny_feallm()), tmp_path / "model", base="base")
    assert not list(tmp_path.iterdir())


def with_decoder(kind, **changes):
    """A FEALLM of tiny CLIP and another decoder."""
    text = AutoConfig.for_model(kind, vocab_size=40, **changes)
    small = {"conv_channels": [4, 8], "crop_size": 16, "lca_num_heads": 2, "mpp_num_heads": 2}
    config = FeallmConfig(
        vision_config=CLIPVisionConfig(**VIT), text_config=text, **small, **SHARED
    )
    config.tie_word_embeddings = False
    return FeallmForConditionalGeneration(config)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("phi3", {"qkv_proj", "o_proj"}),
        ("phi", {"q_proj", "k_proj", "v_proj", "dense"}),
        ("gpt_neox", {"query_key_value", "dense"}),
    ],
)
def test_the_whole_attention_is_adapted_whatever_its_layers_are_called(kind, names):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = prepare_stage(with_decoder(kind, **sizes, pad_token_id=0), stage("lora"))
    hit = [name.split(".") for name, _ in model.named_parameters() if "lora_A" in name]
    assert {name[-4] if name[-2] == "default" else name[-3] for name in hit} == names
    assert len(hit) == 2 * len(names)
    assert all("language_model" in name for name in hit)


def test_a_decoder_that_cannot_be_adapted_is_refused():
    model = with_decoder("gpt2", n_embd=32, n_layer=2, n_head=2)
    with pytest.raises(RecipeError, match=r"attention of this decoder \(gpt2\) has no linear"):
        prepare_stage(model, stage("lora"))


def test_adapters_go_on_only_where_they_are_alike():
    first, second = stage("face", "lora"), stage("lora", "face")
    assert same_adapters(first, second)
    assert not same_adapters(stage("lora"), second)
    assert not same_adapters(stage("face"), stage("face"))
