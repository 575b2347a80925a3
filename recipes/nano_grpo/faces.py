"""Face crops and prompts from FEA-Synth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from mien.data.build.instruction_row import turns_of
from mien.faces import CropSpec, MediaPipeFinder, crop_face
from mien.media import read_picture
from mien.train.grpo import Asked
from mien.train.grpo_train import asked_of
from mien.train.rewards import RewardWeights, reward

Item = tuple[Asked, NDArray[np.uint8]]


class Prompts(torch.utils.data.Dataset[Item]):
    """Prompts about training faces, each with its crop.

    Args:
        folder: of FEA-Synth, with the pictures inside the rows.
        processor: of the model.
        spec: how the model wants faces cut.
        faces: how many faces, those whose names have the smallest hashes.
        cache: .npz file of the crops, which are found once.
    """

    def __init__(
        self, folder: Path, processor: Any, spec: CropSpec, *, faces: int, cache: Path
    ) -> None:
        chosen = _chosen(folder, faces)
        if not cache.exists():
            _cut(folder, chosen, spec, cache)
        with np.load(cache) as stored:
            self.crops: dict[str, NDArray[np.uint8]] = {k: stored[k] for k in stored.files}
        self.items: list[tuple[Asked, str]] = []
        self.answers: list[str] = []
        for row in _rows(folder, ("messages", "sample", "task", "labels")):
            asked = asked_of(row, len(self.items), processor)
            if row["sample"] in self.crops and asked is not None and _checkable(asked):
                self.items.append((asked, row["sample"]))
                self.answers.append(turns_of(row)[0][1])

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        asked, sample = self.items[index]
        return asked, self.crops[sample]


def _checkable(asked: Asked) -> bool:
    """Whether an answer can earn anything but form."""
    return reward("", asked.task, asked.truth, RewardWeights()).total is not None


def _rows(folder: Path, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "data").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(100, columns=list(columns)):
            yield from batch.to_pylist()


def _chosen(folder: Path, count: int) -> set[str]:
    names = {row["sample"] for row in _rows(folder, ("sample",))}
    return set(sorted(names, key=lambda n: hashlib.sha256(n.encode()).digest())[:count])


def _cut(folder: Path, chosen: set[str], spec: CropSpec, cache: Path) -> None:
    """Finds each face and cuts it out; one in which none is found is left out."""
    crops: dict[str, Any] = {}
    with MediaPipeFinder(max_faces=1) as finder:
        for row in _rows(folder, ("sample", "images")):
            if row["sample"] not in chosen or row["sample"] in crops:
                continue
            picture = read_picture(row["images"][0]["bytes"])
            found = finder.find(picture)
            if found:
                crops[row["sample"]] = crop_face(picture, found[0], spec)
    part = cache.with_suffix(".part.npz")
    np.savez(part, **crops)
    part.rename(cache)
