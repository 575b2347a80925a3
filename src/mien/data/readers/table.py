"""A table of your own: one row a picture or clip, columns named as OpenFace names them.

    image,id,subject,split,expression,AU12,AU12_r,valence,arousal,x0,y0,x1,y1,age,...

`root` is the file, or a folder with labels.csv, .tsv or .parquet (or the file that the option
`file` names). Parquet has the same columns; `image` may hold the picture itself there, as bytes or
as Hugging Face's datasets write it, and columns of lists are left out.

    image, or video              path relative to the table; exactly one of them is needed
    id, subject, split           id is the path where there is no such column
    expression, label_set        any word that mien knows; the set is by default the smallest that
                                 holds all expressions of the table
    AU12 or AU12_c, AU12_r       present as 0 or 1, intensity in [0, 5]; AU6 and AU06 are the same
    valence, arousal             in [-1, 1]
    x0, y0, x1, y1               box of the face in pixels
    dataset, licence             words
    any other column             an attribute, as text or as a number

An empty cell is unknown, and so are nan, none, null and unknown. Nothing else is: a 9 or a -1 is an
error, so that unknown values of other tools are not read as labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mien import facs
from mien.data.inside import is_there
from mien.data.readers.base import BadRow, LayoutError, Reader, each, find, label_set_of
from mien.data.readers.files import EXTRA, csv_header, csv_rows, decimal, open_parquet
from mien.data.readers.table_columns import NAMED, UNIT, canonical, shown
from mien.data.readers.table_form import form_of
from mien.sample import Sample
from mien.schema import ActionUnit, Box, Expression

_HELP = "`mien data list csv`"
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
_UNKNOWN = frozenset({"", "nan", "none", "null", "unknown"})
_BOX = ("x0", "y0", "x1", "y1")


def _read(
    root: Path, split: str | None, bad: BadRow, *, file: str | None = None
) -> Iterator[Sample]:
    yield from read_table(root, root if root.is_file() else _table(root, file), split, bad)


def _table(root: Path, file: str | None) -> Path:
    names = ("labels.csv", "labels.parquet", "labels.tsv", "labels.txt")
    if file is None:  # Windows does not tell Labels.CSV from labels.csv
        there = {path.name.lower(): path for path in sorted(root.iterdir(), reverse=True)}
        found = next((there[name] for name in names if name in there), None)
        if found is not None:
            return found
    try:
        return find(root, names if file is None else [file], what="table", hint=_HELP)
    except LayoutError as error:
        if any(path.suffix.lower() in (".xlsx", ".xls", ".ods") for path in root.iterdir()):
            raise LayoutError(f"{error}. Save the spreadsheet as CSV UTF-8") from None
        raise


def read_table(root: Path, path: Path, split: str | None, bad: BadRow) -> Iterator[Sample]:
    """The Samples of one table.

    Args:
        root: what paths in the Samples are relative to, or the table itself.
        path: of the table.
        split: only this one.
        bad: see `BadRow`.

    Raises:
        LayoutError: if it is no such table.
    """
    prefix = "" if root.is_file() else path.parent.relative_to(root).as_posix()
    prefix = "" if prefix in ("", ".") else prefix + "/"

    columns = _columns(path)
    label_set = _label_set(path, columns)
    comma = path.suffix != ".parquet" and form_of(path).decimal_comma

    def make(row: dict[str, str]) -> Sample | None:
        for name in ("image", "video"):
            if "\\" in row.get(name, ""):
                row[name] = _with_slashes(row[name], path.parent)
        sample = sample_of(row, prefix, label_set, decimal_comma=comma)
        return sample if split in (None, sample.split) else None

    yield from each(_rows(path, columns), make, bad)


def _columns(path: Path) -> dict[str, str]:
    """Names of the columns to those that mien reads.

    Raises:
        LayoutError: if they are not those of a table.
    """
    if path.suffix == ".parquet":
        with open_parquet(path) as file:
            names = list(file.schema_arrow.names)
    else:
        names = csv_header(path)
    try:
        found = canonical([name for name in names if name])
    except ValueError as error:
        raise LayoutError(f"{path}: {error}") from None
    if not {"image", "video"} & set(found.values()):
        there = ", ".join(map(shown, names[:20])) + (", ..." if len(names) > 20 else "")
        raise LayoutError(f"{path}: no column image or video in {there}. See {_HELP}")
    return found


def _rows(
    path: Path, columns: Mapping[str, str], only: str | None = None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Cells as text under the names that mien reads, with where they are.

    Args:
        path: of the table.
        columns: see `_columns`.
        only: of Parquet, the one column to read.
    """
    if path.suffix != ".parquet":
        for where, row in csv_rows(path):
            yield where, {columns.get(name, name): text for name, text in row.items()}
        return
    import pyarrow as pa

    with open_parquet(path) as file:
        other = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary)
        plain = {f.name: not any(test(f.type) for test in other) for f in file.schema_arrow}
        inside = any(columns.get(n) == "image" and not is_plain for n, is_plain in plain.items())
        names = [
            name
            for name, is_plain in plain.items()
            if is_plain and only in (None, columns.get(name))
        ]
        number = 0
        for batch in file.iter_batches(1024, columns=names):
            for row in batch.to_pylist():
                cells = {columns.get(name, name): _text(value) for name, value in row.items()}
                if inside:  # its bytes are read when the picture is opened
                    cells["image"] = f"{path.name}#row={number}"
                yield f"{path}, row {number}", cells
                number += 1


