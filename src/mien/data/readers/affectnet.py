"""AffectNet: faces from the web, with eight expressions, valence and arousal.

Two releases, told apart by what is in the folder (both certain; read by many loaders):

    2017: training.csv, validation.csv (there, or in Manually_Annotated_file_lists/), with columns
          subDirectory_filePath, face_x, face_y, face_width, face_height, facial_landmarks,
          expression, valence, arousal; pictures in Manually_Annotated/Manually_Annotated_Images/,
          Manually_Annotated_Images/ or Manually_Annotated/
    2021: train_set/images/0.jpg, train_set/annotations/0_exp.npy, 0_val.npy, 0_aro.npy, 0_lnd.npy;
          val_set/ the same

Both number the classes alike. Some models and re-packed copies number them alphabetically; the
option ``order=alphabetical`` reads such a copy. Valence and arousal of -2 mean none. In the release
of 2017 the classes 8 (none), 9 (uncertain) and 10 (no face) are left out.

Source: Mollahosseini, Hasani & Mahoor, "AffectNet", IEEE Transactions on Affective Computing 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from mien.data.readers.base import BadRow, Reader, each, find, missing, numbered_expression
from mien.data.readers.files import csv_rows, natural, pictures_in, whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import Expression

_HELP = "`mien data list affectnet8`"
_LICENCE = "non-commercial research only"
_COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height"),
    *("facial_landmarks", "expression", "valence", "arousal"),
)
_NO_CLASS = (8, 9, 10)
_LISTS = (
    *("training.csv", "Manually_Annotated_file_lists/training.csv"),
    *("validation.csv", "Manually_Annotated_file_lists/validation.csv"),
)


def _read(root: Path, split: str | None, bad: BadRow, *, name: str, order: str) -> Iterator[Sample]:
    splits = [s for s in ("train", "val") if split in (None, s)]
    if _layout(root) == "2021":
        return chain.from_iterable(_release_2021(root, s, bad, name, order) for s in splits)
    if _layout(root) is None:
        raise missing(root, ["train_set/", "val_set/", *_LISTS], what="AffectNet", hint=_HELP)
    return chain.from_iterable(_release_2017(root, s, bad, name, order) for s in splits)


def _layout(root: Path) -> str | None:
    """The year of the release that a folder holds; None for neither."""
    whole_2021 = any((root / name / "annotations").is_dir() for name in ("train_set", "val_set"))
    if not whole_2021 and any((root / file).is_file() for file in _LISTS):
        return "2017"
    return "2021" if any((root / name).is_dir() for name in ("train_set", "val_set")) else None


def _release_2017(root: Path, split: str, bad: BadRow, name: str, order: str) -> Iterator[Sample]:
    file = {"train": "training.csv", "val": "validation.csv"}[split]
    table = find(
        root,
        [file, f"Manually_Annotated_file_lists/{file}"],
        what=f"list of the {split} split",
        hint=_HELP,
    )
    folder = find(
        root,
        [
            "Manually_Annotated/Manually_Annotated_Images",
            "Manually_Annotated_Images",
            "Manually_Annotated",
        ],
        what="folder of pictures",
        hint=_HELP,
    )
    inside = folder.relative_to(root).as_posix()

    def make(row: dict[str, str]) -> Sample | None:
        number = whole(row["expression"])
        expression = _expression(name, number, order)
        if expression is None:
            return None
        path = row["subDirectory_filePath"]
        return Sample(
            id=path,
            dataset=name,
            image=f"{inside}/{path}",
            split=split,
            expression=expression,
            valence=_signed(row["valence"]),
            arousal=_signed(row["arousal"]),
            box=_box(row),
            licence=_LICENCE,
        )

    yield from each(csv_rows(table, columns=_COLUMNS), make, bad)


def _release_2021(root: Path, split: str, bad: BadRow, name: str, order: str) -> Iterator[Sample]:
    base = f"{split}_set"
    images = find(root, [f"{base}/images"], what=f"pictures of the {split} split", hint=_HELP)
    notes = find(root, [f"{base}/annotations"], what=f"labels of the {split} split", hint=_HELP)

    def make(file: str) -> Sample | None:
        stem = file.rsplit(".", 1)[0]
        expression = _expression(name, whole(_value(notes, stem, "exp")), order)
        if expression is None:
            return None
        return Sample(
            id=f"{split}/{stem}",
            dataset=name,
            image=f"{base}/images/{file}",
            split=split,
            expression=expression,
            valence=_signed(_value(notes, stem, "val")),
            arousal=_signed(_value(notes, stem, "aro")),
            licence=_LICENCE,
        )

    files = sorted(pictures_in(images), key=natural)
    yield from each(((f"{images / file}", file) for file in files), make, bad)


def _value(folder: Path, stem: str, kind: str) -> str:
    """The one value of a label file, which holds text."""
    path = folder / f"{stem}_{kind}.npy"
    try:
        # mapped, so that a head that lies about the length takes no memory
        return str(np.load(path, mmap_mode="r", allow_pickle=False).reshape(-1)[0])
    except FileNotFoundError:
        raise ValueError(f"no label file {path.name} in {folder.name}/") from None
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read ({error})") from error


def _expression(name: str, number: int, order: str) -> Expression | None:
    """None for a class that the set leaves out."""
    if number in _NO_CLASS:
        return None
    classes = DATASETS["affectnet8"].expressions
    if order == "alphabetical":
        if not 0 <= number < len(classes):
            raise ValueError(f"class {number} is not one of 0 to {len(classes) - 1}")
        names = sorted(classes.values())
        number = next(k for k, v in classes.items() if v == names[number])
    if name == "affectnet7" and classes.get(number) == "contempt":
        return None
    return numbered_expression(name, number)


def _signed(text: str) -> float | None:
    """Valence or arousal in [-1, 1]; None for -2. Rounding beyond the ends is cut."""
    value = float(text)
    if value == -2:
        return None
    if not -1.001 <= value <= 1.001:
        raise ValueError(f"valence or arousal is {text}, outside [-1, 1]")
    return min(max(value, -1.0), 1.0)


def _box(row: dict[str, str]) -> tuple[float, float, float, float] | None:
    try:
        x, y, width, height = (
            float(row[key]) for key in ("face_x", "face_y", "face_width", "face_height")
        )
    except ValueError:  # NULL where there is no face
        return None
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _reader(name: str, labels: str) -> Reader:
    return Reader(
        name=name,
        read=partial(_read, name=name),
        title="AffectNet",
        labels=labels,
        licence=_LICENCE,
        access="a professor or head of a laboratory signs the owners' agreement",
        url="http://mohammadmahoor.com/affectnet/",
        page="docs/datasets/affectnet.md",
        splits=("train", "val"),
        options={"order": ("owner", "alphabetical")},
        layout=_layout,
    )


SEVEN = _reader("affectnet7", "7 expressions; valence, arousal")
EIGHT = _reader("affectnet8", "8 expressions; valence, arousal")
