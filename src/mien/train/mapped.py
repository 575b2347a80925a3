"""Instruction rows as one Arrow file that is mapped into memory, made once beside the data."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.data.build.instruction_row import parquet_schema
from mien.partfile import PartFile, sink_error
from mien.untrusted import json_value

if TYPE_CHECKING:
    import pyarrow as pa

CACHE_FOLDER = Path(".mien") / "rows"
CHARACTERS, PICTURES = "_characters", "_pictures"
"""Columns that are added: characters of a row's messages, and its pictures and videos."""

_VERSION = 1
_TEXT_ROWS, _PICTURE_ROWS = 1000, 64
_AGAIN = "delete it and run `mien data build` again"


class RowsError(ValueError):
    """Instruction rows cannot be used; the message names the file and the remedy."""


def kept_beside(place: Path, inner: Path) -> Path:
    """Where what is computed from rows is kept: beside them, or in the user's cache folder.

    Args:
        place: a folder of rows, or a file of them.
        inner: such as `CACHE_FOLDER`.
    """
    beside = place if place.is_dir() else place.parent
    if os.access(beside, os.W_OK):
        return beside / inner
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(str(beside.resolve()).encode()).hexdigest()[:16]
    return Path(home) / "mien" / name / inner.name


def mapped_table(files: Sequence[Path], folder: Path) -> pa.Table:
    """The rows of Parquet or JSON-lines files, in memory that the system may take back.

    Parquet cannot be read row by row, so its rows are written once as Arrow, pictures inside of
    them included; the same files are found again by their names, sizes and times.

    Args:
        files: all of one ending.
        folder: where the Arrow file is kept; made if need be.

    Raises:
        RowsError: if a file is damaged or holds no instruction rows.
        mien.partfile.SinkError: if the folder cannot be written to.
    """
    import pyarrow as pa

    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    name = hashlib.sha256(json.dumps([_VERSION, stamps]).encode()).hexdigest()[:16]
    target = folder / f"{name}.arrow"
    if not target.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise sink_error(folder, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes one writes, the others wait
            if not target.is_file():
                _write(files, target)
        finally:
            os.close(lock)
    try:
        return pa.ipc.open_file(pa.memory_map(str(target))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise RowsError(f"{target}: damaged ({error}); delete it, it is made again") from error


class _Sink:
    """A part file as Arrow writes to it."""

    closed = False

    def __init__(self, part: PartFile) -> None:
        self.part = part

    def write(self, data: Any) -> int:
        self.part.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...


def _write(files: Sequence[Path], target: Path) -> None:
    import pyarrow as pa

    part, whole = PartFile(target), False
    part.open()
    try:
        writer = None
        for batch in _batches(files):
            if writer is None:
                writer = pa.ipc.new_file(pa.PythonFile(_Sink(part), "w"), batch.schema)
            writer.write_batch(batch)
        if writer is None:
            raise RowsError(f"{files[0].parent}: holds no rows; {_AGAIN}")
        writer.close()
        whole = True
    finally:
        part.close(keep=whole)


def _batches(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = None
    for path in files:
        read = _parquet if path.suffix == ".parquet" else _json
        try:
            for batch in read(path):
                if schema is None:
                    schema = batch.schema
                elif batch.schema != schema:
                    raise RowsError(
                        f"{path}: has other columns than {files[0]} (pictures inside of one and "
                        "paths in the other?); give them as two sources"
                    )
                yield batch
        except RowsError:
            raise
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise RowsError(f"{path}: damaged ({error}); {_AGAIN}") from error


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        missing = [n for n in ("id", "messages", "images", "videos", "labels") if n not in names]
        if missing:
            raise RowsError(
                f"{path}: has no column {missing[0]!r}; `mien data build` writes such files"
            )
        embedded = str(file.schema_arrow.field("images").type.value_type) != "string"
        schema = parquet_schema(embedded)
        for batch in file.iter_batches(_PICTURE_ROWS if embedded else _TEXT_ROWS):
            yield _with_counts(batch.select(schema.names).cast(schema.remove_metadata()))


def _json(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = parquet_schema(False)
    rows: list[dict[str, Any]] = []

    def batch() -> pa.RecordBatch:
        return _with_counts(pa.RecordBatch.from_pylist(rows, schema))

    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            row = json_value(line)
            if not isinstance(row, dict) or "messages" not in row or "id" not in row:
                raise RowsError(
                    f"{path}, line {number}: no instruction row (no id or no messages); "
                    "`mien data build` writes such files"
                )
            rows.append(row)
            if len(rows) == _TEXT_ROWS:
                yield batch()
                rows = []
    if rows:
        yield batch()


def _with_counts(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with `CHARACTERS` and `PICTURES`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    messages = batch.column("messages")
    contents = messages.values.field("content")
    lengths = pc.fill_null(pc.utf8_length(contents.values.field("text")), 0)
    total = np.concatenate([[0], np.cumsum(lengths.to_numpy(zero_copy_only=False))])
    ends = total[contents.offsets.to_numpy()[messages.offsets.to_numpy()]]
    shown = [
        pc.fill_null(pc.list_value_length(batch.column(name)), 0).to_numpy(zero_copy_only=False)
        for name in ("images", "videos")
    ]
    columns = {
        CHARACTERS: pa.array(np.diff(ends).astype(np.int32)),
        PICTURES: pa.array((shown[0] + shown[1]).astype(np.int32)),
    }
    for name, column in columns.items():
        batch = batch.append_column(name, column)
    return batch
