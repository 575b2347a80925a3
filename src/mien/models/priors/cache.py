"""Facial priors computed once and kept beside the data."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from mien.models.priors.face_priors import FacePriors, Picture, PriorSource
from mien.models.priors.table import from_table, to_table
from mien.partfile import sink_error, write_whole

CACHE_FOLDER = Path(".mien") / "priors"
"""Where a dataset's priors are kept, below its root."""


class CachedPriors:
    """A source whose answers are kept in Arrow files, which are mapped into memory when read.

    A picture is known by its pixels and by the face that is meant, a source by its identity; so
    nothing is computed twice, and nothing stale is read. Files appear whole or not at all and are
    never changed: a run that was stopped goes on where it was, and several processes may fill one
    folder. A context manager; not for two threads at once.

    Args:
        source: computes what is not there.
        folder: such as ``root / CACHE_FOLDER``; made if need be.
        rows_per_file: faces that are gathered before they are written. A stopped run loses fewer.

    Raises:
        mien.partfile.SinkError: if the folder cannot be made.
        ValueError: if a file in it is damaged; the message names it.
    """

    def __init__(
        self, source: PriorSource, folder: Path | str, *, rows_per_file: int = 1024
    ) -> None:
        self.source, self.rows_per_file = source, rows_per_file
        self.identity = source.identity
        digest = hashlib.sha256(source.identity.encode()).hexdigest()[:16]
        self.folder = Path(folder) / digest
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sink_error(self.folder, error) from error
        about = self.folder / "source.json"
        if not about.is_file():
            write_whole(about, (json.dumps({"identity": source.identity}) + "\n").encode())
        self._tables: list[pa.Table] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        self._fresh: dict[bytes, FacePriors] = {}
        for path in sorted(self.folder.glob("*.arrow")):
            self._open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.flush()

    def __len__(self) -> int:
        """Number of faces that are kept."""
        return len(self._places) + len(self._fresh)

    def read(self, pictures: Sequence[Picture]) -> list[FacePriors]:
        """Priors of each picture; the source is asked for what is not kept, once for each.

        Raises:
            mien.partfile.SinkError: if a file cannot be written.
        """
        keys = [picture_key(picture) for picture in pictures]
        missing = {
            key: picture
            for key, picture in zip(keys, pictures, strict=True)
            if key not in self._places and key not in self._fresh
        }
        if missing:
            found = self.source.read(list(missing.values()))
            self._fresh.update(zip(missing, found, strict=True))
        answers = [self._kept(key) for key in keys]
        if len(self._fresh) >= self.rows_per_file:
            self.flush()
        return answers

    def flush(self) -> None:
        """Write what has been gathered."""
        if not self._fresh:
            return
        keys = pa.array(list(self._fresh), pa.binary(32))
        table = to_table(list(self._fresh.values()), {"key": keys})
        stream = pa.BufferOutputStream()
        with pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        path = self.folder / f"{uuid.uuid4().hex}.arrow"
        write_whole(path, stream.getvalue().to_pybytes())
        self._fresh = {}
        self._open(path)

    def _kept(self, key: bytes) -> FacePriors:
        if key in self._fresh:
            return self._fresh[key]
        number, row = self._places[key]
        return from_table(self._tables[number], row)

    def _open(self, path: Path) -> None:
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            keys = table.column("key").to_pylist()
        except (pa.ArrowException, KeyError, OSError) as error:
            raise ValueError(
                f"{path}: damaged ({error}); delete it, and its faces are computed again"
            ) from error
        for row, key in enumerate(keys):
            self._places[key] = (len(self._tables), row)
        self._tables.append(table)


def picture_key(picture: Picture) -> bytes:
    """32 bytes that stand for the picture's pixels and for the face in it that is meant."""
    digest = hashlib.sha256(repr(picture.image.shape).encode())
    digest.update(np.ascontiguousarray(picture.image).data)
    if picture.face is not None:
        digest.update(repr(tuple(float(v) for v in picture.face.box)).encode())
        if picture.face.landmarks is not None:
            digest.update(np.ascontiguousarray(picture.face.landmarks, np.float32).data)
    return digest.digest()
