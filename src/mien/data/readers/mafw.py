"""MAFW: clips from films and series with eleven expressions, 32 compounds of them, and captions.

Layout (certain for the lists and clips, which several public loaders read):

    Train & Test Set/single/no_caption/set_1/train.txt    lines "00001.mp4 anger"; sets 1 to 5
    Train & Test Set/single/with_caption/set_1/train.txt  clip, label, Chinese, English, with tabs
    Train & Test Set/compound/...                         the same with labels like anger_disgust
    data/clips/00001.mp4
    data/frames/00001/*.jpg                               where the user took frames out

The English caption stands in the attribute `description`, where the captions are there; neutral
clips have none. ``labels=compound`` reads the 43 classes: a single label is an expression, a
compound stands in the attribute `compound`, as "anger, disgust". Labels are found as words and as
the owners' numbers 1 to 11.

Source: Liu et al., "MAFW", ACM Multimedia 2022.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mien.data.readers.base import BadRow, Reader, each, find, named_expression
from mien.data.readers.files import clip_files, text_lines
from mien.datasets import DATASETS
from mien.sample import Sample

_HELP = "`mien data list mafw`"
_LICENCE = "non-commercial research only"
_LISTS = ("Train & Test Set", "train_test_set/Train & Test Set", "Train_Test_Set", "split")
_CLIPS = ("data/frames", "frames", "data/clips", "clips")


def _read(
    root: Path, split: str | None, bad: BadRow, *, fold: str, labels: str
) -> Iterator[Sample]:
    place = find(root, _CLIPS, what="folder of clips", hint=_HELP)
    for own in ("train", "test"):
        if split not in (None, own):
            continue
        inner = f"{labels}/no_caption/set_{fold}/{own}.txt"
        path = find(
            root,
            [f"{base}/{inner}" for base in _LISTS],
            what=f"list of fold {fold}, {own}",
            hint=_HELP,
        )
        captions = _captions(path.parents[2] / "with_caption" / path.parent.name / path.name)

        def make(line: str, own: str = own, captions: dict[str, str] = captions) -> Sample:
            clip, label = line.split(maxsplit=1)
            stem = clip.rsplit(".", 1)[0]
            names = _names(label)
            attributes: dict[str, str | float] = {}
            if stem in captions:
                attributes["description"] = captions[stem]
            if len(names) > 1:
                attributes["compound"] = ", ".join(names)
            frames, video = clip_files(root, place, stem)
            return Sample(
                id=stem,
                dataset="mafw",
                frames=frames,
                video=video,
                split=own,
                expression=named_expression("mafw", names[0]) if len(names) == 1 else None,
                attributes=attributes,
                licence=_LICENCE,
            )

        yield from each(text_lines(path), make, bad)


def _names(label: str) -> list[str]:
    """Canonical names in a label such as ``anger_disgust``, ``1,2`` or ``fear``."""
    classes = DATASETS["mafw"].expressions
    names = []
    for word in re.split(r"[_,\s]+", label.strip()):
        if word.isdecimal() and int(word) not in classes:
            raise ValueError(f"class {word} is not one of 1 to {len(classes)}")
        names.append(classes[int(word)] if word.isdecimal() else word)
    return [str(named_expression("mafw", name).label) for name in names]


def _captions(path: Path) -> dict[str, str]:
    """Clip to English caption; empty where there is no such list."""
    if not path.is_file():
        return {}
    found = {}
    for _, line in text_lines(path):
        cells = line.split("\t")
        if len(cells) >= 4:
            found[cells[0].rsplit(".", 1)[0]] = cells[-1].strip()
    return found


READER = Reader(
    name="mafw",
    read=_read,
    title="MAFW",
    labels="clips: 11 expressions, 32 compounds, captions",
    licence=_LICENCE,
    access="a member of staff of a university signs the owners' agreement",
    url="https://mafw-database.github.io/MAFW/",
    page="docs/datasets/mafw.md",
    splits=("train", "test"),
    options={"fold": ("1", "2", "3", "4", "5"), "labels": ("single", "compound")},
)
