import copy

import pytest
import torch

from mien.models import EmoLlamaProcessor
from mien.train.grpo import GrpoObjective
from mien.train.grpo_spec import GrpoSpec
from mien.train.grpo_train import (
    AskedCollator,
)
from mien.train.recipe import Stage
from mien.train.rollout import answer_log_probs, sample_answers

from .tiny import tiny_emo_llama, tiny_feallm, tiny_processor
from .toy_grpo import prompts

SHORT = GrpoSpec(group=4, max_new_tokens=4)


def made(spec=SHORT, seed=0, **changes):
    model = tiny_feallm(seed=seed, **changes)
    model.train()
    processor = tiny_processor(model)
    objective = GrpoObjective(model, processor, spec, seed=seed)
    return objective, AskedCollator(processor)(prompts(processor))


def test_the_policy_at_the_start_is_its_own_reference():
    objective, batch = made()
    result = objective(**batch)
    assert result["figures"]["kl"] == 0.0
    assert result["figures"]["clipped"] == 0.0
    kept = objective._draw(batch["asked"], batch["pixel_values"], {})
    features = objective.model.encode_images(batch["pixel_values"])
    log_probs = answer_log_probs(objective.model, kept.rollout, features, temperature=1.0)
    mask = kept.rollout.answer_mask.bool()
    assert torch.equal(log_probs[mask], kept.reference[mask])


def test_log_probs_of_a_padded_batch_are_those_of_each_answer_alone():
    objective, batch = made()
    model, processor = objective.model.eval(), objective.processor
    features = model.encode_images(batch["pixel_values"]).detach()
    asked = [item.prompt for item in batch["asked"]]
    rollout = sample_answers(
        model,
        processor.tokenizer,
        features,
        asked,
        group=2,
        temperature=0.7,
        max_new_tokens=5,
        seed=1,
    )
    together = answer_log_probs(model, rollout, features, temperature=0.7)
    for row in range(4):
        prompt = rollout.prompt_ids[row][rollout.prompt_mask[row].bool()]
        answer = rollout.answer_ids[row][rollout.answer_mask[row].bool()]
        logits = model(
            input_ids=torch.cat((prompt, answer))[None], image_features=features[row // 2][None]
        ).logits[0, len(prompt) - 1 : -1]
        alone = (logits / 0.7).log_softmax(-1).gather(1, answer[:, None])[:, 0]
        assert torch.allclose(together[row, : len(answer)], alone, atol=1e-5)


def test_answers_end_at_their_end_and_hold_no_picture():
    objective, batch = made()
    model, tokenizer = objective.model.eval(), objective.processor.tokenizer
    with torch.no_grad():  # an end in most answers, and pictures wanted all the time
        model.lm_head.weight[3] = 0
        model.lm_head.weight[model.config.image_token_id] = 0
        model.lm_head.weight.mul_(0.01)
    rollout = sample_answers(
        model,
        tokenizer,
        model.encode_images(batch["pixel_values"]),
        [item.prompt for item in batch["asked"]],
        group=16,
        temperature=1.0,
        max_new_tokens=12,
        seed=0,
    )
    assert 0 < sum(rollout.finished) < len(rollout.finished)
    assert model.config.image_token_id not in rollout.answer_ids
    for ids, mask, ended in zip(
        rollout.answer_ids, rollout.answer_mask, rollout.finished, strict=True
    ):
        kept = ids[: int(mask.sum())]
        assert ended == (int(kept[-1]) == 3)
        assert 3 not in kept[:-1]
        assert (ids[int(mask.sum()) :] == tokenizer.pad_token_id).all()


def test_draws_depend_on_seed_and_count_alone():
    texts = []
    for seed, disturbed in ((0, False), (0, True), (1, False)):
        objective, batch = made(seed=0)
        objective.seed = seed
        torch.manual_seed(17 if disturbed else 3)
        first = torch.get_rng_state()
        rounds = [
            objective._draw(batch["asked"], batch["pixel_values"], {}).rollout.texts
            for _ in range(2)
        ]
        assert torch.equal(first, torch.get_rng_state())
        texts.append(rounds)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][0] != texts[0][1]


def test_the_same_answers_serve_all_updates():
    objective, batch = made(GrpoSpec(group=4, max_new_tokens=4, updates=2))
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.5)
    seen = []
    for _ in range(4):
        optimizer.zero_grad()
        result = objective(**batch)
        result["loss"].backward()
        optimizer.step()
        seen.append((int(objective.drawn), result["figures"]["clipped"]))
    assert [drawn for drawn, _ in seen] == [1, 1, 2, 2]
    assert seen[0][1] == seen[2][1] == 0.0
    assert not objective._kept


def test_dropout_is_off_and_the_reference_is_neither_saved_nor_trained():
    objective, batch = made()
    assert objective.model.config.text_config.attention_dropout > 0  # or nothing is tested
    torch.manual_seed(0)
    losses = []
    for _ in range(2):
        objective.drawn.zero_()
        losses.append(objective(**batch)["loss"].item())
    assert losses[0] == losses[1]
    (reference,) = objective._reference
    before = copy.deepcopy(reference.state_dict())
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.5)
    objective(**batch)["loss"].backward()
    optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in reference.state_dict().items())
    assert set(objective.state_dict()) <= {"drawn"} | {
        f"model.{name}" for name in objective.model.state_dict()
    }
    assert objective(**batch)["figures"]["kl"] > 0


def test_adapters_off_is_the_reference():
    peft = pytest.importorskip("peft")
    model = tiny_feallm()
    processor = tiny_processor(model)
    wrapped = peft.get_peft_model(
        model, peft.LoraConfig(target_modules=r".*language_model.*(q|v)_proj", r=2)
    )
    objective = GrpoObjective(wrapped, processor, SHORT)
    assert not objective._reference
    batch = AskedCollator(processor)(prompts(processor))
    result = objective(**batch)
    assert result["figures"]["kl"] == 0.0
    result["loss"].backward()
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.add_(1.0)
    assert objective(**batch)["figures"]["kl"] > 0


def test_emo_llama_has_its_inputs():
    model = tiny_emo_llama()
    plain = tiny_processor(tiny_feallm())
    processor = EmoLlamaProcessor(
        plain.image_processor,
        plain.tokenizer,
        qformer_tokenizer=plain.tokenizer,
        num_image_tokens=model.config.num_image_tokens,
        face_embedding_size=8,
        landmark_layout="ibug68",
        landmark_dim=2,
        blendshapes=["jawOpen"],
    )
    objective = GrpoObjective(model, processor, SHORT)
    result = objective(**AskedCollator(processor)(prompts(processor)))
    result["loss"].backward()
    assert result["figures"]["kl"] == 0.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": 1}, "grpo.group is 1; give 2 or more"),
        ({"clip": 1.0}, "grpo.clip is 1.0; give a number between 0 and 1"),
        ({"kl": -1}, "grpo.kl is -1; give 0 or more"),
        ({"updates": 0}, "grpo.updates is 0; give 1 or more"),
    ],
)
def test_settings_are_checked(fields, message):
    with pytest.raises(ValueError, match=message):
        GrpoSpec(**fields)


def test_a_stage_says_what_it_rewards():
    with pytest.raises(ValueError, match='grpo is given, but kind is "sft"'):
        Stage("a", ("lora",), epochs=1, grpo=GrpoSpec())
    with pytest.raises(ValueError, match=r"save_every is 3, no multiple of grpo\.updates, 2"):
        Stage("a", ("lora",), kind="grpo", epochs=1, save_every=3, grpo=GrpoSpec(updates=2))
