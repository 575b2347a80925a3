"""Several processes learn what one process learns from the batches of all of them.

They talk by gloo, on a CPU and in float32. The rows have unequal numbers of answer tokens and of
known units, so that a mean of means would show.
"""

import csv
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from mien.train.run import train

from .shared_out import together
from .toy_rows import toy_recipe, write_recipe

pytestmark = pytest.mark.slow

STAGE = {
    "name": "toy",
    "train": ["face", "lora"],
    "lora": {"rank": 2, "alpha": 4, "dropout": 0},
    "max_steps": 6,
    "save_every": 3,
    "keep": 2,
    "batch_size": 2,
    "log_every": 1,
    "learning_rate": 1e-2,
    "precision": "float32",
    "gradient_checkpointing": True,
}
TWICE = "stages.0.batch_size=4"
SHORT = 32
"""Tokens that the longer answers exceed."""
APART = 2e-5
"""The largest difference of a loss around 6; 5e-7 is seen."""


def uneven(path):
    """Some answers are longer, some faces have no unit labelled and some no expression."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for n, row in enumerate(rows):
        if n % 3 == 0:
            row["messages"][1]["content"][0]["text"] += " . raised lips face . raised lips"
        if n % 4 == 1:
            row["labels"]["action_units"] = []
        if n % 5 == 2:
            row["labels"]["expression"] = None
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A recipe without dropout, whose random numbers depend on the number of processes."""
    folder = tmp_path_factory.mktemp("toy")
    write_recipe(folder, stages=[STAGE])
    uneven(folder / "data" / "rows.jsonl")
    config = json.loads((folder / "start" / "config.json").read_text())
    config["text_config"]["attention_dropout"] = 0.0
    (folder / "start" / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def one(toy):
    """One process with the batch of two."""
    train(toy_recipe(toy, TWICE), out=toy / "one")
    return toy / "one"


@pytest.fixture(scope="module")
def two(toy):
    """Two processes that hold a whole copy each."""
    done = together(2, recipe=str(toy / "recipe.yaml"), out=str(toy / "two"), sets=[])
    assert done.returncode == 0, done.stderr
    return toy / "two", done


def curve(run):
    with (run / "toy" / "log.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["name"].startswith(("loss", "grad_norm"))]
    return {(r["name"], int(r["step"])): float(r["value"]) for r in rows}


def assert_same_run(found, expected):
    got, wanted = curve(found), curve(expected)
    assert got.keys() == wanted.keys()
    assert {name for name, _ in got} == {
        "loss",
        "loss_text",
        "loss_expression",
        "loss_units",
        "grad_norm",
    }
    worst = max(abs(got[key] - wanted[key]) for key in wanted)
    assert worst < APART, {k: (got[k], wanted[k]) for k in wanted}
    ours, theirs = (load_file(r / "model" / "adapter_model.safetensors") for r in (found, expected))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        if name.endswith("key.bias"):  # moves nothing: its gradient is rounding, which Adam scales
            continue
        torch.testing.assert_close(ours[name], weight, rtol=0, atol=1e-4)


def test_two_processes_give_the_curve_of_one_with_twice_the_batch(one, two):
    assert_same_run(two[0], one)


def test_the_main_process_alone_prints_and_writes(two):
    folder, done = two
    assert done.stdout.split() == [str(folder / "model")]
    assert done.stderr.count("toy step 1/6") == 1
    assert "find_unused_parameters" not in done.stderr
    with (folder / "toy" / "log.csv").open() as file:
        steps = [r["step"] for r in csv.DictReader(file) if r["name"] == "loss"]
    assert steps == ["1", "2", "3", "4", "5", "6"]
    states = {p.name for p in (folder / "toy" / "checkpoint-3").glob("rng_state*")}
    assert states == {"rng_state_0.pth", "rng_state_1.pth"}


def test_a_checkpoint_of_two_processes_goes_on_in_one(toy, one, two):
    out = toy / "on"
    shutil.copytree(two[0] / "toy" / "checkpoint-3", out / "toy" / "checkpoint-3")
    (out / "toy" / "log.csv").write_bytes((one / "toy" / "log.csv").read_bytes())
    train(toy_recipe(toy, TWICE), out=out)
    assert_same_run(out, one)


@pytest.mark.parametrize("kind", ["FULL_STATE_DICT", "SHARDED_STATE_DICT"])
def test_fsdp_gives_the_same_curve_also_where_it_was_killed(toy, one, kind):
    job = {"recipe": str(toy / "recipe.yaml"), "out": str(toy / kind), "sets": [], "fsdp": kind}
    killed = together(2, **job, kill=5)
    assert killed.returncode != 0
    assert not (toy / kind / "model").exists()
    done = together(2, **job)
    assert done.returncode == 0, done.stderr
    assert "goes on from" in done.stderr
    assert "checkpoint-3" in done.stderr
    assert_same_run(toy / kind, one)


@pytest.mark.parametrize("kind", [None, "FULL_STATE_DICT"])
def test_a_batch_that_is_left_out_in_one_process_stops_none(toy, kind):
    # A third of the conversations is too long: at a batch of one, often all that a process has.
    dropped = [f"data.max_length={SHORT}", "data.too_long=drop"]
    alone, out = toy / f"alone-{kind}", toy / f"dropped-{kind}"
    train(toy_recipe(toy, *dropped), out=alone)
    sets = [*dropped, "stages.0.batch_size=1"]
    done = together(2, recipe=str(toy / "recipe.yaml"), out=str(out), sets=sets, fsdp=kind)
    assert done.returncode == 0, done.stderr
    assert_same_run(out, alone)


def test_a_failure_of_one_process_ends_all_with_its_message(toy):
    done = together(
        2, recipe=str(toy / "recipe.yaml"), out=str(toy / "broken"), sets=[], broken=(2, 1)
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert "process 1: error: toy, row 'toy/7/analysis': 7.png is cut off" in done.stderr
    assert "toy step 2/6" in done.stderr
    assert "toy step 3/6" not in done.stderr
