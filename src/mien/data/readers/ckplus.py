"""CK+: posed sequences from a neutral face to the peak, with FACS codes and seven expressions.

Layout (certain):

    cohn-kanade-images/S005/001/S005_001_00000001.png   frames, the last is the peak
    Emotion/S005/001/S005_001_00000011_emotion.txt      one number; missing for many sequences
    FACS/S005/001/S005_001_00000011_facs.txt            unit and intensity, a line each; an
                                                        intensity of 0 means present, not graded

The peak frame is a Sample with units and, where there is one, expression. The first frame is
neutral by the design of the recordings (``neutral=drop`` leaves it out); its units are not coded.
Codes of movements that mien has no name for (head, gaze, AU21, AU31 ...) stand in the attribute
`other_codes`. A unit that a coded peak does not list is absent.

Source: Lucey et al., "The extended Cohn-Kanade dataset (CK+)", CVPR workshops 2010.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.data.readers.base import BadRow, Reader, each, find, numbered_expression
from mien.data.readers.files import pictures_in, text_lines, whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

_HELP = "`mien data list ck+`"
_LICENCE = "non-commercial research only"
_UNITS = DATASETS["ck+"].action_units


def _read(root: Path, split: str | None, bad: BadRow, *, neutral: str) -> Iterator[Sample]:
    images = find(
        root,
        ["cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images"],
        what="folder of sequences",
        hint=_HELP,
    )
    emotions = find(
        root,
        ["Emotion", "Emotion_labels/Emotion", "Emotion_Labels/Emotion"],
        what="folder of expressions",
        hint=_HELP,
    )
    codes = find(
        root, ["FACS", "FACS_labels/FACS", "FACS_Labels/FACS"], what="folder of codes", hint=_HELP
    )
    inside = images.relative_to(root).as_posix()

    def peak(sequence: tuple[str, str, list[str]]) -> Sample:
        subject, number, frames = sequence
        place = Path(subject, number)
        units, other = _units(codes / place)
        return Sample(
            id=f"{subject}_{number}_peak",
            dataset="ck+",
            image=f"{inside}/{subject}/{number}/{frames[-1]}",
            subject=subject,
            expression=_expression(emotions / place),
            action_units=units,
            attributes={"other_codes": " ".join(other)} if other else {},
            licence=_LICENCE,
        )

    def first(sequence: tuple[str, str, list[str]]) -> Sample:
        subject, number, frames = sequence
        return Sample(
            id=f"{subject}_{number}_first",
            dataset="ck+",
            image=f"{inside}/{subject}/{number}/{frames[0]}",
            subject=subject,
            expression=Expression("neutral", "basic8"),
            licence=_LICENCE,
        )

    for subject in sorted(p.name for p in images.iterdir() if p.is_dir()):
        for number in sorted(p.name for p in (images / subject).iterdir() if p.is_dir()):
            frames = pictures_in(images / subject / number)
            where = f"{images / subject / number}"
            if not frames:
                bad(where, "no frames in this sequence")
                continue
            row = [(where, (subject, number, frames))]
            if neutral == "keep" and len(frames) > 1:
                yield from each(row, first, bad)
            yield from each(row, peak, bad)


def _expression(folder: Path) -> Expression | None:
    file = next(iter(sorted(folder.glob("*_emotion.txt"))), None)
    if file is None:
        return None
    for _, line in text_lines(file):
        return numbered_expression("ck+", whole(line))
    raise ValueError(f"{file.name} is empty")


def _units(folder: Path) -> tuple[tuple[ActionUnit, ...] | None, list[str]]:
    """Units in order, and codes without a name in mien; None where the sequence is not coded."""
    file = next(iter(sorted(folder.glob("*_facs.txt"))), None)
    if file is None:
        return None, []
    present: dict[int, float | None] = {}
    other: list[str] = []
    for _, line in text_lines(file):
        cells = line.split()
        code, grade = whole(cells[0]), whole(cells[1])
        if not 0 <= grade <= 5:
            raise ValueError(f"{file.name}: intensity {grade} of AU{code} is outside 0 to 5")
        if code in _UNITS:
            present[code] = float(grade) if grade else None
        else:
            other.append(str(code))
    units = tuple(
        ActionUnit(au, present=True, intensity=present[au])
        if au in present
        else ActionUnit(au, present=False, intensity=0.0)
        for au in _UNITS
    )
    return units, other


READER = Reader(
    name="ck+",
    read=_read,
    title="Extended Cohn-Kanade (CK+)",
    labels="7 expressions and neutral; action units with intensity",
    licence=_LICENCE,
    access="sign the owners' agreement",
    url="https://www.jeffcohn.net/resources/",
    page="docs/datasets/ckplus.md",
    options={"neutral": ("keep", "drop")},
)
