"""The shipped benchmark: read from its file, verified against its card."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.sample import Sample
from mien.synth.picture_row import sample_of
from mien.untrusted import read_json

VERSION = "v1"
FOLDER = Path(__file__).parent
_REMEDY = "reinstall mien (pip install --force-reinstall --no-deps mien)"


class FeaBenchError(RuntimeError):
    """The benchmark is missing or damaged; the message says which file and what to do."""


class FeaBenchSynth(Sequence[tuple[Sample, NDArray[np.uint8]]]):
    """Labelled pictures of the benchmark; a picture is decoded when it is asked for.

    Attributes:
        card: what `v1.json` says: how the set was made, counts, shares, licences.
        samples: the labels of all pictures, in order. A unit whose `present` is None is neither
            there nor absent for the score: it cannot be seen, or is but a trace.
        scenes: number of the scene that each was rendered from.

    Args:
        folder: where the files are.
        version: of the set.

    Raises:
        FeaBenchError: if a file is missing, or is not the one that its card describes.
    """

    def __init__(self, folder: Path, version: str = VERSION):
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = folder / f"{version}.parquet"
        self.card: dict[str, Any] = _card(folder, version)
        try:
            digest = file_hash(path)
        except OSError as error:
            raise FeaBenchError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
        if digest != self.card.get("sha256"):
            raise FeaBenchError(f"{path}: damaged (its SHA-256 is not that of its card); {_REMEDY}")
        try:
            table = pq.read_table(path)
            # without copies of the pictures, which stay encoded in the table
            self._images = table["image"].combine_chunks().field("bytes")
            rows = table.set_column(
                table.schema.get_field_index("image"),
                "image",
                pa.StructArray.from_arrays(
                    [table["image"].combine_chunks().field("path")], names=["path"]
                ),
            ).to_pylist()
            self.samples: tuple[Sample, ...] = tuple(sample_of(row) for row in rows)
            self.scenes: tuple[int, ...] = tuple(row["scene"] for row in rows)
            self.hashes: tuple[str, ...] = tuple(row["sha256"] for row in rows)
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise FeaBenchError(f"{path}: no benchmark of this mien ({error})") from error

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        """Sample and (H, W, 3) uint8 RGB picture; a slice gives a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.samples[index], decode_picture(self.encoded(index))

    def __iter__(self) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
        return (self[i] for i in range(len(self)))

    def encoded(self, index: int) -> bytes:
        """The bytes of a picture's WebP file."""
        return self._images[index % len(self)].as_py()


def load_feabench(version: str = VERSION) -> FeaBenchSynth:
    """The benchmark that comes with mien.

    Args:
        version: "v1", the only one so far.

    Raises:
        FeaBenchError: if there is no such version, or its files are missing or damaged.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.json"))
    if version not in known:
        names = ", ".join(known) or "none"
        raise FeaBenchError(f"no FEABench-Synth {version!r} in this installation; known: {names}")
    return FeaBenchSynth(FOLDER, version)


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of an encoded picture."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card(folder: Path, version: str) -> dict[str, Any]:
    path = folder / f"{version}.json"
    try:
        card = read_json(path)
    except (OSError, ValueError) as error:
        raise FeaBenchError(f"{path}: cannot be read ({error}); {_REMEDY}") from error
    if not isinstance(card, dict):
        raise FeaBenchError(f"{path}: no card of a benchmark; {_REMEDY}")
    return card
