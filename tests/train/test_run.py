import csv
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mien.train import fit_stage as fit_module
from mien.train import run as run_module
from mien.train.fields import RecipeError
from mien.train.interrupts import Interrupted
from mien.train.run import prepare, train
from mien.train.start_model import load_start

from .toy_rows import toy_recipe, write_recipe, write_rows

ROOT = Path(__file__).parents[2]
SMALL = '"batch_size": 2, "precision": "float32"'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    write_recipe(folder)
    torch.set_num_threads(1)
    return folder


@pytest.fixture(scope="module")
def whole(place):
    return train(toy_recipe(place), out=place / "whole")


def same(one: Path, other: Path) -> bool:
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def test_what_a_run_leaves(place, whole, caplog):
    out = place / "whole"
    assert whole == out / "model"
    adapter = json.loads((whole / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == str((out / "align" / "model").resolve())
    assert (whole / "tokenizer.json").exists()
    model, processor = load_start(str(out / "align" / "model"))
    assert processor.num_image_tokens == model.config.num_image_tokens
    start = load_file(place / "start" / "model.safetensors")
    first = load_file(out / "align" / "model" / "model.safetensors")
    moved = {n for n in start if not torch.equal(start[n], first[n])}
    assert moved
    assert not [n for n in moved if "language_model" in n or "vision_tower" in n or "lm_head" in n]
    speed = json.loads((out / "speed.json").read_text())
    assert set(speed) == {"align", "lora"}
    assert speed["lora"]["samples_per_second"] > 0
    log = (out / "lora" / "log.csv").read_text()
    for name in ("loss_text", "loss_units", "eval_war", "eval_au_f1", "learning_rate"):
        assert name in log
    with caplog.at_level(logging.INFO):
        assert train(toy_recipe(place), out=out) == whole
    assert "stage lora is done" in caplog.text


@pytest.mark.parametrize("text", ["{", "{}", "[]", None])
def test_a_broken_adapter_config_is_one_error(place, whole, tmp_path, text):
    out = tmp_path / "run"
    shutil.copytree(place / "whole", out)
    file = out / "model" / "adapter_config.json"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(RecipeError, match=r"adapter_config\.json.*remove"):
        train(toy_recipe(place), out=out)


def test_killed_in_the_second_stage_and_resumed(place, whole, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.toy_rows", str(place), str(tmp_path), "lora", "3"],
        cwd=ROOT,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert (tmp_path / "align" / "model").is_dir()
    assert not (tmp_path / "model").exists()
    resumed = train(toy_recipe(place), out=tmp_path)
    name = "adapter_model.safetensors"
    assert same(whole / name, resumed / name)
    assert same(
        place / "whole" / "align" / "model" / "model.safetensors",
        tmp_path / "align" / "model" / "model.safetensors",
    )


def test_interrupted_in_the_first_stage_and_resumed(place, whole, tmp_path, monkeypatch):
    real = fit_module.StopOnSignal.on_step_end

    def stop(self, args, state, control, **rest):
        if state.global_step == 3 and Path(args.output_dir).name == "align":
            os.kill(os.getpid(), signal.SIGTERM)
        real(self, args, state, control, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(fit_module.StopOnSignal, "on_step_end", stop)
        with pytest.raises(Interrupted, match="step 3 of stage align"):
            train(toy_recipe(place), out=tmp_path)
    resumed = train(toy_recipe(place), out=tmp_path)
    name = "adapter_model.safetensors"
    assert same(whole / name, resumed / name)


def test_another_recipe_is_refused(place, whole):
    out = place / "whole"
    with pytest.raises(RecipeError, match=r"stages\[0\].learning_rate 0.01, and now it is 0.02"):
        train(toy_recipe(place, "stages.0.learning_rate=0.02"), out=out)
    with pytest.raises(RecipeError, match=r"seed 3, and now it is 4.*--fresh"):
        train(toy_recipe(place, "seed=4"), out=out)
    free = ["data.workers=1", "stages.0.log_every=5", "stages.1.keep=3"]
    assert train(toy_recipe(place, *free), out=out) == whole
    (place / "foreign" / "model").mkdir(parents=True)
    with pytest.raises(RecipeError, match="not of such a run"):
        train(toy_recipe(place), out=place / "foreign")


def test_fresh_removes_what_the_run_wrote_alone(place, tmp_path):
    recipe = toy_recipe(
        place, f'stages=[{{"name": "a", "train": ["face"], "max_steps": 1, {SMALL}}}]'
    )
    out = tmp_path / "run"
    train(recipe, out=out)
    (out / "notes.txt").write_text("mine")
    before = (out / "model" / "model.safetensors").stat().st_mtime_ns
    train(recipe, out=out)
    assert (out / "model" / "model.safetensors").stat().st_mtime_ns == before
    train(recipe, out=out, resume=False)
    assert (out / "model" / "model.safetensors").stat().st_mtime_ns > before
    assert (out / "notes.txt").exists()


def test_adapters_of_another_kind_are_folded_in_between_stages(place, tmp_path):
    one = '"name": "a", "train": ["lora"], "max_steps": 3, "lora": {"rank": 2}'
    two = '"name": "b", "train": ["face"], "max_steps": 1'
    result = train(
        toy_recipe(place, f"stages=[{{{one}, {SMALL}}}, {{{two}, {SMALL}}}]"), out=tmp_path
    )
    assert (tmp_path / "a" / "merged" / "config.json").exists()
    start = load_file(place / "start" / "model.safetensors")
    end = load_file(result / "model.safetensors")
    moved = [n for n in start if "language_model" in n and not torch.equal(start[n], end[n])]
    assert moved
    assert all("self_attn" in n for n in moved)


def test_like_adapters_go_on(place, tmp_path):
    lora = f'"train": ["lora"], "max_steps": 1, "lora": {{"rank": 2}}, {SMALL}'
    result = train(
        toy_recipe(place, f'stages=[{{"name": "a", {lora}}}, {{"name": "b", {lora}}}]'),
        out=tmp_path,
    )
    config = json.loads((result / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str((place / "start").resolve())
    assert not (tmp_path / "a" / "merged").exists()


def test_start_models_that_are_none(place, tmp_path):
    with pytest.raises(RecipeError, match=r"cannot be loaded.*mien init"):
        load_start(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(RecipeError, match="type 'llama', not one of mien's"):
        load_start(str(tmp_path))


def test_rows_without_pictures_are_named(place, tmp_path):
    rows = write_rows(tmp_path / "data", broken="no pictures")
    recipe = toy_recipe(place, f"data.train.0.rows={rows}", "data.validation=[]", "metric=loss")
    with pytest.raises(ValueError, match=r"row 'toy/0/analysis'.*has no picture"):
        train(recipe, out=tmp_path / "run")


def test_rare_labels_are_lifted(place):
    learner = prepare(toy_recipe(place), 0, str(place / "start")).learner
    torch.testing.assert_close(learner.class_weights, torch.ones(3))  # four faces of each
    # AU12 is shown by half of the faces: above the 30 % up to which a unit is lifted.
    torch.testing.assert_close(learner.unit_weights, torch.ones(1))


def losses(run: Path) -> list[float]:
    with (run / "a" / "log.csv").open(newline="") as file:
        return [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "loss"]


def test_cached_features_are_used(place, tmp_path):
    one = f'"name": "a", "train": ["face"], "max_steps": 2, "log_every": 1, {SMALL}'
    words = [f"stages=[{{{one}}}]", "data.train.0.augment=0"]
    plain = train(toy_recipe(place, *words), out=tmp_path / "plain")
    cached = train(
        toy_recipe(place, *words, f"data.cache.folder={tmp_path / 'cache'}"), out=tmp_path / "run"
    )
    assert plain.parent != cached.parent
    # Adam blows up the rounding of gradients that are zero, so losses are compared, not weights.
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "plain"), rel=1e-5)
    assert list((tmp_path / "cache").iterdir())
    with pytest.raises(ValueError, match="budget"):
        train(
            toy_recipe(place, *words, f"data.cache={{folder: {tmp_path / 'other'}, budget: 1e-9}}"),
            out=tmp_path / "no",
        )


def test_missing_tensorboard_is_named(place, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "is_tensorboard_available", lambda: False)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        train(toy_recipe(place, "report=[tensorboard]"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
