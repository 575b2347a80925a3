"""FERV39k: clips from 22 kinds of scenes, with seven expressions.

Layout (certain; read by the loaders of several publications):

    4_setups/All_scenes/train_All.csv, test_All.csv   lines "Action/Happy/0267 Happy", no header
    2_ClipsforFaceCrop/Action/Happy/0267/*.jpg         frames of the face
    3_ClipsforScenImages/...                           frames of the scene (``clips=scene``)

Source: Wang et al., "FERV39k", CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.data.readers.base import BadRow, Reader, each, find, named_expression
from mien.data.readers.files import clip_files, text_lines
from mien.sample import Sample

_HELP = "`mien data list ferv39k`"
_LICENCE = "non-commercial research only"
_PLACES = {"face": "2_ClipsforFaceCrop", "scene": "3_ClipsforScenImages"}


def _read(root: Path, split: str | None, bad: BadRow, *, clips: str) -> Iterator[Sample]:
    folder = _PLACES[clips]
    place = find(root, [f"{folder}/{folder}", folder], what="folder of clips", hint=_HELP)
    for own in ("train", "test"):
        if split not in (None, own):
            continue
        lists = find(
            root,
            [f"{base}{own}_All.csv" for base in ("4_setups/All_scenes/", "All_scenes/", "")],
            what=f"list of the {own} split",
            hint=_HELP,
        )

        def make(line: str, own: str = own) -> Sample:
            clip, _, label = line.rpartition(" ")
            if clip.count("/") != 2:
                raise ValueError(f"{line!r} is not like 'Action/Happy/0267 Happy'")
            scene, folder, _ = clip.split("/")
            expression = named_expression("ferv39k", label)
            if named_expression("ferv39k", folder) != expression:
                raise ValueError(f"label {label} of a clip in the folder of {folder}")
            frames, video = clip_files(root, place, clip)
            return Sample(
                id=clip,
                dataset="ferv39k",
                frames=frames,
                video=video,
                split=own,
                expression=expression,
                attributes={"scene": scene},
                licence=_LICENCE,
            )

        yield from each(text_lines(lists), make, bad)


READER = Reader(
    name="ferv39k",
    read=_read,
    title="FERV39k",
    labels="clips: 7 expressions; 22 kinds of scenes",
    licence=_LICENCE,
    access="a member of staff of a university signs the owners' agreement",
    url="https://wangyanckxx.github.io/Proj_CVPR2022_FERV39k.html",
    page="docs/datasets/ferv39k.md",
    splits=("train", "test"),
    options={"clips": tuple(_PLACES)},
)
