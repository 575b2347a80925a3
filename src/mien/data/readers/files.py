"""Small files of datasets: tables, lines, folders of frames, numbers."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.data.readers.base import LayoutError, regular
from mien.data.readers.table_form import form_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
EXTRA = "(beyond the last column)"
"""Name of the cells for which a table has no column."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")

VIDEOS = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm"})


def csv_rows(
    path: Path, *, columns: Sequence[str] | None = None, delimiter: str | None = None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a table as column name to stripped text, with ``file:line`` for errors.

    Args:
        path: a file in UTF-8, UTF-16 or Windows-1252, see `table_form`.
        columns: names of the columns of a file that may have no header; a first line that begins
            with the first of them is still taken for one.
        delimiter: between cells; seen in the first line by default.

    Raises:
        LayoutError: if the file is empty or is not text.

    Cells beyond the last column stand under the name `EXTRA`.
    """
    try:
        form = form_of(path, columns)
        with path.open(encoding=form.encoding, newline="") as file:
            if form.skip:
                file.readline()
            lines = csv.reader(file, delimiter=delimiter or form.delimiter)
            first = next(lines, None)
            if first is None:
                raise LayoutError(f"{path}: empty; copy or download it again")
            names = [name.strip() for name in first]
            if columns is not None and names[0].lower() != columns[0].lower():
                yield f"{path}:1", _cells(columns, first)
                names = list(columns)
            for cells in lines:
                if cells:
                    yield f"{path}:{lines.line_num}", _cells(names, cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{path}: no sound table ({error}); copy it again") from error


def csv_header(path: Path) -> list[str]:
    """Names in the first line of a table, as they stand there.

    Raises:
        LayoutError: as `csv_rows`.
    """
    form = form_of(path)
    try:
        with path.open(encoding=form.encoding, newline="") as file:
            if form.skip:
                file.readline()
            names = next(csv.reader(file, delimiter=form.delimiter), None)
    except (UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{path}: no sound table ({error}); copy it again") from error
    if names is None:
        raise LayoutError(f"{path}: empty; copy or download it again")
    return [name.strip() for name in names]


def _cells(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    # Missing cells at the end are left out, so that asking for them names the column.
    row = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    more = [cell for cell in cells[len(names) :] if cell.strip()]
    return {**row, EXTRA: ", ".join(more)} if more else row


def decimal(text: str) -> float:
    """A number, also one with a decimal comma.

    Raises:
        ValueError: if it is none.
    """
    try:
        return float(text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text)
    except ValueError:
        short = text if len(text) <= 40 else f"{text[:37]}..."
        raise ValueError(f"{short!r} is not a number") from None


def text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Lines of a text file that are not blank, with ``file:line``.

    UTF-8 is tried first; lines in another encoding are read as GB 18030, which the captions of
    Chinese datasets use, or else with replaced characters.
    """
    with regular(path).open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = _decoded(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).strip()
            if line:
                yield f"{path}:{number}", line


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", errors="replace")


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file to read from.

    Raises:
        LayoutError: if it is none, also while it is read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(regular(path)) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise LayoutError(f"{path}: cannot be read as Parquet ({error}); copy it again") from error


def whole(text: str) -> int:
    """A whole number, also one written as 3.0 or 3.0000000e+00.

    Raises:
        ValueError: if it is none.
    """
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)


def natural(name: str) -> tuple[tuple[int, str | int], ...]:
    """Sort key that orders numbers in names by value: 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(p)) if p.isdecimal() else (0, p) for p in parts)


def pictures_in(folder: Path) -> list[str]:
    """Names of the pictures in a folder, in natural order; empty where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if os.path.splitext(e.name)[1].lower() in PICTURES]  # noqa: PTH122
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(names, key=natural)


def clip_files(root: Path, place: Path, name: str) -> tuple[tuple[str, ...], str | None]:
    """Frames or video file of a clip.

    Args:
        root: the dataset's folder.
        place: folder of clips below it.
        name: of the clip, without suffix.

    Returns:
        Paths of the frames relative to root, and None; or no frames and the path of the video.
        Where neither is there, the video's path is that of the frames' folder, so that a check
        reports it as missing.
    """
    folder = place / name
    frames = pictures_in(folder)
    inside = folder.relative_to(root).as_posix()
    if frames:
        return tuple(f"{inside}/{frame}" for frame in frames), None
    for suffix in (".mp4", ".avi", ".mkv", ".mov", ".webm"):
        if folder.with_name(folder.name + suffix).is_file():
            return (), inside + suffix
    return (), inside
