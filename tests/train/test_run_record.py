"""Whose run a folder holds, and going on with a changed recipe."""

import csv
import json

import pytest
import torch

from mien.train import fit_stage as fit_module
from mien.train import run_record
from mien.train.fields import RecipeError
from mien.train.interrupts import Interrupted, TrainingError
from mien.train.rows import RowsError, fingerprint
from mien.train.run import train

from .toy_rows import toy_recipe, write_recipe, write_rows

STAGE = (
    'stages=[{"name": "a", "train": ["face"], "max_steps": 6, "batch_size": 2, "log_every": 1, '
    '"save_every": 1, "schedule": "constant", "warmup": 0, "precision": "float32"}]'
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    write_recipe(folder)
    torch.set_num_threads(1)
    return folder


def stop_at(monkeypatch, step):
    real = fit_module.StopOnSignal.on_step_end

    def stop(self, args, state, control, **rest):
        self._asked = state.global_step >= step
        real(self, args, state, control, **rest)

    monkeypatch.setattr(fit_module.StopOnSignal, "on_step_end", stop)


@pytest.fixture
def stopped(place, tmp_path, monkeypatch):
    """A run of six steps that was stopped behind the second."""
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Interrupted):
            train(toy_recipe(place, STAGE), out=tmp_path / "run")
    return tmp_path / "run"


def rates(run):
    with (run / "a" / "log.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == "learning_rate"]
    return [float(row["value"]) for row in rows]


def test_a_changed_rate_holds_from_the_last_checkpoint_on(place, stopped):
    slower = [STAGE, "stages.0.learning_rate=2e-5", "stages.0.weight_decay=0.1"]
    with pytest.raises(RecipeError, match=r"learning_rate 0.0001, and now it is 2e-05.*--change"):
        train(toy_recipe(place, *slower), out=stopped)
    model = train(toy_recipe(place, *slower), out=stopped, change=True)
    assert model.is_dir()
    assert rates(stopped) == pytest.approx([1e-4] * 2 + [2e-5] * 4)
    state = torch.load(stopped / "a" / "checkpoint-6" / "optimizer.pt")
    assert {group["weight_decay"] for group in state["param_groups"]} == {0.1, 0.0}
    record = json.loads((stopped / "recipe.json").read_text())
    assert [line.partition(" ")[0] for line in record["run"]["changes"]] == [
        "stages[0].learning_rate",
        "stages[0].weight_decay",
    ]


def test_a_run_that_fails_at_a_visit_goes_on_with_the_remedy(place, tmp_path):
    strict = [STAGE, "data.max_length=5"]
    with pytest.raises(RowsError, match="too_long"):
        train(toy_recipe(place, *strict), out=tmp_path / "run")
    wild = [STAGE, "stages.0.learning_rate=1e30"]
    with pytest.raises(TrainingError, match="learning_rate"):
        train(toy_recipe(place, *wild), out=tmp_path / "wild")
    tame = [STAGE, "stages.0.learning_rate=1e-4"]
    with pytest.raises(RecipeError, match="--change"):
        train(toy_recipe(place, *tame), out=tmp_path / "wild")


def test_the_number_of_processes_is_part_of_a_run(place, stopped, monkeypatch):
    record = json.loads((stopped / "recipe.json").read_text())
    assert record["run"]["processes"] == 1
    monkeypatch.setattr(run_record, "processes", lambda: 2)
    with pytest.raises(RecipeError, match=r"run\.processes 1, and now it is 2"):
        run_record.claim(toy_recipe(place, STAGE), stopped)
    record.pop("run")  # as it was written before
    (stopped / "recipe.json").write_text(json.dumps(record))
    run_record.claim(toy_recipe(place, STAGE), stopped)


def test_rows_that_changed_are_told(tmp_path, monkeypatch):
    write_recipe(tmp_path)
    with monkeypatch.context() as patch:
        stop_at(patch, 1)
        with pytest.raises(Interrupted):
            train(toy_recipe(tmp_path, STAGE), out=tmp_path / "run")
    rows = tmp_path / "data" / "rows.jsonl"
    lines = rows.read_text().splitlines()
    rows.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(RecipeError, match=r"run\.rows\.data\.train\.0 '\w{16}', and now"):
        train(toy_recipe(tmp_path, STAGE), out=tmp_path / "run")
    assert train(toy_recipe(tmp_path, STAGE), out=tmp_path / "run", change=True).is_dir()


def test_what_makes_another_model_may_not_change(place, stopped):
    for other in ("stages.0.train=[face,language]", 'stages.0.name="b"', "start=mien/nano"):
        with pytest.raises(RecipeError, match="makes another model"):
            train(toy_recipe(place, STAGE, other), out=stopped, change=True)


def test_a_folder_in_which_nothing_was_trained_is_free(place, tmp_path):
    with pytest.raises(RecipeError):
        train(toy_recipe(place, STAGE, f"start={tmp_path}"), out=tmp_path / "run")
    assert train(toy_recipe(place, STAGE), out=tmp_path / "run").is_dir()


def test_a_set_that_is_broken_or_not_finished_is_named(tmp_path):
    (tmp_path / "build.json").write_text("{")
    with pytest.raises(RowsError, match=r"build\.json"):
        fingerprint(tmp_path)
    begun = {"settings": {}, "shards": [], "complete": False}
    (tmp_path / "build.json").write_text(json.dumps(begun))
    with pytest.raises(RowsError, match="has not finished"):
        fingerprint(tmp_path)


def test_fingerprints_follow_what_files_hold(tmp_path):
    one, two = (write_rows(tmp_path / name) for name in ("one", "two"))
    assert fingerprint(one) == fingerprint(two)
    text = two.read_text()
    two.write_text(text.replace("CC0", "CC1", 1))
    assert fingerprint(one) != fingerprint(two)
