"""Faces of sets that `mien data build` made: a Sample for all rows of a face, with its labels.

Pictures are looked for where the set says that they were (roots.json), or else below the folder, by
the name of their source. Pictures inside of Parquet are read from there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mien.data.readers.base import BadRow, each
from mien.data.readers.files import open_parquet, text_lines
from mien.data.roots import read_roots
from mien.sample import Sample
from mien.schema import ActionUnit, Expression
from mien.untrusted import json_value

DATA = "data"
_COLUMNS = ("source", "dataset", "sample", "subject", "split", "pseudo", "labels", "licence")

Row = tuple[int, dict[str, Any]]


def read_built(root: Path, path: Path, bad: BadRow) -> Iterator[Sample]:
    """The faces of one file of a set, once each.

    Args:
        root: folder of the set, or the file itself.
        path: of the file, Parquet or JSON lines.
        bad: see `BadRow`.
    """
    folder = root.parent if root.is_file() else root
    inside = path.relative_to(folder).as_posix()
    places = _places(path, folder)
    rows = _parquet(path) if path.suffix == ".parquet" else _lines(path, bad)
    yield from each(_faces(rows), partial(_sample, inside, places), bad)


def _faces(rows: Iterator[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
    """The first row of each face; those of one face stand together."""
    last = None
    for where, (number, row) in rows:
        face = (row.get("source"), row.get("sample"))
        if face != last or None in face:
            yield where, (number, row)
        last = face


def _lines(path: Path, bad: BadRow) -> Iterator[tuple[str, Row]]:
    for number, (where, line) in enumerate(text_lines(path)):
        try:
            row = json_value(line)
        except ValueError as error:
            bad(where, str(error))
            continue
        if isinstance(row, dict):
            yield where, (number, row)
        else:
            bad(where, "no row of `mien data build`")


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    with open_parquet(path) as file:
        embedded = "bytes" in str(file.schema_arrow.field("images").type)
        images = "images.list.element.path" if embedded else "images"
        number = 0
        for batch in file.iter_batches(1024, columns=[*_COLUMNS, "videos", images]):
            for row in batch.to_pylist():
                yield f"{path}, row {number}", (number, row)
                number += 1


def _places(path: Path, folder: Path) -> dict[str, str]:
    """Source to the folder of its pictures, relative to the set's, where it is known."""
    roots = read_roots(path.parent.parent)
    return {name: os.path.relpath(root, folder) for name, root in roots.items()}


def _sample(inside: str, places: dict[str, str], item: Row) -> Sample:
    number, row = item
    images, videos = row["images"] or [], row["videos"] or []
    embedded = any(isinstance(image, dict) for image in images)
    if embedded and len(images) > 1:
        raise ValueError("a clip inside of Parquet; read the set that has its frames as files")

    def place(name: str) -> str:
        source, _, rest = name.partition("/")
        return f"{places.get(source, source)}/{rest}"

    frames = () if embedded or len(images) < 2 else tuple(place(name) for name in images)
    image = None
    if len(images) == 1:
        image = f"{inside}#row={number}" if embedded else place(images[0])
    labels = row["labels"]
    name = labels["expression"]
    units = labels["action_units"]
    return Sample(
        id=f"{row['source']}/{row['sample']}",
        dataset=row["dataset"],
        image=image,
        frames=frames,
        video=place(videos[0]) if videos else None,
        subject=row["subject"],
        split=row["split"],
        expression=None if name is None else Expression(name, labels["label_set"]),
        action_units=None
        if units is None
        else tuple(ActionUnit(u["au"], u["present"], intensity=u["intensity"]) for u in units),
        licence=row["licence"],
        pseudo=row["pseudo"],
    )
