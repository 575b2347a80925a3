"""A table of your own: one row a picture or clip, columns named as OpenFace names them.

    image,id,subject,split,expression,AU12,AU12_r,valence,arousal,x0,y0,x1,y1,age,...

`root` is the file, or a folder with labels.csv or labels.parquet (or the file that the option
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
from mien.data.readers.base import BadRow, LayoutError, Reader, each, find, label_set_of
from mien.data.readers.files import csv_rows, open_parquet
from mien.sample import Sample
from mien.schema import ActionUnit, Box, Expression

_HELP = "`mien data list csv`"
_UNIT = re.compile(r"AU0*(?P<au>\d+)(?:_(?P<what>[cr]))?", re.IGNORECASE)
_UNKNOWN = frozenset({"", "nan", "none", "null", "unknown"})
_BOX = ("x0", "y0", "x1", "y1")
_NAMED = frozenset(
    {
        *("image", "video", "id", "subject", "split", "expression", "label_set", "valence"),
        *("arousal", "dataset", "licence", *_BOX),
    }
)


def _read(
    root: Path, split: str | None, bad: BadRow, *, file: str | None = None
) -> Iterator[Sample]:
    wanted = ["labels.csv", "labels.parquet"] if file is None else [file]
    path = root if root.is_file() else find(root, wanted, what="table", hint=_HELP)
    yield from read_table(root, path, split, bad)


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

    label_set = _label_set(path)

    def make(row: dict[str, str]) -> Sample | None:
        sample = sample_of(row, prefix, label_set)
        return sample if split in (None, sample.split) else None

    names = _columns(path)
    if not names & {"image", "video"}:
        found = ", ".join(sorted(names))
        raise LayoutError(f"{path}: no column image or video in {found}. See {_HELP}")
    _check_units(path, names)
    yield from each(_rows(path), make, bad)


def _columns(path: Path) -> set[str]:
    if path.suffix == ".parquet":
        with open_parquet(path) as file:
            return set(file.schema_arrow.names)
    with path.open("rb") as opened:
        head = opened.readline().decode("utf-8-sig", errors="replace").strip().split(",")
    return {name.strip().strip('"') for name in head}


def _rows(path: Path, only: str | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """Cells as text, with where they are; of Parquet perhaps one column only."""
    if path.suffix != ".parquet":
        yield from csv_rows(path)
        return
    import pyarrow as pa

    with open_parquet(path) as file:
        other = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary)
        plain = {f.name: not any(test(f.type) for test in other) for f in file.schema_arrow}
        names = [name for name, is_plain in plain.items() if is_plain and only in (None, name)]
        inside = plain.get("image") is False  # its bytes are read when the picture is opened
        number = 0
        for batch in file.iter_batches(1024, columns=names):
            for row in batch.to_pylist():
                cells = {name: _text(value) for name, value in row.items()}
                if inside:
                    cells["image"] = f"{path.name}#row={number}"
                yield f"{path}, row {number}", cells
                number += 1


def _text(value: object) -> str:
    """A cell of Parquet as it would stand in a CSV file."""
    if value is None:
        return ""
    return str(int(value) if isinstance(value, bool) else value)


def _check_units(path: Path, names: set[str]) -> None:
    for name in names:
        found = _UNIT.fullmatch(name)
        if found is not None and int(found["au"]) not in facs.ACTION_UNITS:
            known = ", ".join(str(au) for au in facs.ACTION_UNITS)
            raise LayoutError(f"{path}: column {name} is no unit that mien knows ({known})")


def _label_set(path: Path) -> str | None:
    """The smallest set that holds all expressions of a table; None where there is none."""
    rows = _rows(path, "expression")
    words = {row.get("expression", "").strip().lower() for _, row in rows} - _UNKNOWN
    known = {facs.expression_words()[w] for w in words if w in facs.expression_words()}
    try:
        return label_set_of(known)
    except ValueError:
        return None


def sample_of(row: Mapping[str, str], prefix: str = "", label_set: str | None = None) -> Sample:
    """The Sample of a row of cells.

    Args:
        row: column name to text; missing columns are unknown.
        prefix: folder of the table, ending with a slash, or nothing.
        label_set: of expressions in rows that name none; the smallest that fits if None.

    Raises:
        ValueError: if a cell does not fit its column.
    """
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
            name: _attribute(text)
            for name, text in cells.items()
            if name not in _NAMED and not _UNIT.fullmatch(name)
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
        found = _UNIT.fullmatch(name)
        if found is None:
            continue
        au = int(found["au"])
        if (found["what"] or "c").lower() == "r":
            intensity[au] = float(text)
        elif float(text) in (0, 1):
            present[au] = float(text) == 1
        else:
            raise ValueError(f"{name} is {text}, not 0 or 1; leave unknown cells empty")
    known = sorted({*present, *intensity})
    if not known:
        return None
    return tuple(
        ActionUnit(au, present=present.get(au), intensity=intensity.get(au)) for au in known
    )


def _number(cells: Mapping[str, str], name: str) -> float | None:
    return float(cells[name]) if name in cells else None


def _attribute(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _box(cells: Mapping[str, str]) -> Box | None:
    known = [name for name in _BOX if name in cells]
    if not known:
        return None
    if len(known) < 4:
        raise ValueError(f"a box needs x0, y0, x1 and y1; the row has {', '.join(known)}")
    x0, y0, x1, y1 = (float(cells[name]) for name in _BOX)
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
