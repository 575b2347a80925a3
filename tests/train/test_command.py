import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.train import fit_stage as fit_module

from .toy_rows import write_recipe


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    write_recipe(folder)
    return folder


def mien(*words):
    return CliRunner().invoke(app, ["train", *map(str, words)])


def test_a_dry_run_says_what_would_be_done(place, tmp_path):
    done = mien(place / "recipe.yaml", "--dry-run", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "stage 1 of 2: align, trains face" in done.output
    assert "12 visits an epoch, 2 to a step: 5 steps, 0.8333 epochs" in done.output
    assert "6 steps, 1 epochs" in done.output
    assert "[[" in done.output
    assert "AU12" in done.output
    assert not (tmp_path / "run").exists()
    assert "all 12 rows read: the longest has" in done.output
    vision = next(line for line in done.output.splitlines() if line.startswith("  vision"))
    assert vision.split()[1] == "0"


def test_a_run_and_its_interruption(place, tmp_path, monkeypatch):
    words = [place / "recipe.yaml", "--set", "stages=[{name: a, train: [face], max_steps: 2}]"]
    words += ["--set", "stages.0.batch_size=2", "--set", "stages.0.precision=float32"]
    words += ["--out", tmp_path / "run"]
    real = fit_module.StopOnSignal.on_step_end

    def stop(self, args, state, control, **rest):
        os.kill(os.getpid(), signal.SIGINT)
        real(self, args, state, control, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(fit_module.StopOnSignal, "on_step_end", stop)
        done = mien(*words)
    assert done.exit_code == 130
    assert f"to go on: mien train {place / 'recipe.yaml'} --set 'stages=[{{name: a" in done.output
    done = mien(*words)
    assert done.exit_code == 0, done.output
    assert Path(done.output.strip().splitlines()[-1]) == tmp_path / "run" / "model"


def test_a_dry_run_reads_every_row(tmp_path):
    write_recipe(tmp_path)
    words = [tmp_path / "recipe.yaml", "--dry-run"]
    rows = tmp_path / "data" / "rows.jsonl"
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    lines[11]["messages"][1]["content"][0]["text"] += " raised lips" * 200
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = mien(*words, "--set", "data.max_length=100")
    assert done.exit_code == 2
    assert "row 'toy/11/analysis': is " in done.output
    done = mien(*words, "--set", "data.max_length=100", "--set", "data.too_long=drop")
    assert done.exit_code == 0, done.output
    assert "1 are longer and dropped" in done.output
    (tmp_path / "data" / "pictures" / "10.png").unlink()
    done = mien(*words)
    assert done.exit_code == 2
    assert "10.png is not there" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "seeds=1"], "seeds is no field; did you mean seed?"),
        (["--set", "stages.0.train=[qformer]"], "feallm model has none; leave it out"),
        (["--set", "data.max_length=5"], "more than max_length 5"),
        (["--set", "stages.0.batch_size=64"], "fewer than one batch of 64"),
        (["--set", "data.train.0.priors=built-in"], "a feallm model takes none"),
    ],
)
def test_mistakes_have_messages(place, tmp_path, words, message):
    done = mien(place / "recipe.yaml", "--out", tmp_path / "run", *words)
    assert done.exit_code == 2, done.output
    assert "error: " in done.output
    assert message in " ".join(done.output.split())
