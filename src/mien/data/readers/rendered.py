"""What mien writes: rendered faces, FEABench-Synth, built sets, and any list of Samples.

Layouts, told apart by what is in the folder; `root` may also be one such file:

    *.parquet       rows of rendered pictures, as `mien synth` and FEABench-Synth have them
    samples.jsonl   a Sample a line, with pictures beside, as of ``mien synth --format folder``
    clips.jsonl     a Sample a line, with videos, as of `mien synth sequence`
    build.json      a set of `mien data build`, see `mien.data.readers.built`

Parquet may also hold rows of `mien data build`, or a table of your own, with its columns as in CSV.
Of one file, paths are relative to its folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.data.inside import MANIFEST
from mien.data.readers.base import BadRow, LayoutError, Reader, each, missing
from mien.data.readers.built import DATA, read_built
from mien.data.readers.files import open_parquet, text_lines
from mien.data.readers.table import read_table
from mien.sample import Sample
from mien.synth.picture_row import LABEL_COLUMNS, sample_of

_HELP = "`mien data list synth`"
_LISTS = ("samples.jsonl", "clips.jsonl")


def _read(root: Path, split: str | None, bad: BadRow) -> Iterator[Sample]:
    if root.is_file():
        files = [root]
    elif (root / MANIFEST).is_file():
        files = sorted(p for p in (root / DATA).glob("*") if p.suffix in (".jsonl", ".parquet"))
    else:
        files = [root / name for name in _LISTS if (root / name).is_file()]
        files = files or sorted(root.glob("*.parquet"))
    if not files:
        raise missing(root, [*_LISTS, "*.parquet"], what="rendered faces", hint=_HELP)
    for path in files:
        if path.suffix == ".parquet":
            rows = _parquet(root, path, bad)
        elif path.parent.name == DATA and path.name not in _LISTS:
            rows = read_built(root, path, bad)
        else:
            rows = _lines(path, bad)
        yield from (sample for sample in rows if split in (None, sample.split))


def _lines(path: Path, bad: BadRow) -> Iterator[Sample]:
    yield from each(text_lines(path), _line, bad)


def _line(text: str) -> Sample:
    sample = Sample.from_json(text)
    for name in ("id", "dataset", "image", "video", "subject", "split", "licence"):
        value = getattr(sample, name)
        if not isinstance(value, str | None):
            raise ValueError(f"{name} is {value!r}, not a text")
    if not isinstance(sample.attributes, dict):
        raise ValueError(f"attributes are {sample.attributes!r}, not an object")
    return sample


def _parquet(root: Path, path: Path, bad: BadRow) -> Iterator[Sample]:
    """Rows of whichever of the three kinds the columns tell."""
    with open_parquet(path) as file:
        names = set(file.schema_arrow.names)
    lacking = [c for c in LABEL_COLUMNS if c.split(".")[0] not in names]
    if not lacking:
        return _table(path, bad)
    if names >= {"messages", "labels", "images"}:
        return read_built(root, path, bad)
    if names & {"image", "video"}:
        return read_table(root, path, None, bad)
    raise LayoutError(
        f"{path}: no table of `mien synth`, which has {', '.join(lacking)}, too; no rows of "
        f"`mien data build`, and no table with a column image or video. See {_HELP}"
    )


def _table(path: Path, bad: BadRow) -> Iterator[Sample]:
    with open_parquet(path) as file:
        number = 0
        for batch in file.iter_batches(1024, columns=list(LABEL_COLUMNS)):
            rows = [(number + k, row) for k, row in enumerate(batch.to_pylist())]
            places = ((f"{path}, row {k}", (k, row)) for k, row in rows)
            yield from each(places, lambda item: _sample(path, *item), bad)
            number += len(rows)


def _sample(path: Path, number: int, row: dict[str, Any]) -> Sample:
    return replace(sample_of(row), image=f"{path.name}#row={number}")


READER = Reader(
    name="synth",
    read=_read,
    title="Rendered faces and built sets of mien",
    labels="action units with intensity, expression, attributes",
    licence="free to share, see the card of the set",
    access="mien synth --out DIR",
    url="",
    page="docs/datasets/synth.md",
    single=True,
    splits=("train", "validation", "test"),
    optional=("train", "validation", "test"),
)
