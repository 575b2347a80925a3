"""Aff-Wild2: videos from the web with expression, twelve action units, valence and arousal.

`affwild2` joins the three annotations of the ABAW competitions on the same frame (layout certain;
the folder of annotations is found under the names of all years):

    Annotations/EXPR_Recognition_Challenge/Train_Set/video1.txt    a header, then a class a line
    Annotations/AU_Detection_Challenge/Validation_Set/video1.txt   twelve values a line, commas
    Annotations/VA_Estimation_Challenge/Train_Set/video1_left.txt  valence, arousal
    cropped_aligned/video1/00001.jpg                               line 1 after the header, and on

-1 is an unknown class or unit and -5 an unknown valence or arousal. A frame without a picture (no
face was found) or without any label is left out. A file follows one person, so that its name serves
as subject. The competitions split the videos differently: a video that is in the training set of
one and in the validation set of another has the split "mixed", and belongs to neither.

`affwild2_static` reads the frames that carry all labels together (s-Aff-Wild2, the competitions of
multi-task learning; layout certain but for the names of the lists, which differ from year to year):

    MTL_Challenge/train_set.txt   header, then image, valence, arousal, expression, twelve units

Source: Kollias & Zafeiriou, "Aff-Wild2", 2018, and the descriptions of the ABAW competitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.data.readers.base import BadRow, LayoutError, Reader, each, find, missing
from mien.data.readers.base import numbered_expression as expression_of
from mien.data.readers.files import pictures_in, text_lines, whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

_HELP = "`mien data list affwild2`"
_LICENCE = "non-commercial research only"
_UNITS = DATASETS["affwild2"].action_units
_TASKS = {
    "expression": ("EXPR_Recognition_Challenge", "EXPR_Classification_Challenge"),
    "units": ("AU_Detection_Challenge",),
    "valence": ("VA_Estimation_Challenge",),
}
_SETS = {"train": "Train_Set", "validation": "Validation_Set"}
_IMAGES = ("cropped_aligned", "cropped_aligned_images", "cropped_aligned_new_50_vids")
_MIXED = "mixed"

Labels = tuple[Expression | None, tuple[ActionUnit, ...] | None, float | None, float | None]


def _read(root: Path, split: str | None, bad: BadRow, *, need: str) -> Iterator[Sample]:
    videos = list(_videos(root, split, need))
    images = [root / name for name in _IMAGES if (root / name).is_dir()]
    if not images:
        raise missing(root, _IMAGES, what="folder of aligned faces", hint=_HELP)
    for video, name, tasks in videos:
        yield from _video(root, images, video, name, tasks, need, bad)


def _videos(
    root: Path, split: str | None, need: str
) -> Iterator[tuple[str, str, dict[str, tuple[str, Path]]]]:
    """Name, split and files of each video with enough annotations."""
    for video, tasks in sorted(_annotation_files(root).items()):
        own = {where for where, _ in tasks.values()}
        name = own.pop() if len(own) == 1 else _MIXED
        if split in (None, name) and _enough(set(tasks), need):
            yield video, name, tasks


def _gaps(root: Path, split: str | None, *, need: str) -> Iterator[tuple[str, int, int]]:
    """Videos with their numbers of labelled frames and of those without a picture."""
    for video, _, tasks in _videos(root, split, need):
        lines = {task: _lines(path) for task, (_, path) in tasks.items()}
        folders = [root / name / video for name in _IMAGES]
        names = pictures_in(next((folder for folder in folders if folder.is_dir()), folders[0]))
        there = {int(n) for n in (name.rsplit(".", 1)[0] for name in names) if n.isdecimal()}
        labelled = [
            frame
            for frame in range(1, max(map(len, lines.values())) + 1)
            if _enough(
                {
                    task
                    for task, values in lines.items()
                    if frame <= len(values) and _labelled(task, values[frame - 1])
                },
                need,
            )
        ]
        yield video, len(labelled), sum(frame not in there for frame in labelled)


def _labelled(task: str, line: str) -> bool:
    """Whether a line of a file says anything of its frame."""
    try:
        values = {float(cell) for cell in line.split(",")}
    except ValueError:
        return False  # the reader reports the line
    return -5 not in values if task == "valence" else values != {-1}


def _annotation_files(root: Path) -> dict[str, dict[str, tuple[str, Path]]]:
    """Video to task to its split and file."""
    found: dict[str, dict[str, tuple[str, Path]]] = {}
    for task, names in _TASKS.items():
        for name in names:
            for place in (root / name, *root.glob(f"*/{name}"), *root.glob(f"*/*/{name}")):
                for split, folder in _SETS.items():
                    for path in sorted((place / folder).glob("*.txt")):
                        found.setdefault(path.stem, {})[task] = (split, path)
    if not found:
        looked = [f"*/{name}/Train_Set/*.txt" for names in _TASKS.values() for name in names]
        raise missing(root, looked, what="annotations", hint=_HELP)
    return found


def _enough(known: set[str], need: str) -> bool:
    wanted = {
        "any": set(),
        "expression+units": {"expression", "units"},
        "all": set(_TASKS),
    }[need]
    return bool(known) and wanted <= known


def _video(
    root: Path,
    places: list[Path],
    video: str,
    split: str,
    tasks: dict[str, tuple[str, Path]],
    need: str,
    bad: BadRow,
) -> Iterator[Sample]:
    folder = next((p / video for p in places if (p / video).is_dir()), None)
    if folder is None:
        bad(str(places[0] / video), "no folder with the faces of this annotated video")
        return
    inside = folder.relative_to(root).as_posix()
    lines = {task: _lines(path) for task, (_, path) in tasks.items()}

    def make(name: str) -> Sample | None:
        frame = whole(name.rsplit(".", 1)[0])
        row = {
            task: values[frame - 1] for task, values in lines.items() if 0 < frame <= len(values)
        }
        expression = _class(row["expression"]) if "expression" in row else None
        units = _coded(row["units"].split(",")) if "units" in row else None
        valence, arousal = _signed(row["valence"].split(",")) if "valence" in row else (None, None)
        known = {
            task
            for task, value in (("expression", expression), ("units", units), ("valence", valence))
            if value is not None
        }
        if not _enough(known, need):
            return None
        return _sample(
            "affwild2",
            f"{video}/{frame:05d}",
            f"{inside}/{name}",
            video,
            split,
            (expression, units, valence, arousal),
        )

    names = [n for n in pictures_in(folder) if n.rsplit(".", 1)[0].isdecimal()]
    yield from each(((f"{folder / name}", name) for name in names), make, bad)


def _lines(path: Path) -> list[str]:
    """Values of a file; its first line is a header."""
    return [line for _, line in text_lines(path)][1:]


def _class(cell: str) -> Expression | None:
    number = whole(cell)
    return None if number == -1 else expression_of("affwild2", number)


def _coded(cells: list[str]) -> tuple[ActionUnit, ...] | None:
    """Units in their order, single ones unknown; None where none is known."""
    if len(cells) != len(_UNITS):
        raise ValueError(f"{len(cells)} values for {len(_UNITS)} action units")
    values = [whole(cell) for cell in cells]
    if set(values) - {-1, 0, 1}:
        raise ValueError(f"action units {cells} are not all -1, 0 or 1")
    if set(values) == {-1}:
        return None
    return tuple(
        ActionUnit(au, None if v == -1 else v == 1) for au, v in zip(_UNITS, values, strict=True)
    )


def _signed(cells: list[str]) -> tuple[float | None, float | None]:
    values = [float(cell) for cell in cells]
    if len(values) != 2:
        raise ValueError(f"{len(values)} values, not valence and arousal")
    if -5 in values:
        return None, None
    return values[0], values[1]


def _sample(dataset: str, name: str, image: str, video: str, split: str, labels: Labels) -> Sample:
    expression, units, valence, arousal = labels
    return Sample(
        id=name,
        dataset=dataset,
        image=image,
        subject=video,
        split=split,
        expression=expression,
        action_units=units,
        valence=valence,
        arousal=arousal,
        attributes={"clip": video},
        licence=_LICENCE,
    )


def _read_static(root: Path, split: str | None, bad: BadRow, *, need: str) -> Iterator[Sample]:
    lists = {
        "train": ("train_set.txt", "training_set_annotations.txt", "train_set_annotations.txt"),
        "validation": ("validation_set.txt", "validation_set_annotations.txt"),
    }
    images = find(root, _IMAGES, what="folder of aligned faces", hint=_HELP)
    inside = images.relative_to(root).as_posix()
    for own, names in lists.items():
        if split not in (None, own):
            continue
        path = find(
            root,
            [
                f"{base}{name}"
                for name in names
                for base in ("MTL_Challenge/", "", "*/MTL_Challenge/")
            ],
            what=f"list of the {own} split",
            hint=_HELP,
        )

        def make(line: str, own: str = own) -> Sample | None:
            cells = line.split(",")
            if len(cells) != 4 + len(_UNITS):
                raise ValueError(f"{len(cells)} values, not {4 + len(_UNITS)}")
            valence, arousal = _signed(cells[1:3])
            expression, units = _class(cells[3]), _coded(cells[4:])
            known = {
                task
                for task, value in (
                    ("expression", expression),
                    ("units", units),
                    ("valence", valence),
                )
                if value is not None
            }
            if not _enough(known, need):
                return None
            video, _, frame = cells[0].rpartition("/")
            if not video:
                raise ValueError(f"{cells[0]!r} is not like video/00001.jpg")
            return _sample(
                "affwild2_static",
                f"{video}/{frame.rsplit('.', 1)[0]}",
                f"{inside}/{cells[0]}",
                video,
                own,
                (expression, units, valence, arousal),
            )

        rows = text_lines(path)
        first = next(rows, None)
        if first is None or not first[1].lower().startswith("image"):
            raise LayoutError(f"{path}: does not begin with 'image,valence,...'. See {_HELP}")
        yield from each(rows, make, bad)


_NEED = {"need": ("any", "expression+units", "all")}
_ACCESS = "a member of staff of a university signs the owners' agreement"
_URL = "https://ibug.doc.ic.ac.uk/resources/aff-wild2/"

FRAMES = Reader(
    name="affwild2",
    read=_read,
    title="Aff-Wild2",
    labels="8 classes of expression; 12 action units; valence, arousal; by frame",
    licence=_LICENCE,
    access=_ACCESS,
    url=_URL,
    page="docs/datasets/affwild2.md",
    splits=("train", "validation", _MIXED),
    options=_NEED,
    optional=(_MIXED,),
    gaps=_gaps,
)
STATIC = Reader(
    name="affwild2_static",
    read=_read_static,
    title="s-Aff-Wild2",
    labels="8 classes of expression; 12 action units; valence, arousal",
    licence=_LICENCE,
    access=_ACCESS,
    url=_URL,
    page="docs/datasets/affwild2.md",
    splits=("train", "validation"),
    options=_NEED,
)
