"""The photographs that nano learns expressions from: FERPlus, ten people's votes a face."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from mien.data.readers.ferplus import decide
from mien.facs import LABEL_SETS
from mien.schema import Expression

CLASSES: tuple[str, ...] = LABEL_SETS["basic8"]
SINGLE_CLASSES: tuple[str, ...] = LABEL_SETS["basic7"]
"""Of FER2013's own labels, one word a face."""
SELECTION_SHARE = 10
"""Every tenth picture of `train` is held out to choose between runs and to calibrate."""
_VOTED = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "no face"),
)
"""The order of FERPlus' ten columns."""


@dataclass(frozen=True)
class Photographs:
    """Grey face crops with votes.

    Attributes:
        images: (N, 48, 48) uint8.
        votes: (N, 8) shares of the votes for `CLASSES`; they sum to 1.
        majority: (N,) index into `CLASSES` by the owners' majority rule, -1 where there is none.
        single: (N,) index of FER2013's own label into `SINGLE_CLASSES`, -1 where unknown.
        part: (N,) "fit", "select" or "validation".
    """

    images: NDArray[np.uint8]
    votes: NDArray[np.float32]
    majority: NDArray[np.int64]
    single: NDArray[np.int64]
    part: NDArray[np.str_]

    def where(self, part: str) -> NDArray[np.int64]:
        """Indices of one part."""
        return np.flatnonzero(self.part == part)


def read_ferplus(path: Path) -> Photographs:
    """Reads FERPlus; `train` is split into "fit" and "select" by a hash of the picture.

    Pictures that most people took for no face or for no class of `CLASSES` are left out.

    Args:
        path: a Parquet file with `image`, `votes` (ten numbers in FERPlus' order), `fer2013` (a
            word or null) and `split` (`train`, `validation`).
    """
    table = pq.read_table(path, columns=["image", "votes", "fer2013", "split"])
    counts = np.array(table.column("votes").to_pylist(), np.int64)  # (N, 10)
    kept = np.flatnonzero(counts[:, 8:].sum(1) < counts[:, :8].sum(1))
    cells = table.column("image").take(kept).to_pylist()
    counts = counts[kept]
    shares = counts[:, [_VOTED.index(name) for name in CLASSES]].astype(np.float32)
    shares /= shares.sum(1, keepdims=True)
    words = table.column("fer2013").take(kept).to_pylist()
    splits = table.column("split").take(kept).to_pylist()
    return Photographs(
        images=np.stack([_grey(cell["bytes"]) for cell in cells]),
        votes=shares,
        majority=np.array([_majority(row) for row in counts.tolist()]),
        single=np.array([SINGLE_CLASSES.index(w) if w in SINGLE_CLASSES else -1 for w in words]),
        part=np.array([_part(s, cell["bytes"]) for s, cell in zip(splits, cells, strict=True)]),
    )


def encoded_pictures(path: Path) -> list[bytes]:
    """The encoded pictures of a Parquet file, in row order."""
    column = pq.read_table(path, columns=["image"]).column("image")
    return [row["bytes"] for row in column.to_pylist()]


def _majority(votes: list[int]) -> int:
    label = decide(votes, "majority")
    if isinstance(label, Expression) and label.label in CLASSES:
        return CLASSES.index(label.label)
    return -1


def _part(split: str, picture: bytes) -> str:
    """Identical pictures have one hash, so that none stands on both sides."""
    if split != "train":
        return split
    held_out = int(hashlib.sha256(picture).hexdigest(), 16) % SELECTION_SHARE == 0
    return "select" if held_out else "fit"


def _grey(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))
