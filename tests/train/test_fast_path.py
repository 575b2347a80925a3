"""What saves memory or time changes nothing that is learned."""

import pytest
import torch

from .tiny import VOCABULARY, text_batch, tiny_emo_llama, tiny_feallm


def clip_batch(model, seed=0):
    """Two clips of two frames with their priors, all text supervised."""
    generator = torch.Generator().manual_seed(seed)
    config, clips, frames = model.config, 2, 2
    size = config.image_size

    def random(*shape):
        return torch.randn(clips, frames, *shape, generator=generator)

    words = torch.randint(7, len(VOCABULARY), (clips, 6), generator=generator)
    image = torch.full((clips, frames * config.num_image_tokens), config.image_token_id)
    ids = torch.cat((image, words), 1)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.cat((torch.full_like(image, -100), words), 1),
        "pixel_values": random(3, size, size),
        "frame_mask": torch.ones(clips, frames, dtype=torch.long),
        "qformer_input_ids": words,
        "qformer_attention_mask": torch.ones_like(words),
        "face_embedding": random(8),
        "landmarks": random(68, 2),
        "pose": 20 * random(3),
        "blendshapes": random(1).sigmoid(),
    }


FAMILIES = {"feallm": (tiny_feallm, text_batch), "emo_llama": (tiny_emo_llama, clip_batch)}


def learned(model, batch, **context):
    """Loss, gradients by name, and how often the first block of the language model was run."""
    runs = []
    block = model.model.language_model.layers[0].self_attn
    hook = block.register_forward_hook(lambda *_: runs.append(1))
    model.zero_grad()
    torch.manual_seed(3)  # of the dropout
    with torch.autocast("cpu", torch.bfloat16, enabled=context.get("bf16", False)):
        loss = model(**batch, use_cache=False).loss
    loss.backward()
    hook.remove()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return loss.item(), gradients, len(runs)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_gives_the_same_gradients(family):
    build, batch_of = FAMILIES[family]
    model = build().train()
    batch = batch_of(model)
    loss, gradients, once = learned(model, batch)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    again, same, twice = learned(model, batch)
    assert (once, twice) == (1, 2)  # it was computed again, not kept
    assert again == loss
    assert set(same) == set(gradients)
    assert any("multi_perspective" in n or "face_info" in n for n in gradients)
    for name, gradient in gradients.items():
        assert torch.equal(same[name], gradient), name


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_reaches_through_frozen_embeddings_and_adapters(family):
    peft = pytest.importorskip("peft")
    from mien.models.multimodal import LORA_TARGETS

    build, batch_of = FAMILIES[family]
    found = []
    for checkpointing in (False, True):
        base = build()
        batch = batch_of(base)
        torch.manual_seed(0)
        config = peft.LoraConfig(
            r=2,
            target_modules=LORA_TARGETS,
            modules_to_save=[n for n in base.own_modules if getattr(base.model, n, None)],
            init_lora_weights=False,
        )
        model = peft.get_peft_model(base, config).train()
        if checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})
        found.append(learned_by_adapters(model, batch))
    plain, checkpointed = found
    assert any("lora_A" in name for name in plain)
    assert any("modules_to_save" in name for name in plain)
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        assert torch.equal(checkpointed[name], gradient), name


def learned_by_adapters(model, batch):
    torch.manual_seed(3)
    model(**batch, use_cache=False).loss.backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_bf16_autocast_is_near_float32_with_gradients_in_float32(family):
    build, batch_of = FAMILIES[family]
    model = build().train()
    batch = batch_of(model)
    exact, gradients, _ = learned(model, batch)
    near, found, _ = learned(model, batch, bf16=True)
    assert near != exact  # bfloat16 was used
    assert near == pytest.approx(exact, rel=0.02)
    assert found.keys() == gradients.keys()
    assert all(g.dtype == torch.float32 for g in found.values())
    size = torch.stack([g.norm() for g in gradients.values()]).norm()
    apart = torch.stack([(found[n] - g).norm() for n, g in gradients.items()]).norm()
    assert apart < 0.1 * size
