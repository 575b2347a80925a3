"""GRPO on a bandit: a tiny FEALLM that is to say one word."""

from __future__ import annotations

import csv
import os
import signal

import numpy as np
import torch
from transformers import TrainerCallback

from mien.engines.local import question
from mien.train.fit_stage import Feed, fit_stage
from mien.train.grpo import Asked, GrpoObjective
from mien.train.grpo_spec import GrpoSpec
from mien.train.grpo_train import (
    AskedCollator,
    GrpoTrainer,
    RepeatedBatches,
)
from mien.train.recipe import Stage
from mien.train.rewards import Reward, Truth

from .tiny import tiny_feallm, tiny_processor


def crop(seed):
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def prompts(processor, count=2, texts=("what is the expression ?", "what face ?")):
    """Prompts of two lengths, so that one of them is padded."""
    truth = Truth("happiness", {12: True})
    return [
        (Asked(i, question(processor, texts[i % 2]), "expression", truth), crop(i))
        for i in range(count)
    ]


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


class Stopped(TrainerCallback):
    """Sends this process Ctrl-C within a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **_):
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGINT)


class Faceless(Bandit):
    """Some pictures show no face."""

    def __getitem__(self, index):
        return None if index % 4 else self.items[index]


def bandit(out, steps, *callbacks, save_every=None, accumulation=1, faceless=False, **spec):
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
        batch_size=4 if not faceless else 1,
        accumulation=accumulation,
        learning_rate=1e-2,
        schedule="constant",
        precision="float32",
        save_every=save_every or steps,
        log_every=1,
    )
    items = Faceless(processor) if faceless else Bandit(processor)
    fit_stage(
        objective,
        Feed(
            train=items,
            sampler=RepeatedBatches(
                len(items), block=stage.batch_size * accumulation, times=settings.updates, seed=3
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
