import csv

import pytest
import torch
from torch import nn
from transformers import TrainerCallback

from mien.train import fit, training_arguments


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, x, labels):
        logits = self.linear(x)[:, 0]
        return {"loss": (logits - labels).square().mean(), "logits": logits}


class Killed(TrainerCallback):
    """Ends the process's run as Ctrl-C would, after the first epoch's checkpoint."""

    def on_epoch_begin(self, args, state, control, **_):
        if state.epoch and state.epoch >= 1:
            raise KeyboardInterrupt


def rows(count=32):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, generator=generator)
    return [{"x": row, "labels": row.sum()} for row in x]


def collate(items):
    return {key: torch.stack([item[key] for item in items]) for key in items[0]}


def run(out, *callbacks):
    torch.manual_seed(0)
    model = Line()
    args = training_arguments(
        out,
        num_train_epochs=3,
        per_device_train_batch_size=8,
        learning_rate=0.05,
        use_cpu=True,
        logging_steps=1,
        seed=0,
        data_seed=0,
    )
    fit(
        model,
        args=args,
        train_dataset=rows(),
        eval_dataset=rows(8),
        collator=collate,
        callbacks=callbacks,
    )
    return model


def test_killed_and_resumed_run_ends_with_the_same_weights(tmp_path):
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", Killed())
    resumed = run(tmp_path / "cut")
    assert torch.equal(whole.linear.weight, resumed.linear.weight)
    assert torch.equal(whole.linear.bias, resumed.linear.bias)


def test_log_and_curves_are_on_disk(tmp_path):
    run(tmp_path)
    with (tmp_path / "log.csv").open() as file:
        log = list(csv.DictReader(file))
    losses = [float(row["value"]) for row in log if row["name"] == "loss"]
    assert len(losses) == 12
    assert losses[-1] < losses[0]
    assert any(row["name"] == "eval_loss" for row in log)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
