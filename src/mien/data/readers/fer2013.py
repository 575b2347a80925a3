"""FER2013: 48 x 48 grey faces from the web, with seven expressions.

Three layouts, told apart by what is in the folder:

    fer2013.csv or icml_face_data.csv   columns emotion, pixels, Usage (certain)
    train/angry/*.jpg, test/angry/*.jpg the folders that Kaggle offers; there `test` is the public
                                        and the private test set together (certain)
    *.parquet                           a picture and a label in each row, as on Hugging Face; the
                                        names of the classes are read from the file's metadata

Numbers in a Parquet file without names are not trusted: such files are often numbered by the
alphabet (surprise and neutral change places), so that ``order`` has to say which it is.

Source: Goodfellow et al., "Challenges in representation learning", 2013.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from mien.data.readers.base import (
    BadRow,
    LayoutError,
    Reader,
    each,
    missing,
    named_expression,
    numbered_expression,
    regular,
)
from mien.data.readers.files import open_parquet, pictures_in, whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import Expression
from mien.untrusted import json_value

_HELP = "`mien data list fer2013`"
_LICENCE = "research only; pictures from a web search"
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_LINE = 1 << 20
"""Bytes of a row; 48 x 48 grey values have less than 10,000."""
TABLES = ("fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv")


def _read(root: Path, split: str | None, bad: BadRow, *, order: str) -> Iterator[Sample]:
    kind = layout(root)
    if kind == "table":
        table = next(root / name for name in TABLES if (root / name).is_file())
        return _table(root, table, split, bad)
    if kind == "folders":
        return _folders(root, split, bad)
    if kind == "parquet":
        return _parquet(root, sorted(root.rglob("*.parquet")), split, bad, order)
    looked = (*TABLES, "train/", "test/", "*.parquet")
    raise missing(root, looked, what="FER2013", hint=_HELP)


def layout(root: Path) -> str | None:
    """Which of the three layouts a folder has: "table", "folders" or "parquet"; None for none."""
    if any((root / name).is_file() for name in TABLES):
        return "table"
    if (root / "train").is_dir() or (root / "test").is_dir():
        return "folders"
    return "parquet" if next(root.rglob("*.parquet"), None) is not None else None


def pixel_rows(path: Path) -> Iterator[tuple[str, int, int, dict[str, str]]]:
    """Rows of the table of grey values.

    Yields:
        ``file:line``, number of the row from 0, byte at which it begins, and its cells.

    Raises:
        LayoutError: if there is no column of pixels, or no text.
    """
    with regular(path).open("rb") as file:
        try:
            header = next(csv.reader([file.readline(_LINE).decode("utf-8-sig")]), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise LayoutError(f"{path}: not a table in UTF-8 ({error}); copy it again") from error
        names = [name.strip().lower() for name in header]
        if "pixels" not in names:
            raise LayoutError(f"{path}: no column 'pixels' in {', '.join(names)}. See {_HELP}")
        number, line = 0, 1
        while True:
            offset = file.tell()
            raw = file.readline(_LINE)
            if not raw:
                return
            line += 1
            if not raw.strip():
                continue
            text = raw.decode("utf-8", errors="replace").replace("\0", "")
            try:
                cells = next(csv.reader([text]), [])
            except csv.Error as error:
                raise LayoutError(f"{path}:{line}: no row ({error}); copy it again") from error
            yield f"{path}:{line}", number, offset, dict(zip(names, cells, strict=False))
            number += 1


def _table(root: Path, table: Path, split: str | None, bad: BadRow) -> Iterator[Sample]:
    inside = table.relative_to(root).as_posix()

    def make(item: tuple[int, int, dict[str, str]]) -> Sample | None:
        number, offset, row = item
        own = usage(row["usage"])
        if split not in (None, own):
            return None
        values = row["pixels"].count(" ") + 1
        if values != 48 * 48:
            raise ValueError(f"{values} grey values, not 48 x 48")
        return Sample(
            id=f"fer{number:07d}",
            dataset="fer2013",
            image=f"{inside}#byte={offset}",
            split=own,
            expression=numbered_expression("fer2013", whole(row["emotion"])),
            licence=_LICENCE,
        )

    rows = ((where, (n, offset, row)) for where, n, offset, row in pixel_rows(table))
    yield from each(rows, make, bad)


def usage(word: str) -> str:
    """Our name of a split of the challenge."""
    if word.strip() not in USAGES:
        raise ValueError(f"usage {word!r} is not one of {', '.join(USAGES)}")
    return USAGES[word.strip()]


def _folders(root: Path, split: str | None, bad: BadRow) -> Iterator[Sample]:
    for own in ("train", "test"):
        if split not in (None, own):
            continue
        for folder in sorted(p for p in (root / own).glob("*") if p.is_dir()):
            try:
                expression = named_expression("fer2013", folder.name)
            except ValueError as error:
                bad(str(folder), str(error))
                continue
            for name in pictures_in(folder):
                path = f"{own}/{folder.name}/{name}"
                yield Sample(
                    id=path.rsplit(".", 1)[0],
                    dataset="fer2013",
                    image=path,
                    split=own,
                    expression=expression,
                    licence=_LICENCE,
                )


def _parquet(
    root: Path, files: list[Path], split: str | None, bad: BadRow, order: str
) -> Iterator[Sample]:
    for path in files:
        own = split_in_name(path)
        if split not in (None, own):
            continue
        inside = path.relative_to(root).as_posix()
        with open_parquet(path) as file:
            schema = file.schema_arrow
            column = next((c for c in ("label", "labels", "emotion") if c in schema.names), None)
            if column is None:
                found = ", ".join(schema.names)
                raise LayoutError(f"{path}: no column label, labels or emotion in {found}")
            names = _class_names(schema.metadata or {}, column)

            def make(
                item: tuple[int, object],
                own: str = own,
                inside: str = inside,
                names: list[str] | None = names,
            ) -> Sample:
                number, label = item
                return Sample(
                    id=f"{inside.rsplit('.', 1)[0]}-{number:07d}",
                    dataset="fer2013",
                    image=f"{inside}#row={number}",
                    split=own,
                    expression=_expression(label, names, order),
                    licence=_LICENCE,
                )

            number = 0
            for batch in file.iter_batches(1024, columns=[column]):
                labels = batch.column(0).to_pylist()
                rows = (
                    (f"{path}, row {number + k}", (number + k, label))
                    for k, label in enumerate(labels)
                )
                yield from each(rows, make, bad)
                number += len(labels)


def split_in_name(path: Path) -> str:
    """The split that the name of a file tells; "train" where it tells none."""
    name = path.stem.lower()
    if "private" in name or "test" in name.replace("publictest", ""):
        return "test"
    if "public" in name or "val" in name:
        return "validation"
    return "train"


def _class_names(metadata: dict[bytes, bytes], column: str) -> list[str] | None:
    """Names of the classes in the metadata that Hugging Face's datasets write."""
    try:
        features = json_value(metadata[b"huggingface"])["info"]["features"]
        return list(features[column]["names"])
    except (KeyError, TypeError, ValueError):
        return None


