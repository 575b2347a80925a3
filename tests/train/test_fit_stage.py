import csv
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from mien.train.checkpoints import checkpoints, last_checkpoint
from mien.train.fields import RecipeError
from mien.train.fit_stage import fit_stage, steps_of
from mien.train.interrupts import Interrupted, TrainingError, out_of_memory
from mien.train.trainer import trained_state

from .toy import KillAt, feed, learner, run, stage

ROOT = Path(__file__).parents[2]


def same(one, other) -> bool:
    a, b = trained_state(one), trained_state(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def log_of(out) -> dict[int, float]:
    with (out / "log.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == "loss"]
    assert len(rows) == len({row["step"] for row in rows})
    return {int(row["step"]): float(row["value"]) for row in rows}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return run(out), out


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(whole, tmp_path):
    # 20 items in batches of 2 by 2 are 5 steps an epoch: 8 lies within the second.
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.toy", str(tmp_path), "8"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert last_checkpoint(tmp_path).name == "checkpoint-6"
    resumed = run(tmp_path)
    assert same(whole[0], resumed)
    assert log_of(whole[1]) == log_of(tmp_path)


def test_a_step_at_the_end_of_an_epoch_resumes_too(whole, tmp_path):
    with pytest.raises(Interrupted):
        run(tmp_path, KillAt(5, signal.SIGINT))
    assert last_checkpoint(tmp_path).name == "checkpoint-5"
    # A checkpoint more costs no random number, so the run is as one that was not stopped.
    assert same(whole[0], run(tmp_path))


def test_a_finished_stage_is_taken_as_it_is(whole):
    model, out = whole
    before = {p.name for p in checkpoints(out)}
    assert same(model, run(out))
    assert {p.name for p in checkpoints(out)} == before


def test_frozen_weights_are_in_no_checkpoint(whole):
    model, out = whole
    state = safetensors.torch.load_file(last_checkpoint(out) / "model.safetensors")
    assert not [name for name in state if "vision_tower" in name and "position_ids" not in name]
    assert any("lora_" in name for name in state)
    assert {n for n, p in model.named_parameters() if p.requires_grad} <= set(state)


def test_term_writes_a_checkpoint(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="step 2 of stage toy"):
        run(tmp_path, KillAt(2, signal.SIGTERM))
    assert last_checkpoint(tmp_path).name == "checkpoint-2"
    assert signal.getsignal(signal.SIGTERM) is before


def test_nan_ends_the_run_and_keeps_the_batch(tmp_path):
    made = learner()
    made.nan_at = 8  # batches of 2 by 2: the fourth step
    with pytest.raises(TrainingError, match=r"the loss is not finite at step 4; .*nan_batch.pt"):
        run(tmp_path, made=made)
    kept = torch.load(tmp_path / "nan_batch.pt", weights_only=False)
    assert kept["step"] == 4
    (rows,), (batch,) = kept["rows"], kept["batches"]
    assert rows[0].startswith("row ")
    assert batch["pixel_values"].shape == (2, 3, 32, 32)
    assert last_checkpoint(tmp_path).name == "checkpoint-3"


def copied(network):
    """Weights that later steps leave alone."""
    return {name: value.clone() for name, value in trained_state(network).items()}


@pytest.mark.parametrize("limit", [1.0, 0.0])
def test_a_gradient_that_is_nan_keeps_all_batches_of_its_step(tmp_path, limit):
    made = learner(stage(max_grad_norm=limit))
    calls = []

    def spoil(gradient):
        calls.append(1)
        return gradient * torch.nan if len(calls) == 5 else gradient  # first half of step 3

    next(p for p in made.parameters() if p.requires_grad).register_hook(spoil)
    with pytest.raises(TrainingError, match="gradient is not finite at step 3; the 2 batches of"):
        run(tmp_path, made=made, max_grad_norm=limit, save_every=10)
    kept = torch.load(tmp_path / "nan_batch.pt", weights_only=False)
    assert [len(rows) for rows in kept["rows"]] == [2, 2]
    assert len(kept["batches"]) == 2
    assert all(torch.isfinite(value).all() for value in trained_state(made).values())


def test_the_best_checkpoint_stays_and_is_taken(tmp_path, monkeypatch):
    from mien.train.trainer import StageTrainer

    losses = iter((3.0, 1.0, 2.0, 2.5))

    def evaluate(self, *args, **kwargs):
        found = {"eval_loss": next(losses)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    monkeypatch.setattr("transformers.Trainer.evaluate", evaluate)
    weights = {}
    saved = StageTrainer._save_checkpoint

    def keep(self, model, trial):
        saved(self, model, trial)
        weights[self.state.global_step] = copied(self.model)

    monkeypatch.setattr(StageTrainer, "_save_checkpoint", keep)
    made = run(tmp_path)
    assert [p.name for p in checkpoints(tmp_path)] == ["checkpoint-6", "checkpoint-11"]
    end = trained_state(made)
    assert all(torch.equal(end[n], weights[6][n]) for n in end)
    assert not all(torch.equal(end[n], weights[11][n]) for n in end)


def test_speed_is_reported(tmp_path):
    one = stage(max_steps=4)
    made = learner(one)
    figures = fit_stage(made, feed(made, validation=False), one, tmp_path, seed=0).speed
    assert figures["steps"] == 2  # the first two are a warm-up
    assert figures["samples_per_second"] == pytest.approx(2 * 4 / figures["seconds"])
    tokens = feed(made).train.base["attention_mask"][0].sum()
    assert figures["tokens_per_second"] == pytest.approx(2 * 4 * tokens / figures["seconds"])
    assert 0 < figures["device_busy_share"] < 1
    assert figures["peak_memory_bytes"] > 1e7


def test_a_short_run_leaves_its_loss_and_its_speed(tmp_path):
    one = stage(max_steps=2, log_every=10)
    made = learner(one)
    figures = fit_stage(made, feed(made, validation=False), one, tmp_path, seed=0).speed
    assert figures["steps"] == 2
    assert figures["samples_per_second"] == pytest.approx(2 * 4 / figures["seconds"])
    assert list(log_of(tmp_path)) == [1]


def test_too_little_data_is_named(tmp_path):
    one = stage(batch_size=32)
    with pytest.raises(RecipeError, match="20 rows or faces, fewer than one batch of 32"):
        fit_stage(learner(one), feed(learner(one)), one, tmp_path, seed=0)


def test_two_rates(tmp_path):
    one = stage(max_steps=1, face_learning_rate=1e-9, schedule="constant", warmup=0)
    made = learner(one)
    before = copied(made)
    run(tmp_path, made=made, **{"max_steps": 1, "face_learning_rate": 1e-9, "warmup": 0})
    after = trained_state(made)
    moved = {n: float((after[n] - before[n]).abs().max()) for n in after}
    assert max(v for n, v in moved.items() if "lora_B" in n) > 1e-3
    assert max(v for n, v in moved.items() if "lora_" not in n) < 1e-7


def test_out_of_memory_says_what_to_change():
    error = out_of_memory(torch.OutOfMemoryError("CUDA out of memory"), 16, 2)
    assert "batch_size: 8 with accumulation: 4" in str(error)
    assert out_of_memory(RuntimeError("a shape is wrong"), 16, 2) is None


def test_steps_by_hand():
    assert steps_of(100, stage(max_steps=None, epochs=2)) == (50, 2)  # 50 batches, 25 steps
    assert steps_of(100, stage(max_steps=None, epochs=0.5)) == (13, 0.5)
    assert steps_of(100, stage(max_steps=50)) == (50, 2.0)
    assert steps_of(100, stage(max_steps=None, epochs=1), processes=5) == (5, 1)
