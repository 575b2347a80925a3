"""Instruction rows with pictures, written to a folder as `mien data build` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mien.data.build.face_labels import Labels
from mien.data.build.instruction_row import make_row, row_line
from mien.sample import Sample
from mien.train.faces import FaceCrops
from mien.train.items import ItemSource, TrainItems
from mien.train.rows import InstructionRows

TALKS = {
    "analysis": [("what is the expression ?", "Happiness . raised lips")],
    "expression": [("what expression ?", "Happiness .")],
    "conversation": [("what is the face ?", "Sadness ."), ("lips ?", "raised lips .")],
}


def picture(number: int, size: int = 40) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)


def made_row(number: int, task: str = "analysis", **changes) -> dict:
    names = ("happiness", "sadness", "neutral")
    labels = changes.pop(
        "labels",
        Labels(names[number % 3], "basic7", {12: float(number % 5) + 1}, frozenset({4})),
    )
    sample = Sample(id=f"face{number}", dataset="made", image=f"{number}.png", split="train")
    row = make_row(sample, labels, TALKS[task], source="made", task=task)
    return {**row, **changes}


def write_rows(folder: Path, count: int = 6, tasks=tuple(TALKS)) -> Path:
    """A JSON-lines file of `count` faces with a row for each task, and their pictures."""
    (folder / "made").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(number)).save(folder / "made" / f"{number}.png")
    rows = [made_row(number, task) for number in range(count) for task in tasks]
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(map(row_line, rows)))
    return path


def made_items(folder: Path, config, count: int = 6, augment: float = 0.0, **options) -> TrainItems:
    rows = InstructionRows(write_rows(folder, count), root=folder)
    return TrainItems(
        [ItemSource(rows, augment=augment)],
        expressions=config.expressions,
        units=config.action_units,
        crops=FaceCrops(config.crop_spec),
        **options,
    )