def _expression(label: object, names: list[str] | None, order: str) -> Expression:
    if isinstance(label, str):
        return named_expression("fer2013", label)
    if not isinstance(label, int):
        raise ValueError(f"label {label!r} is neither a number nor a word")
    if names is not None:
        if not 0 <= label < len(names):
            raise ValueError(f"label {label} is outside of the {len(names)} classes of the file")
        if not names[label].isdecimal():
            return named_expression("fer2013", names[label])
    if order == "unknown":
        raise LayoutError(
            "the Parquet file has no names of classes; say order=owner (3 is happiness, 4 sadness,"
            " 5 surprise, 6 neutral) or order=alphabetical (4 neutral, 5 sadness, 6 surprise)"
        )
    if order == "alphabetical":
        classes = sorted(DATASETS["fer2013"].expressions.values())
        if not 0 <= label < len(classes):
            raise ValueError(f"label {label} is outside of {len(classes)} classes")
        return named_expression("fer2013", classes[label])
    return numbered_expression("fer2013", label)


READER = Reader(
    name="fer2013",
    read=_read,
    title="FER2013",
    labels="7 expressions",
    licence=_LICENCE,
    access="download from Kaggle with an account",
    url="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    page="docs/datasets/fer2013.md",
    splits=("train", "validation", "test"),
    options={"order": ("unknown", "owner", "alphabetical")},
    optional=("validation",),
    layout=layout,
)
