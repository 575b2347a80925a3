"""FERPlus: the pictures of FER2013 with the votes of ten people for eight expressions.

Layouts (the first two certain: the owners' repository has both lists and the script that makes the
folders):

    fer2013new.csv next to fer2013.csv   columns Usage, Image name, eight classes, unknown, NF; its
                                         rows are those of fer2013.csv, one by one
    data/FER2013Train/label.csv, fer0000000.png; data/FER2013Valid/; data/FER2013Test/ (or without
                                         data/): name, box, the same ten votes
    *.parquet                            a picture and ten votes in each row: a list `votes`, or a
                                         column for each under the owners' names; `split` (or
                                         `Usage`) says which split, else the file's name

How votes become a label (option `rule`):

    majority     a class with one vote only loses it; the class with more than half of the rest, or
                 none. The rule of the owners' code
    probability  the same single votes are dropped; the classes with the most votes are kept until
                 they make up three quarters, three at most; what they make up has to be more than
                 half, and neither "unknown" nor "no face" may be among the first. `scores` of the
                 expression are the shares of the kept votes. The owners' code uses the same shares
                 for what it calls probability and cross-entropy
    argmax       the class with most of all votes, ties to the first; many publications do this

A picture without a label by the rule is left out, or kept with an unknown expression
(``unknown=keep``). "No face" is always left out.

Source: Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced
label distribution", ICMI 2016, and the code of its authors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mien.data.pictures import IMAGE_COLUMNS
from mien.data.readers.base import BadRow, LayoutError, Reader, each, missing
from mien.data.readers.fer2013 import TABLES, USAGES, pixel_rows, split_in_name, usage
from mien.data.readers.files import csv_rows, open_parquet, whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import Expression

_HELP = "`mien data list ferplus`"
_LICENCE = "votes MIT; pictures of FER2013 research only"
_CLASSES = tuple(DATASETS["ferplus"].expressions.values())
_COLUMNS = (*_CLASSES, "unknown", "NF")
_FOLDERS = {"train": "FER2013Train", "validation": "FER2013Valid", "test": "FER2013Test"}
NO_FACE, UNKNOWN = "no face", "unknown"


def _read(
    root: Path, split: str | None, bad: BadRow, *, rule: str, unknown: str
) -> Iterator[Sample]:
    votes = (root / "fer2013new.csv").is_file()
    if votes and any((root / name).is_file() for name in TABLES):
        return _tables(root, split, bad, rule, unknown)
    # the owners' repository has the votes beside the folders, too
    places = [(base, name) for base in ("data/", "") for name in _FOLDERS.values()]
    base = next((b for b, name in places if (root / b / name / "label.csv").is_file()), None)
    if base is None and votes:
        raise missing(root, TABLES, what="grey values of FER2013", hint=_HELP)
    if base is None and (tables := [path for path in root.glob("*.parquet") if _votes_in(path)]):
        return _parquet(sorted(tables), split, bad, rule, unknown)
    if base is None:
        looked = ["fer2013new.csv", "data/FER2013Test/", "FER2013Test/", "*.parquet with votes"]
        raise missing(root, looked, what="FERPlus", hint=_HELP)
    return _folders(root, base, split, bad, rule, unknown)


def decide(votes: Sequence[int], rule: str) -> Expression | str:
    """What a rule makes of votes.

    Args:
        votes: of the eight classes in their order, "unknown" and "no face".
        rule: "majority", "probability" or "argmax", see the module.

    Returns:
        The expression, or `UNKNOWN` or `NO_FACE`.

    Raises:
        ValueError: if there are not ten counts.
    """
    if len(votes) != len(_COLUMNS):
        raise ValueError(f"{len(votes)} counts of votes, not {len(_COLUMNS)}")
    if rule == "argmax":
        return _label(max(range(len(votes)), key=lambda k: votes[k])) if any(votes) else UNKNOWN
    kept = [v if v > 1 else 0 for v in votes]
    total = sum(kept)
    if total == 0:
        return UNKNOWN
    if rule == "majority":
        best = max(range(len(kept)), key=lambda k: kept[k])
        return _label(best) if 2 * kept[best] > total else UNKNOWN
    return _shares(kept, total)


def _label(column: int) -> Expression | str:
    if column < len(_CLASSES):
        return Expression(_CLASSES[column], "basic8")
    return UNKNOWN if column == len(_CLASSES) else NO_FACE


def _shares(votes: Sequence[int], total: int) -> Expression | str:
    """The largest classes with their shares; classes with as many votes are taken together."""
    left = list(votes)
    chosen: dict[int, int] = {}
    while 4 * sum(chosen.values()) < 3 * total and len(chosen) < 3:
        top = max(left)
        for k in [k for k, v in enumerate(left) if v == top]:
            if k >= len(_CLASSES):  # not a class: what was chosen before it has to do
                if chosen:
                    return _expression(chosen, total)
                return _label(k) if 2 * top > total else UNKNOWN
            chosen[k] = top
            left[k] = 0
    return _expression(chosen, total)


def _expression(chosen: dict[int, int], total: int) -> Expression | str:
    votes = sum(chosen.values())
    if 2 * votes <= total or len(chosen) > 3:
        return UNKNOWN
    scores = {name: chosen.get(k, 0) / votes for k, name in enumerate(_CLASSES)}
    return Expression(max(scores, key=lambda name: scores[name]), "basic8", scores)


def _sample(
    name: str, image: str, split: str, votes: Sequence[int], rule: str, unknown: str
) -> Sample | None:
    found = decide(votes, rule)
    if found == NO_FACE or (found == UNKNOWN and unknown == "drop"):
        return None
    attributes: dict[str, str | float] = {
        f"votes_{column.lower()}": float(v) for column, v in zip(_COLUMNS, votes, strict=True) if v
    }
    return Sample(
        id=name.rsplit(".", 1)[0],
        dataset="ferplus",
        image=image,
        split=split,
        expression=Expression(None, "basic8") if isinstance(found, str) else found,
        attributes=attributes,
        licence=_LICENCE,
    )


def _tables(
    root: Path, split: str | None, bad: BadRow, rule: str, unknown: str
) -> Iterator[Sample]:
    pixels = next(root / name for name in TABLES if (root / name).is_file())
    inside = pixels.relative_to(root).as_posix()

    def make(item: tuple[int, dict[str, str], dict[str, str]]) -> Sample | None:
        offset, row, grey = item
        own = usage(row["Usage"])
        if own != usage(grey["usage"]):
            raise LayoutError(
                f"fer2013new.csv and {pixels} differ in row {row.get('Image name') or '?'}:"
                f" {own} there, {usage(grey['usage'])} here. Take both from their owners"
            )
        name = row["Image name"]
        if not name or split not in (None, own):  # no name: the voters saw no face
            return None
        votes = [whole(row[column]) for column in _COLUMNS]
        return _sample(name, f"{inside}#byte={offset}", own, votes, rule, unknown)

    def rows() -> Iterator[tuple[str, tuple[int, dict[str, str], dict[str, str]]]]:
        pairs = zip_longest(csv_rows(root / "fer2013new.csv"), pixel_rows(pixels))
        for one, other in pairs:
            if one is None or other is None:
                short = pixels if other is None else root / "fer2013new.csv"
                raise LayoutError(f"{short}: ends before the other table. Copy both again")
            yield one[0], (other[2], one[1], other[3])

    yield from each(rows(), make, bad)


def _folders(
    root: Path, base: str, split: str | None, bad: BadRow, rule: str, unknown: str
) -> Iterator[Sample]:
    for own, folder in _FOLDERS.items():
        if split not in (None, own) or not (root / base / folder).is_dir():
            continue
        labels = root / base / folder / "label.csv"
        if not labels.is_file():
            raise missing(labels.parent, ["label.csv"], what="votes", hint=_HELP)

        def make(row: dict[str, str], own: str = own, folder: str = folder) -> Sample | None:
            votes = [whole(row[column]) for column in _COLUMNS]
            image = f"{base}{folder}/{row['name']}"
            return _sample(row["name"], image, own, votes, rule, unknown)

        yield from each(csv_rows(labels, columns=("name", "box", *_COLUMNS)), make, bad)


def _votes_in(path: Path) -> list[str]:
    """Columns of a Parquet file that hold the votes; none if it has none, or no pictures."""
    with open_parquet(path) as file:
        names = file.schema_arrow.names
    if not set(IMAGE_COLUMNS) & set(names):
        return []
    return next((c for c in (["votes"], list(_COLUMNS)) if set(c) <= set(names)), [])


def _parquet(
    paths: Sequence[Path], split: str | None, bad: BadRow, rule: str, unknown: str
) -> Iterator[Sample]:
    for path in paths:

        def make(item: tuple[int, dict[str, Any]], path: Path = path) -> Sample | None:
            number, row = item
            own = _split_of(row, path)
            if split not in (None, own):
                return None
            cells = row["votes"] if "votes" in row else [row[column] for column in _COLUMNS]
            if cells is None or None in cells:
                raise ValueError("votes are missing")
            name = (row["picture"] or {}).get("path") or f"{path.stem}-{number:07d}"
            votes = [whole(str(cell)) for cell in cells]
            return _sample(Path(name).name, f"{path.name}#row={number}", own, votes, rule, unknown)

        yield from each(_parquet_rows(path), make, bad)


def _parquet_rows(path: Path) -> Iterator[tuple[str, tuple[int, dict[str, Any]]]]:
    """Rows without the bytes of their pictures; the column of pictures is named `picture`."""
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        picture = next(name for name in IMAGE_COLUMNS if name in names)
        named = str(file.schema_arrow.field(picture).type).startswith("struct")
        columns = [*_votes_in(path), *(n for n in ("split", "Usage") if n in names)]
        columns += [f"{picture}.path"] if named else []
        number = 0
        for batch in file.iter_batches(1024, columns=columns):
            for row in batch.to_pylist():
                row["picture"] = row.pop(picture, None)
                yield f"{path}, row {number}", (number, row)
                number += 1


def _split_of(row: dict[str, Any], path: Path) -> str:
    word = row.get("split") or row.get("Usage")
    if word is None:
        return split_in_name(path)
    return word if word in USAGES.values() else usage(word)


READER = Reader(
    name="ferplus",
    read=_read,
    title="FERPlus",
    labels="8 expressions, with votes",
    licence=_LICENCE,
    access="votes from the owners' repository, pictures from FER2013",
    url="https://github.com/microsoft/FERPlus",
    page="docs/datasets/ferplus.md",
    splits=("train", "validation", "test"),
    options={"rule": ("majority", "probability", "argmax"), "unknown": ("drop", "keep")},
)
