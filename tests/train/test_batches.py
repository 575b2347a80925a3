"""Micro-batches and data processes change nothing that is learned."""

import csv
import json

import pytest
import torch
from torch.utils.data import DataLoader

from mien.train.run import prepare, train

from .toy_rows import toy_recipe, write_recipe

STAGE = {
    "name": "toy",
    "train": ["face"],
    "max_steps": 3,
    "batch_size": 2,
    "log_every": 1,
    "learning_rate": 1e-2,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Rows with unequal numbers of answer tokens and of known units, and no dropout."""
    folder = tmp_path_factory.mktemp("toy")
    path = write_recipe(folder, stages=[STAGE])
    assert path.exists()
    rows = [json.loads(s) for s in (folder / "data" / "rows.jsonl").read_text().splitlines()]
    for n, row in enumerate(rows):
        if n % 3 == 0:
            row["messages"][1]["content"][0]["text"] += " . raised lips face . raised lips"
        if n % 4 == 1:
            row["labels"]["action_units"] = []
    (folder / "data" / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    config = json.loads((folder / "start" / "config.json").read_text())
    config["text_config"]["attention_dropout"] = 0.0
    (folder / "start" / "config.json").write_text(json.dumps(config))
    return folder


def losses(toy, out, *overrides):
    train(toy_recipe(toy, "metric=loss", "data.validation=[]", *overrides), out=toy / out)
    with (toy / out / "toy" / "log.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["name"].startswith(("loss", "grad"))]
    return {(r["name"], r["step"]): float(r["value"]) for r in rows}


def test_accumulation_equals_a_large_batch(toy):
    large = losses(toy, "large", "stages.0.batch_size=4")
    small = losses(toy, "small", "stages.0.accumulation=2")
    assert len(large) == 5 * 3
    assert small == pytest.approx(large, abs=2e-5)


def test_batches_are_the_same_from_any_number_of_data_processes(toy):
    feed = prepare(toy_recipe(toy), 0, str(toy / "start")).feed
    batches = [
        list(
            DataLoader(
                feed.train,
                batch_size=4,
                sampler=feed.sampler,
                collate_fn=feed.collator,
                num_workers=workers,
            )
        )
        for workers in (0, 2)
    ]
    assert [len(found) for found in batches] == [3, 3]
    for alone, beside in zip(*batches, strict=True):
        assert alone.keys() == beside.keys()
        for name, value in alone.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(beside[name], value, rtol=0, atol=0, equal_nan=True)
