"""DISFA: 27 people who watch a film, with twelve action units graded frame by frame.

Layout:

    ActionUnit_Labels/SN001/SN001_au1.txt          lines "frame,intensity", frames from 1,
                                                   intensity 0 to 5 (certain)
    Videos_LeftCamera/LeftVideoSN001_comp.avi      (certain)
    Video_RightCamera/RightVideoSN001_comp.avi     (certain; also found as Videos_RightCamera)
    img/SN001/0.png                                frames that a user took out of the videos; also
                                                   images/, Images/ or frames/, and folders named
                                                   after the videos (our convention)

Frames that begin with the number 0 are shifted by one, others are taken to be numbered as the
labels are. Without such a folder, frames are read from the video.

`threshold` says from which intensity a unit counts as present: 2, as most publications do, or 1.
`fold` gives splits by the subject-exclusive parts that publications share, see `mien.data.folds`.

Source: Mavadati et al., "DISFA", IEEE Transactions on Affective Computing 4(2), 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.data.folds import DISFA_PARTS, fold_split
from mien.data.readers.base import AskError, BadRow, LayoutError, Reader, each, find, missing
from mien.data.readers.files import pictures_in, text_lines, whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import ActionUnit

_HELP = "`mien data list disfa`"
_LICENCE = "non-commercial research only"
_UNITS = DATASETS["disfa"].action_units
_FRAME_FOLDERS = ("img", "images", "Images", "frames")
_VIDEO_FOLDERS = {
    "left": ("Videos_LeftCamera", "Video_LeftCamera"),
    "right": ("Video_RightCamera", "Videos_RightCamera"),
}


def _read(
    root: Path, split: str | None, bad: BadRow, *, camera: str, threshold: str, fold: str
) -> Iterator[Sample]:
    if split is not None and fold == "none":
        raise AskError("disfa has splits only within a fold; give fold=1, 2 or 3")
    labels = find(
        root,
        ["ActionUnit_Labels", "ActionUnit_Labels/ActionUnit_Labels"],
        what="folder of labels",
        hint=_HELP,
    )
    people = sorted(p.name for p in labels.iterdir() if p.is_dir() and p.name.startswith("SN"))
    if not people:
        raise LayoutError(f"{labels}: no folders like SN001. {_HELP} shows the layout")
    for subject in people:
        try:
            own = None if fold == "none" else fold_split(DISFA_PARTS, int(fold), subject)
            if split not in (None, own):
                continue
            paths = _Paths(root, subject, camera)
        except ValueError as error:
            bad(str(labels / subject), str(error))
            continue
        yield from _person(paths, labels / subject, own, camera, int(threshold), bad)


def _person(
    paths: _Paths, folder: Path, split: str | None, camera: str, threshold: int, bad: BadRow
) -> Iterator[Sample]:
    subject = folder.name
    grades = {au: _grades(folder / f"{subject}_au{au}.txt", bad) for au in _UNITS}

    def make(frame: int) -> Sample:
        values = {au: by_frame.get(frame) for au, by_frame in grades.items()}
        return Sample(
            id=f"{subject}_{camera}_{frame}",
            dataset="disfa",
            image=paths.of(frame),
            subject=subject,
            split=split,
            action_units=tuple(
                ActionUnit(au, None if v is None else v >= threshold, intensity=v)
                for au, v in values.items()
            ),
            attributes={"clip": subject, "camera": camera},
            licence=_LICENCE,
        )

    frames = sorted(set().union(*grades.values()))
    yield from each(((f"{folder}, frame {frame}", frame) for frame in frames), make, bad)


def _grades(path: Path, bad: BadRow) -> dict[int, float]:
    """Frame to intensity; a unit whose file is missing is unknown throughout."""
    found: dict[int, float] = {}
    if not path.is_file():
        bad(str(path), "no such file; its unit is unknown for this person")
        return found
    for where, line in text_lines(path):
        try:
            frame, value = (whole(cell) for cell in line.split(","))
        except ValueError as error:
            bad(where, str(error))
            continue
        if not 0 <= value <= 5:
            bad(where, f"intensity {value} is outside 0 to 5")
            continue
        found[frame] = float(value)
    return found


class _Paths:
    """Where the frames of a person are: in a folder, or in a video."""

    def __init__(self, root: Path, subject: str, camera: str):
        side = camera.capitalize()
        folders = [
            f"{base}/{name}"
            for base in _FRAME_FOLDERS
            for name in (f"{side}Video{subject}_comp", f"{side}Video{subject}", subject)
            if camera == "left" or name != subject  # a plain folder is of the left camera
        ]
        self.names: dict[int, str] | None = None
        self.place = ""
        for folder in folders:
            names = pictures_in(root / folder)
            if names:
                self.place = folder
                self.names = {_number(name): name for name in names}
                self.shift = 1 if 0 in self.names else 0
                return
        videos = [
            f"{base}/{side}Video{subject}_{tail}.avi"
            for base in _VIDEO_FOLDERS[camera]
            for tail in ("comp", "Comp")
        ]
        found = next((path for path in videos if (root / path).is_file()), None)
        if found is None:
            raise missing(
                root,
                [*folders[:2], *videos],
                what=f"frames of {subject}, {camera} camera",
                hint=_HELP,
            )
        self.place = found

    def of(self, frame: int) -> str:
        """Path of a frame, numbered as the labels are."""
        if self.names is None:
            return f"{self.place}#frame={frame - 1}"
        number = frame - self.shift
        return f"{self.place}/{self.names.get(number, f'{number}.png')}"


def _number(name: str) -> int:
    """The last number in a file's name."""
    digits = "".join(c if c.isdecimal() else " " for c in name.rsplit(".", 1)[0]).split()
    return int(digits[-1]) if digits else -1


READER = Reader(
    name="disfa",
    read=_read,
    title="DISFA",
    labels="12 action units with intensity",
    licence=_LICENCE,
    access="sign the owners' agreement, by a member of staff of a university",
    url="http://mohammadmahoor.com/disfa/",
    page="docs/datasets/disfa.md",
    splits=("train", "test"),
    options={
        "camera": ("left", "right"),
        "threshold": ("2", "1"),
        "fold": ("none", "1", "2", "3"),
    },
    people=frozenset().union(*DISFA_PARTS),
)
