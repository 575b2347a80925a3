"""BP4D: eight spontaneous tasks of 41 people, with action units frame by frame.

Layout:

    AUCoding/AU_OCC/F001_T1.csv            first line: 0, 1, 2 ... 99; then frame number and a value
                                           for each unit: 0 absent, 1 present, 9 unknown (certain)
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv  frame number and intensity 0 to 5, 9 unknown; no header;
                                           for units 6, 10, 12, 14 and 17 (as far as is known)
    2D+3D/F001/T1/2440.jpg                 frames; also img/, Images/ or straight below the folder
                                           (publications differ in where they put them)

`fold` (1 to 3) gives the splits train and test by the subject-exclusive parts that publications
share, see `mien.data.folds`. Presence comes from the occurrence files alone.

Source: Zhang et al., "BP4D-Spontaneous", Image and Vision Computing 32(10), 2014.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mien import facs
from mien.data.folds import BP4D_PARTS, fold_split
from mien.data.readers.base import AskError, BadRow, LayoutError, Reader, each, find
from mien.data.readers.files import csv_rows, pictures_in, text_lines, whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import ActionUnit

_HELP = "`mien data list bp4d`"
_LICENCE = "licence for a fee; research only"
_NAME = re.compile(r"(?P<subject>[FM]\d{3})_(?P<task>T\d+)")
_UNKNOWN = 9
_PLACES = ("2D+3D/", "img/", "Images/", "images/", "")


def _read(root: Path, split: str | None, bad: BadRow, *, fold: str, units: str) -> Iterator[Sample]:
    if split is not None and fold == "none":
        raise AskError("bp4d has splits only within a fold; give fold=1, 2 or 3")
    codes = find(
        root,
        ["AUCoding/AU_OCC", "AU_OCC", "AUCoding", "AU/OCC"],
        what="folder of occurrence codes",
        hint=_HELP,
    )
    files = sorted(p for p in codes.glob("*.csv") if _NAME.fullmatch(p.stem))
    if not files:
        raise LayoutError(f"{codes}: no files like F001_T1.csv. {_HELP} shows the layout")
    intensities = next(
        (root / p for p in ("AUCoding/AU_INT", "AU_INT") if (root / p).is_dir()), None
    )
    for path in files:
        named = _NAME.fullmatch(path.stem)
        assert named is not None
        subject, task = named["subject"], named["task"]
        try:
            own = None if fold == "none" else fold_split(BP4D_PARTS, int(fold), subject)
            if split not in (None, own):
                continue
            folder = find(
                root,
                [f"{base}{subject}/{task}" for base in _PLACES],
                what=f"frames of {subject} {task}",
                hint=_HELP,
            )
        except ValueError as error:
            bad(str(path), str(error))
            continue
        yield from _task(root, path, folder, subject, task, own, intensities, units, bad)


def _task(
    root: Path,
    path: Path,
    folder: Path,
    subject: str,
    task: str,
    split: str | None,
    intensities: Path | None,
    units: str,
    bad: BadRow,
) -> Iterator[Sample]:
    inside = folder.relative_to(root).as_posix()
    # The names are frame numbers, with or without leading zeros.
    names = {whole(name.rsplit(".", 1)[0]): name for name in _numbered(folder)}
    grades = _grades(intensities, f"{subject}_{task}", bad)

    def make(row: dict[str, str]) -> Sample:
        frame = whole(row["0"])
        wanted = DATASETS["bp4d"].action_units
        if units == "all":
            wanted = tuple(au for au in facs.ACTION_UNITS if row.get(str(au), "9") != "9")
        return Sample(
            id=f"{subject}_{task}_{frame}",
            dataset="bp4d",
            image=f"{inside}/{names.get(frame, f'{frame}.jpg')}",
            subject=subject,
            split=split,
            action_units=tuple(_unit(au, row[str(au)], grades.get(au, {}), frame) for au in wanted),
            attributes={"clip": f"{subject}_{task}"},
            licence=_LICENCE,
        )

    yield from each(csv_rows(path), make, bad)


def _numbered(folder: Path) -> list[str]:
    return [name for name in pictures_in(folder) if name.rsplit(".", 1)[0].isdecimal()]


def _unit(au: int, cell: str, grades: Mapping[int, float | None], frame: int) -> ActionUnit:
    value = whole(cell)
    if value not in (0, 1, _UNKNOWN):
        raise ValueError(f"AU{au} is {value}, not 0, 1 or 9")
    present = None if value == _UNKNOWN else value == 1
    return ActionUnit(au, present=present, intensity=grades.get(frame))


def _grades(folder: Path | None, name: str, bad: BadRow) -> dict[int, dict[int, float | None]]:
    """Unit to frame to intensity; empty where intensities are not there."""
    found: dict[int, dict[int, float | None]] = {}
    if folder is None:
        return found
    for path in sorted(folder.glob(f"AU*/{name}_AU*.csv")):
        unit = whole(path.stem.rsplit("_AU", 1)[1])
        grades = found.setdefault(unit, {})
        for where, line in text_lines(path):
            try:
                frame, value = (whole(cell) for cell in line.split(","))
            except ValueError as error:
                bad(where, str(error))
                continue
            if value != _UNKNOWN and not 0 <= value <= 5:
                bad(where, f"intensity {value} is outside 0 to 5")
                continue
            grades[frame] = None if value == _UNKNOWN else float(value)
    return found


READER = Reader(
    name="bp4d",
    read=_read,
    title="BP4D-Spontaneous",
    labels="12 action units, 5 of them with intensity",
    licence=_LICENCE,
    access="a licence agreement and a fee, by a member of staff of a university",
    url="https://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html",
    page="docs/datasets/bp4d.md",
    splits=("train", "test"),
    options={"fold": ("none", "1", "2", "3"), "units": ("benchmark", "all")},
    people=frozenset().union(*BP4D_PARTS),
)