def _text(value: object) -> str:
    """A cell of Parquet as it would stand in a CSV file."""
    if value is None:
        return ""
    return str(int(value) if isinstance(value, bool) else value)


def _label_set(path: Path, columns: Mapping[str, str]) -> str | None:
    """The smallest set that holds all expressions of a table; None where there is none."""
    rows = _rows(path, columns, "expression")
    words = {row.get("expression", "").strip().lower() for _, row in rows} - _UNKNOWN
    known = {facs.expression_words()[w] for w in words if w in facs.expression_words()}
    try:
        return label_set_of(known)
    except ValueError:
        return None


def _with_slashes(name: str, folder: Path) -> str:
    """A path as Windows writes it; a file of this very name stays what it is."""
    return name if is_there(name, folder) else name.replace("\\", "/")


def sample_of(
    row: Mapping[str, str],
    prefix: str = "",
    label_set: str | None = None,
    *,
    decimal_comma: bool = False,
) -> Sample:
    """The Sample of a row of cells.

    Args:
        row: column name to text; missing columns are unknown.
        prefix: folder of the table, ending with a slash, or nothing.
        label_set: of expressions in rows that name none; the smallest that fits if None.
        decimal_comma: whether a comma between digits is a decimal sign in attributes, too; in
            numbers that mien reads it is one anyway.

    Raises:
        ValueError: if a cell does not fit its column, or the row has more cells than columns.
    """
    if EXTRA in row:
        raise ValueError(
            f"more cells than columns ({shown(row[EXTRA])} is left over); put cells that hold the "
            "sign between cells into quotes"
        )
    cells = {
        name: text for name, text in row.items() if text.strip().lower() not in _UNKNOWN and name
    }
    image, video = cells.get("image"), cells.get("video")
    return Sample(
        id=cells.get("id") or image or video or "",
        dataset=cells.get("dataset", "csv"),
        image=None if image is None else prefix + image,
        video=None if video is None else prefix + video,
        subject=cells.get("subject"),
        split=cells.get("split"),
        expression=_expression(cells, label_set),
        action_units=_units(cells),
        valence=_number(cells, "valence"),
        arousal=_number(cells, "arousal"),
        attributes={
            name: _attribute(text, decimal_comma)
            for name, text in cells.items()
            if name not in NAMED and not UNIT.fullmatch(name)
        },
        box=_box(cells),
        licence=cells.get("licence"),
    )


def _expression(cells: Mapping[str, str], label_set: str | None) -> Expression | None:
    if "expression" not in cells:
        return None
    label = facs.canonical_expression(cells["expression"])
    return Expression(label, cells.get("label_set") or label_set or label_set_of([label]))


def _units(cells: Mapping[str, str]) -> tuple[ActionUnit, ...] | None:
    """Units that the row says something of, by number; None where it says nothing."""
    present: dict[int, bool] = {}
    intensity: dict[int, float] = {}
    for name, text in cells.items():
        found = UNIT.fullmatch(name)
        if found is None:
            continue
        au = int(found["au"])
        if found["what"] == "r":
            intensity[au] = _decimal(name, text)
        elif _decimal(name, text) in (0, 1):
            present[au] = _decimal(name, text) == 1
        else:
            raise ValueError(f"{name} is {text}, not 0 or 1; leave unknown cells empty")
    known = sorted({*present, *intensity})
    if not known:
        return None
    return tuple(
        ActionUnit(au, present=present.get(au), intensity=intensity.get(au)) for au in known
    )


def _number(cells: Mapping[str, str], name: str) -> float | None:
    return _decimal(name, cells[name]) if name in cells else None


def _decimal(name: str, text: str) -> float:
    try:
        return decimal(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; leave unknown cells empty") from None


def _attribute(text: str, decimal_comma: bool) -> str | float:
    try:
        return decimal(text) if decimal_comma else float(text)
    except ValueError:
        return text


def _box(cells: Mapping[str, str]) -> Box | None:
    known = [name for name in _BOX if name in cells]
    if not known:
        return None
    if len(known) < 4:
        raise ValueError(f"a box needs x0, y0, x1 and y1; the row has {', '.join(known)}")
    for name in _BOX:
        if _THOUSANDS.fullmatch(cells[name]):
            raise ValueError(
                f"{name} is {cells[name]}: with a decimal comma or thousands? Write it"
                " without a comma"
            )
    x0, y0, x1, y1 = (_decimal(name, cells[name]) for name in _BOX)
    return (x0, y0, x1, y1)


READER = Reader(
    name="csv",
    read=_read,
    title="A table of your own",
    labels="whatever its columns say",
    licence="yours",
    access="write it",
    url="",
    page="docs/datasets/csv.md",
    single=True,
    own_splits=True,
    options={"file": ()},
)
