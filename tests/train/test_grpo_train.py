"""How GRPO is trained: prompts of rows, their order, stops, and going on."""

import numpy as np
import pytest
import torch

from mien.engines.local import question
from mien.train.empty_batches import LEFT_OUT
from mien.train.grpo_train import (
    AskedCollator,
    AskedRows,
    RepeatedBatches,
    asked_of,
)
from mien.train.interrupts import Interrupted
from mien.train.rewards import Truth
from mien.train.rows import InstructionRows
from mien.train.run import train

from .tiny import tiny_feallm, tiny_processor
from .toy_grpo import Killed, Stopped, bandit, logged, prompts
from .toy_rows import toy_recipe, write_recipe, write_rows


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


def test_ctrl_c_stops_when_the_drawn_answers_have_served(tmp_path):
    whole = bandit(tmp_path / "whole", 6, updates=2, save_every=6)
    with pytest.raises(Interrupted, match="stopped at step 2"):
        bandit(tmp_path / "cut", 6, Stopped(1), updates=2, save_every=6)
    rest = bandit(tmp_path / "cut", 6, updates=2, save_every=6)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, rest.state_dict()[name]), name


def test_a_prompt_without_a_face_is_left_out(tmp_path):
    settings = {"faceless": True, "accumulation": 2, "updates": 2}
    whole = bandit(tmp_path / "whole", 8, save_every=4, **settings)
    assert len(logged(tmp_path / "whole", "loss")) == 8
    assert 0 < len(logged(tmp_path / "whole", "reward")) < 8  # some steps have no prompt at all
    with pytest.raises(KeyboardInterrupt):
        bandit(tmp_path / "cut", 8, Killed(4), save_every=4, **settings)
    rest = bandit(tmp_path / "cut", 8, save_every=4, **settings)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, rest.state_dict()[name]), name


def test_rows_without_a_face_are_none_and_a_batch_goes_on_with_the_rest(tmp_path, caplog):
    rows = InstructionRows(write_rows(tmp_path, 3), root=tmp_path / "pictures")
    processor = tiny_processor(tiny_feallm())
    items = AskedRows([rows], processor, lambda image: None)
    assert items[0] is None
    assert "row 'toy/0/analysis': no face is found; left out" in caplog.text
    collate = AskedCollator(processor)
    assert len(collate([None, *prompts(processor)])["asked"]) == 2
    assert "no face is found in a whole batch" in collate([None, None])[LEFT_OUT]


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
