import copy
import csv

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from mien.engines.local import question
from mien.models import EmoLlamaProcessor
from mien.train.fit_stage import Feed, fit_stage
from mien.train.grpo import Asked, GrpoObjective
from mien.train.grpo_spec import GrpoSpec
from mien.train.grpo_train import AskedCollator, GrpoTrainer, RepeatedBatches, asked_of
from mien.train.recipe import Stage
from mien.train.rewards import Reward, Truth
from mien.train.rollout import answer_log_probs, sample_answers
from mien.train.run import train

from .tiny import tiny_emo_llama, tiny_feallm, tiny_processor
from .toy_rows import toy_recipe, write_recipe

SHORT = GrpoSpec(group=4, max_new_tokens=4)


def crop(seed):
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def prompts(processor, count=2, texts=("what is the expression ?", "what face ?")):
    """Prompts of two lengths, so that one of them is padded."""
    truth = Truth("happiness", {12: True})
    return [
        (Asked(i, question(processor, texts[i % 2]), "expression", truth), crop(i))
        for i in range(count)
    ]


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


class OneWord(GrpoObjective):
    """Rewards the word "raised" at the start of the answer."""

    def rewards(self, asked, rollout):
        return [Reward(float(t.startswith("raised")), {}) for t in rollout.texts]


class Bandit(torch.utils.data.Dataset):
    def __init__(self, processor, count=8):
        self.items = prompts(processor, count)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Killed(TrainerCallback):
    """Ends a run as Ctrl-C would, behind the checkpoint of a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **_):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def bandit(out, steps, *callbacks, save_every=None, accumulation=1, **spec):
    torch.manual_seed(0)
    model = tiny_feallm().train()
    processor = tiny_processor(model)
    settings = GrpoSpec(group=8, max_new_tokens=1, **{"kl": 0.01, **spec})
    objective = OneWord(model, processor, settings, seed=3)
    stage = Stage(
        "bandit",
        ("language",),
        kind="grpo",
        grpo=settings,
        max_steps=steps,
        batch_size=4,
        accumulation=accumulation,
        learning_rate=1e-2,
        schedule="constant",
        precision="float32",
        save_every=save_every or steps,
        log_every=1,
    )
    items = Bandit(processor)
    fit_stage(
        objective,
        Feed(
            train=items,
            sampler=RepeatedBatches(
                len(items), block=4 * accumulation, times=settings.updates, seed=3
            ),
            collator=AskedCollator(processor),
        ),
        stage,
        out,
        seed=3,
        callbacks=callbacks,
        trainer_class=GrpoTrainer,
    )
    return model


def logged(out, name):
    with (out / "log.csv").open() as file:
        return [float(r["value"]) for r in csv.DictReader(file) if r["name"] == name]


def test_the_reward_of_a_bandit_rises(tmp_path):
    bandit(tmp_path, 24)
    rewards = logged(tmp_path, "reward")
    assert len(rewards) == 24
    assert np.mean(rewards[:4]) < 0.2
    assert np.mean(rewards[-4:]) > 0.9


@pytest.mark.parametrize(("updates", "accumulation"), [(1, 1), (2, 1), (2, 2)])
def test_a_run_that_goes_on_ends_as_one_that_was_never_stopped(tmp_path, updates, accumulation):
    settings = {"updates": updates, "accumulation": accumulation, "save_every": 4}
    whole = bandit(tmp_path / "whole", 6, **settings)
    with pytest.raises(KeyboardInterrupt):
        bandit(tmp_path / "cut", 6, Killed(4), **settings)
    rest = bandit(tmp_path / "cut", 6, **settings)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, rest.state_dict()[name]), name
    assert logged(tmp_path / "whole", "reward") == logged(tmp_path / "cut", "reward")


def test_every_block_comes_as_often_as_it_is_used():
    sampler = RepeatedBatches(7, block=2, times=2, seed=0)
    first = list(sampler)
    assert len(first) == len(sampler) == 12
    assert first[0:2] == first[2:4]
    assert first[4:6] == first[6:8]
    assert len(set(first)) == 6
    sampler.set_epoch(1)
    assert list(sampler) != first
    with pytest.raises(ValueError, match="3 prompts do not fill one step of 4"):
        RepeatedBatches(3, block=4, times=1, seed=0)


def test_rows_become_prompts():
    processor = tiny_processor(tiny_feallm())
    labels = {
        "expression": "happiness",
        "label_set": "basic7",
        "action_units": [
            {"au": 4, "present": False, "intensity": None},
            {"au": 12, "present": True, "intensity": 3.0},
        ],
    }
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what ?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Happiness"}]},
    ]
    row = {"task": "expression", "labels": labels, "messages": messages}
    asked = asked_of(row, 5, processor)
    assert asked.truth == Truth("happiness", {4: False, 12: True})
    assert (asked.index, asked.prompt) == (5, question(processor, "what ?"))
    assert asked_of({**row, "task": "caption"}, 0, processor) is None


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


def test_a_recipe_ends_with_grpo_behind_adapters(tmp_path):
    short = {
        "batch_size": 2,
        "log_every": 1,
        "precision": "float32",
        "max_steps": 2,
        "learning_rate": 1e-2,
    }
    adapters = {"train": ["lora"], "lora": {"rank": 2, "alpha": 4}, **short}
    write_recipe(
        tmp_path,
        stages=[
            {"name": "sft", **adapters},
            {"name": "rl", "kind": "grpo", "grpo": {"group": 2, "max_new_tokens": 3}, **adapters},
        ],
        metric="loss",
    )
    out = tmp_path / "out"
    train(toy_recipe(tmp_path), out=out)
    # the model of the first stage, its adapters folded in, is the reference
    assert logged(out / "rl", "kl")[0] == 0.0
    assert (out / "sft" / "merged" / "model.safetensors").is_file()
    assert (out / "model" / "adapter_model.safetensors").is_file()
