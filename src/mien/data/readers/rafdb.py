"""RAF-DB: faces from the web, with seven basic or eleven compound expressions.

Layout, as the owners hand it out (certain; the loaders of many publications read the same):

    basic/EmoLabel/list_patition_label.txt             "train_00001.jpg 5", a line each
    basic/Image/aligned/train_00001_aligned.jpg
    basic/Image/original/train_00001.jpg
    basic/Annotation/manual/train_00001_manu_attri.txt five landmarks, gender, race, age
    compound/...                                        the same

Source: Li, Deng & Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mien.data.readers.base import BadRow, Reader, each, find, numbered_expression, regular
from mien.data.readers.files import text_lines, whole
from mien.datasets import DATASETS
from mien.sample import Sample

_HELP = "`mien data list rafdb`"
_LICENCE = "non-commercial research only"

# The numbers of lines 6 to 8 in an attribute file.
_GENDERS = ("male", "female", "unsure")
_RACES = ("Caucasian", "African-American", "Asian")
_AGES = ("0-3", "4-19", "20-39", "40-69", "70+")


def _read(
    root: Path, split: str | None, bad: BadRow, *, part: str, images: str
) -> Iterator[Sample]:
    base = root if (root / "EmoLabel").is_dir() else root / part
    label = "EmoLabel/list_patition_label.txt"
    inside = base.relative_to(root).as_posix()
    prefix = "" if inside == "." else inside + "/"
    lines = find(root, [f"{prefix}{label}"], what=f"labels of the {part} part", hint=_HELP)
    find(root, [f"{prefix}Image/{images}"], what=f"folder of {images} pictures", hint=_HELP)
    suffix = "_aligned" if images == "aligned" else ""

    def make(line: str) -> Sample | None:
        name, number = line.split()
        stem = name.rsplit(".", 1)[0]
        own = stem.split("_")[0]
        if own not in ("train", "test"):
            raise ValueError(f"{name!r} begins neither with train_ nor with test_")
        if split not in (None, own):
            return None
        attributes = _attributes(base / "Annotation" / "manual" / f"{stem}_manu_attri.txt")
        expression = None
        if part == "basic":
            expression = numbered_expression("rafdb", whole(number))
        else:
            attributes["compound"] = _compound(whole(number))
        return Sample(
            id=stem,
            dataset="rafdb" if part == "basic" else "rafdb_compound",
            image=f"{prefix}Image/{images}/{stem}{suffix}.jpg",
            split=own,
            expression=expression,
            attributes=attributes,
            licence=_LICENCE,
        )

    return each(text_lines(lines), make, bad)


def _compound(number: int) -> str:
    names = DATASETS["rafdb_compound"].compounds
    if number not in names:
        raise ValueError(f"compound class {number} is not one of 1 to {len(names)}")
    return names[number]


def _attributes(path: Path) -> dict[str, str | float]:
    """Gender, race and age group; nothing where the file is not there."""
    try:
        lines = regular(path).read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return {}
    try:
        gender, race, age = (whole(line) for line in lines[5:8])
        return {"gender": _GENDERS[gender], "race": _RACES[race], "age": _AGES[age]}
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path.name} has no gender, race and age in lines 6 to 8") from error


def _reader(name: str, part: str, labels: str) -> Reader:
    return Reader(
        name=name,
        read=partial(_read, part=part),
        title=f"RAF-DB ({part})",
        labels=labels,
        licence=_LICENCE,
        access="a member of staff of a university asks the owners by e-mail for the password",
        url="http://www.whdeng.cn/RAF/model1.html",
        page="docs/datasets/rafdb.md",
        splits=("train", "test"),
        options={"images": ("aligned", "original")},
    )


BASIC = _reader("rafdb", "basic", "7 expressions; age, gender, race")
COMPOUND = _reader("rafdb_compound", "compound", "11 compound expressions; age, gender, race")
