"""The photographs that nano-video learns from beside its clips, as arrays in memory."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from mien.facs import LABEL_SETS
from recipes.nano.photographs import encoded_pictures

CLASSES: tuple[str, ...] = LABEL_SETS["basic7"]
SELECTION_SHARE = 10
"""Every tenth group of `train` is held out to choose between runs and to calibrate."""


@dataclass(frozen=True)
class Faces:
    """Grey face crops with labels.

    Attributes:
        images: (N, 48, 48) uint8.
        labels: (N,) index into `CLASSES`, -1 for a class outside of it.
        names: (N,) the labels as written.
        part: (N,) "fit", "select" or "validation"; "test" for a set that is only scored.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: NDArray[np.str_]
    part: NDArray[np.str_]

    def where(self, part: str) -> NDArray[np.int64]:
        """Indices of one part."""
        return np.flatnonzero(self.part == part)


def read_fer2013(path: Path) -> Faces:
    """FER2013 with `train` split by `group` into "fit" and "select"."""
    table = pq.read_table(path, columns=["label", "split", "group"]).to_pydict()
    names = np.array(table["label"])
    split = np.array(table["split"])
    group = np.array(table["group"])
    part = np.where(group % SELECTION_SHARE == 0, "select", "fit")
    part = np.where(split == "validation", "validation", part)
    images = [_grey(data) for data in encoded_pictures(path)]
    return Faces(np.stack(images), _index(names), names, part)


def _grey(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def _index(names: NDArray[np.str_]) -> NDArray[np.int64]:
    order = {name: i for i, name in enumerate(CLASSES)}
    return np.array([order.get(name, -1) for name in names])
