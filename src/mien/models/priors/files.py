"""Facial priors from a file that was computed elsewhere, and such files written."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mien.models.priors.face_priors import FacePriors, Picture
from mien.models.priors.facexformer import CLASSES, from_facexformer
from mien.models.priors.table import from_table, to_table
from mien.partfile import write_whole

_FACEXFORMER = ("landmarks", "headpose", "age", "gender", "race", "embedding", "box")


class FilePriors:
    """Priors read from a ``.parquet`` or ``.npz`` file by the picture's name.

    Parquet has the columns of `mien.models.priors.table`. An ``.npz`` is what FaceXFormer gave for
    N pictures: ``name`` (N,), and any of ``frame`` (N,), ``landmarks`` (N, 136), ``headpose``
    (N, 3), ``age`` (N, 8), ``gender`` (N, 2), ``race`` (N, 5), ``embedding`` (N, E) and ``box``
    (N, 4), as `from_facexformer` takes them, NaN where unknown.

    Args:
        path: of the file.
        missing_is_unknown: a picture that the file does not name has no priors; else it is an
            error, since a wrong root would make all of them unknown without a word.

    Raises:
        ValueError: if the file is not as described; the message names it and what is wrong.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path | str, *, missing_is_unknown: bool = False) -> None:
        self.path, self.missing_is_unknown = Path(path), missing_is_unknown
        data = self.path.read_bytes()
        self.identity = f"file {hashlib.sha256(data).hexdigest()}"
        try:
            if self.path.suffix == ".npz":
                self._table = _from_npz(data)
            elif self.path.suffix == ".parquet":
                self._table = pq.read_table(io.BytesIO(data))
            else:
                raise ValueError("its name ends neither in .parquet nor in .npz")
            self._rows = _index(self._table)
        except (ValueError, KeyError, pa.ArrowException, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.path}: no file of facial priors: {error}") from error

    def read(self, pictures: Sequence[Picture]) -> list[FacePriors]:
        """Priors of each picture, by its name and frame.

        Raises:
            ValueError: if a picture has no name, or the file has no row for it.
        """
        return [self._read(picture) for picture in pictures]

    def _read(self, picture: Picture) -> FacePriors:
        if picture.name is None:
            raise ValueError(f"{self.path}: pictures are found by name, but this one has none")
        row = self._rows.get((picture.name, picture.frame))
        if row is None:
            if self.missing_is_unknown:
                return FacePriors()
            raise ValueError(
                f"{self.path}: no row for {picture.name!r}, frame {picture.frame}; names are paths "
                "relative to the dataset's root (missing_is_unknown=True takes it as unknown)"
            )
        try:
            return from_table(self._table, row)
        except ValueError as error:
            raise ValueError(f"{self.path}, row {row}: {error}") from error


def write_priors(
    path: Path,
    names: Sequence[str],
    priors: Sequence[FacePriors],
    frames: Sequence[int] | None = None,
) -> None:
    """Write a Parquet file that `FilePriors` reads.

    Args:
        path: of the file.
        names: paths relative to the dataset's root.
        priors: one for each name.
        frames: index of the frame, for clips; 0 by default.

    Raises:
        ValueError: if the numbers of names, priors and frames differ.
        mien.partfile.SinkError: if it cannot be written.
    """
    frames = [0] * len(names) if frames is None else frames
    if not len(names) == len(priors) == len(frames):
        raise ValueError(f"{len(names)} names, {len(priors)} priors, {len(frames)} frames")
    buffer = io.BytesIO()
    first = {"name": pa.array(names, pa.string()), "frame": pa.array(frames, pa.int32())}
    pq.write_table(to_table(priors, first), buffer)
    write_whole(path, buffer.getvalue())


def _index(table: pa.Table) -> dict[tuple[str, int], int]:
    names = table.column("name").to_pylist()
    frames = (
        table.column("frame").to_pylist() if "frame" in table.column_names else [0] * len(names)
    )
    rows = {(str(name), int(f)): i for i, (name, f) in enumerate(zip(names, frames, strict=True))}
    if len(rows) < len(names):
        raise ValueError("a name stands in it twice for one frame")
    return rows


def _from_npz(data: bytes) -> pa.Table:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays: dict[str, NDArray] = {name: file[name] for name in file.files}
    names = [str(name) for name in arrays.pop("name")]
    frames = arrays.pop("frame", np.zeros(len(names))).astype(int).tolist()
    unknown = sorted(set(arrays) - set(_FACEXFORMER))
    if unknown:
        raise ValueError(f"arrays {unknown} are not among {', '.join(_FACEXFORMER)}")
    for name, array in arrays.items():
        if len(array) != len(names):
            raise ValueError(f"array {name!r} has {len(array)} rows, 'name' has {len(names)}")
        if name in CLASSES and array.ndim != 2:
            raise ValueError(f"array {name!r} must hold a score for each class, (N, classes)")
    rows = [
        from_facexformer(**{name: array[i] for name, array in arrays.items()})
        for i in range(len(names))
    ]
    first = {"name": pa.array(names, pa.string()), "frame": pa.array(frames, pa.int32())}
    return to_table(rows, first)
