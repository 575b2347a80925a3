"""DFEW: clips from films, with seven expressions, in five folds.

Layout (certain for the lists; where clips lie differs with the part that was downloaded):

    EmoLabel_DataSplit/train(single-labeled)/set_1.csv  columns video_name, label; 1 to 5;
    EmoLabel_DataSplit/test(single-labeled)/set_1.csv   or label/single_trainset_1.csv,
                                                        label/single_testset_1.csv
    Clip/clip_224x224_16f/00001/*.jpg   sixteen frames of each clip, aligned
    Clip/clip_224x224/00001/*.jpg       all frames, aligned
    data/00001/00001_00001.jpg          the same in the older part
    Clip/clip_224x224_avi/1.avi         aligned, as video
    Clip/original/1.mp4                 whole scenes

Numbers of clips are found with and without leading zeros. `clips` picks one of these places; by
default the first that is there is read.

Source: Jiang et al., "DFEW", ACM Multimedia 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.data.readers.base import BadRow, Reader, each, find, numbered_expression
from mien.data.readers.files import clip_files, csv_rows, whole
from mien.sample import Sample

_HELP = "`mien data list dfew`"
_LICENCE = "non-commercial research only"
_PLACES = {
    "16f": "Clip/clip_224x224_16f",
    "aligned": "Clip/clip_224x224",
    "data": "data",
    "avi": "Clip/clip_224x224_avi",
    "original": "Clip/original",
}


def _read(root: Path, split: str | None, bad: BadRow, *, fold: str, clips: str) -> Iterator[Sample]:
    wanted = list(_PLACES.values()) if clips == "auto" else [_PLACES[clips]]
    place = find(root, wanted, what="folder of clips", hint=_HELP)
    for own in ("train", "test"):
        if split not in (None, own):
            continue
        table = find(
            root,
            [
                f"EmoLabel_DataSplit/{own}(single-labeled)/set_{fold}.csv",
                f"label/single_{own}set_{fold}.csv",
                f"EmoLabel_DataSplit/single_{own}set_{fold}.csv",
            ],
            what=f"list of fold {fold}, {own}",
            hint=_HELP,
        )

        def make(row: dict[str, str], own: str = own) -> Sample:
            number = whole(row["video_name"])
            frames, video = _clip(root, place, number)
            return Sample(
                id=f"{number:05d}",
                dataset="dfew",
                frames=frames,
                video=video,
                split=own,
                expression=numbered_expression("dfew", whole(row["label"])),
                licence=_LICENCE,
            )

        yield from each(csv_rows(table, columns=("video_name", "label")), make, bad)


def _clip(root: Path, place: Path, number: int) -> tuple[tuple[str, ...], str | None]:
    """Files of a clip, whose name may have leading zeros."""
    padded = clip_files(root, place, f"{number:05d}")
    if padded[0] or (root / (padded[1] or "")).is_file():
        return padded
    plain = clip_files(root, place, str(number))
    return plain if plain[0] or (root / (plain[1] or "")).is_file() else padded


READER = Reader(
    name="dfew",
    read=_read,
    title="DFEW",
    labels="clips: 7 expressions",
    licence=_LICENCE,
    access="a member of staff of a university signs the owners' agreement",
    url="https://dfew-dataset.github.io/",
    page="docs/datasets/dfew.md",
    splits=("train", "test"),
    options={"fold": ("1", "2", "3", "4", "5"), "clips": ("auto", *_PLACES)},
)
