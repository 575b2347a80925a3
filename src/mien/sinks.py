"""Where rows of results go: JSON lines, CSV with OpenFace's columns, Parquet, or a data frame.

Rows are written as they come, to ``<out>.part`` beside the target, which takes the target's name
when the sink is closed, also after an interruption: what was finished is then on disk and whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from mien.columns import (
    column_names,
    parquet_schema,
    row_cells,
    row_from_parquet,
    row_to_parquet,
    safe_text,
)
from mien.partfile import PartFile, SinkError, StandardOutput, Target, sink_error
from mien.schema import Analysis, SchemaError

if TYPE_CHECKING:
    import pandas

Format = Literal["jsonl", "csv", "parquet"]

__all__ = [
    "Format",
    "Sink",
    "SinkError",
    "open_sink",
    "read_rows",
    "rows_as_bytes",
    "to_frame",
]

_ROW_GROUP = 1024


class Sink(Protocol):
    """Takes rows one by one; used as a context manager.

    Attributes:
        left_out: rows of people and clips for which there was no place.
    """

    left_out: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, row: Analysis) -> None:
        """Writes one row."""


def open_sink(
    format: Literal["jsonl", "csv", "parquet"],
    out: Path | None,
    *,
    action_units: Sequence[int] | None = None,
) -> Sink:
    """A sink for rows, to be used in a ``with`` block.

    Args:
        format: how rows are written.
        out: the file; an old one is replaced when the sink is closed. None is standard output.
        action_units: the units that get columns in CSV beside those of OpenFace, by default all
            that mien knows. A row's other units do not appear in CSV; the other formats hold
            whatever a row has.

    Raises:
        SinkError: if nothing can be written there.
        ValueError: on an unknown format or action unit.
    """
    if format == "parquet":
        if out is None:
            raise SinkError("Parquet cannot be streamed to standard output; give a file with --out")
        return _ParquetSink(PartFile(out))
    target = StandardOutput() if out is None else PartFile(out)
    if format == "jsonl":
        return _JsonlSink(target)
    if format == "csv":
        people = PartFile(people_file(out)) if isinstance(target, PartFile) and out else None
        if people is not None and (people.direct or target.direct):  # type: ignore[union-attr]
            people = None
        return _CsvSink(target, people, action_units)
    raise ValueError(f"format is {format!r}, not jsonl, csv or parquet")


class _TextSink:
    left_out = 0

    def __init__(self, target: Target) -> None:
        self._target = target
        self._rows = 0

    def __enter__(self) -> Self:
        self._target.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._target.close(keep=kind is None or self._rows > 0)


class _JsonlSink(_TextSink):
    def write(self, row: Analysis) -> None:
        # File names may hold bytes that are no UTF-8: as \udcXX they are valid JSON and come back.
        self._target.append((row.to_json() + "\n").encode("utf-8", "backslashreplace"))
        self._rows += 1


class _CsvSink(_TextSink):
    """Rows of faces; those of people and clips stand in a file beside it, made when one comes."""

    def __init__(self, target: Target, people: PartFile | None, units: Sequence[int] | None):
        super().__init__(target)
        self._columns = column_names(units)
        self._people, self._people_columns = people, column_names(units, "people")
        self._told = 0
        self._seen: str | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._target.append(_csv_line(self._columns))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        keep = kind is None or self._rows > 0
        try:
            if self._people is not None:
                if not self._told and keep and self._people.target.exists():
                    self._open_people()  # without rows: what is there is of an earlier run
                self._people.close(keep=keep)
        finally:
            super().__exit__(kind, error, trace)

    def write(self, row: Analysis) -> None:
        # A clip of which no frame was read would else be missing among the faces.
        lost = row.status == "unreadable" and row.source != self._seen
        if row.kind == "face" or lost:
            self._target.append(_csv_row(row, self._columns))
            self._rows += 1
            self._seen = row.source
        if row.kind != "face":
            if self._people is not None:
                if not self._told:
                    self._open_people()
                self._people.append(_csv_row(row, self._people_columns))
            else:
                self.left_out += 1
            self._told += 1

    def _open_people(self) -> None:
        assert self._people is not None
        self._people.open()
        self._people.append(_csv_line(self._people_columns))


def people_file(out: Path) -> Path:
    """Where the rows of people and clips of a CSV stand: "rows.people.csv" for "rows.csv"."""
    return out.with_name(f"{out.stem}.people{out.suffix}")


def _csv_row(row: Analysis, columns: Sequence[str]) -> bytes:
    cells = row_cells(row)
    if row.kind != "face":
        cells |= {"success": 0}  # where it stands among the faces, none was found
    return _csv_line([_csv_cell(cells.get(name)) for name in columns])


def _csv_line(cells: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # so that both are quoted in cells
    line = text.getvalue().removesuffix("\r\n") + "\n"
    return line.encode("utf-8", "backslashreplace")


def _csv_cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return safe_text(value)
    return round(value, 6) if isinstance(value, float) else value


class _ParquetSink:
    left_out = 0

    def __init__(self, file: PartFile) -> None:
        if file.direct:
            raise SinkError(f"cannot write {file.path}: Parquet needs an ordinary file")
        self._place = file
        self._rows: list[dict[str, Any]] = []
        self._written = 0
        self._writer: Any = None
        self._broken = False

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        try:
            # A path, not a Python file: an interruption then cannot stop a write half-way.
            self._writer = pq.ParquetWriter(
                str(self._place.part), parquet_schema(), compression="zstd"
            )
        except OSError as error:
            raise sink_error(self._place.path, error) from error
        return self

    def write(self, row: Analysis) -> None:
        if self._writer is None:
            raise ValueError(f"{self._place.path} is not open; write inside a with block")
        self._rows.append(row_to_parquet(row))
        if len(self._rows) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            self._writer.write_table(pa.Table.from_pylist(rows, schema=parquet_schema()))
        except OSError as error:
            self._broken = True
            raise sink_error(self._place.path, error) from error
        self._written += len(rows)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        part = self._place.part
        try:
            if not self._broken:
                self._flush()
            self._writer.close()
            if self._broken or (kind is not None and not self._written):
                part.unlink(missing_ok=True)
            else:
                part.replace(self._place.target)
        except OSError as failure:
            # Without its footer a Parquet file cannot be read; an older target is better than that.
            part.unlink(missing_ok=True)
            if not self._broken or kind is None:
                raise sink_error(self._place.path, failure) from failure
        finally:
            self._writer = None


def rows_as_bytes(
    rows: Sequence[Analysis], format: str, action_units: Sequence[int] | None = None
) -> bytes:
    """All rows as one file in memory.

    Args:
        rows: of faces, people and clips.
        format: "jsonl", "csv" (one table, whatever the kinds of the rows) or "parquet".
        action_units: see `open_sink`.

    Raises:
        ValueError: on an unknown format.
    """
    if format == "jsonl":
        lines = (row.to_json() + "\n" for row in rows)
        return "".join(lines).encode("utf-8", "backslashreplace")
    if format == "csv":
        faces = all(row.kind == "face" for row in rows)
        columns = column_names(action_units, "faces" if faces else "all")
        lines_of = (_csv_row(row, columns) for row in rows)
        return b"".join([_csv_line(columns), *lines_of])
    if format != "parquet":
        raise ValueError(f"format is {format!r}, not jsonl, csv or parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([row_to_parquet(row) for row in rows], schema=parquet_schema())
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def to_frame(rows: Iterable[Analysis]) -> pandas.DataFrame:
    """The rows as a pandas data frame with the columns of the CSV; unknown values are missing.

    Rows of people and clips have no ``success``, so that what it selects are frames.

    Raises:
        ImportError: if pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("data frames need pandas: pip install 'mien[frame]'") from None
    from mien.columns import column_dtypes

    names = column_names(None, "all")
    table = [[cells.get(name) for name in names] for cells in map(row_cells, rows)]
    return pd.DataFrame(table, columns=list(names)).astype(column_dtypes(names))


def read_rows(path: Path | str) -> Iterator[Analysis]:
    """Rows of a JSON lines or Parquet file that mien wrote, one by one.

    Raises:
        SchemaError: naming the place, if something in the file is not a row of mien's.
    """
    path = Path(path)
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    yield from _read_parquet(path) if parquet else _read_jsonl(path)


def _read_jsonl(path: Path) -> Iterator[Analysis]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield Analysis.from_json(line.decode("utf-8"))
            except (SchemaError, UnicodeDecodeError) as error:
                raise SchemaError(f"{path}, line {number}: {error}") from None


def _read_parquet(path: Path) -> Iterator[Analysis]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield row_from_parquet(row)
    except (SchemaError, KeyError, pa.ArrowInvalid) as error:
        raise SchemaError(f"{path}: not a table of mien's rows: {error}") from None
