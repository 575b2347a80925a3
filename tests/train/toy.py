"""A learner of a tiny FEALLM with drawn data; run as a module it is killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import Sampler
from transformers import TrainerCallback

from mien.train.fit_stage import Feed, fit_stage
from mien.train.recipe import LoraSpec, Stage
from mien.train.stages import prepare_stage

from .tiny import text_batch, tiny_feallm


class Visits(Sampler[int]):
    """All visits of an epoch in an order that the epoch decides."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self):
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        return iter((order + self.epoch * self.size).tolist())


class Items(torch.utils.data.Dataset):
    """Conversations about noise; each visit's noise is drawn from its number alone."""

    def __init__(self, model, size: int = 20) -> None:
        self.base = text_batch(model, count=size)
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, n: int):
        generator = torch.Generator().manual_seed(n)
        item = {key: value[n % self.size] for key, value in self.base.items()}
        noise = torch.randn(item["pixel_values"].shape, generator=generator)
        return {**item, "pixel_values": item["pixel_values"] + 0.1 * noise, "ids": f"row {n}"}


def collate(items):
    batch = {k: torch.stack([i[k] for i in items]) for k in items[0] if k != "ids"}
    return {**batch, "ids": [item["ids"] for item in items]}


class Learner(nn.Module):
    """The text loss, divided by what the step counts; batches of odd noise may be made NaN."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.nan_at: int | None = None
        self.calls = 0

    def forward(self, num_items_in_batch=None, **batch):
        out = self.model(**batch)
        learned = (batch["labels"][:, 1:] != -100).sum()
        total = learned if num_items_in_batch is None else num_items_in_batch[0]
        loss = out.loss * learned / total
        self.calls += self.training
        if self.training and self.calls == self.nan_at:
            loss = loss * torch.nan
        return {"loss": loss, "parts": {"text": loss.detach()}}


def stage(**fields) -> Stage:
    lora = LoraSpec(rank=2, alpha=4, dropout=0.2)
    default = {
        "name": "toy",
        "train": ("face", "lora"),
        "lora": lora,
        "max_steps": 11,
        "batch_size": 2,
        "accumulation": 2,
        "save_every": 3,
        "log_every": 1,
        "learning_rate": 1e-2,
        "precision": "float32",
    }
    return Stage(**{**default, **fields})


def learner(one: Stage | None = None) -> Learner:
    base = tiny_feallm()
    torch.manual_seed(1)
    return Learner(prepare_stage(base, one or stage()))


def feed(made: Learner, *, validation: bool = True) -> Feed:
    items = Items(made.model.get_base_model())
    checked = Items(made.model.get_base_model(), 4) if validation else None
    return Feed(items, Visits(len(items)), collate, checked)


class KillAt(TrainerCallback):
    """Sends this process a signal at the end of a step."""

    def __init__(self, step: int, number: int = signal.SIGKILL) -> None:
        self.step, self.number = step, number

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            os.kill(os.getpid(), self.number)


def run(out: Path, *callbacks: TrainerCallback, made: Learner | None = None, **fields) -> Learner:
    one = stage(**fields)
    made = made or learner(one)
    torch.set_num_threads(1)
    fit_stage(made, feed(made), one, out, seed=0, callbacks=callbacks)
    return made


if __name__ == "__main__":
    run(Path(sys.argv[1]), KillAt(int(sys.argv[2])))
