"""The pictures of what `mien data leaks` compares: folders, built sets, datasets on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.build.settings import BuildError
from mien.data.build.shards import MANIFEST, Folder
from mien.data.build.sources import parse_source
from mien.data.leaks import Entry
from mien.data.pictures import open_frames, open_path, spread
from mien.media import MediaError, read_picture
from mien.sample import Sample

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
_FRAMES = 3
"""Frames of a clip that are compared."""


def entries_of(what: str, roots: Mapping[str, Path]) -> Iterator[Entry]:
    """The pictures of a set.

    Args:
        what: a folder of pictures, a folder that `mien data build` made, or a dataset as
            ``NAME=DIR`` or ``NAME=DIR@SPLIT``.
        roots: folder of each source of a built set; by default those that it was built from.

    Raises:
        BuildError: if there is no such folder, or no picture in it.
        DataError: if a dataset cannot be read.
    """
    if "=" in what:
        source = parse_source(what)
        yield from entries_of_samples(source.samples(None), source.folder)
        return
    path = Path(what).expanduser()
    if not path.is_dir():
        raise BuildError(f"{what}: no such folder; give a folder, or a dataset as NAME=DIR")
    if (path / MANIFEST).is_file():
        yield from _built(path, roots)
        return
    empty = True
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            empty = False
            yield Entry(file.relative_to(path).as_posix(), None, partial(read_picture, file))
    if empty:
        raise BuildError(f"{what}: no picture in it; datasets are given as NAME=DIR")


def entries_of_samples(samples: Iterable[Sample], folder: Path) -> Iterator[Entry]:
    """The pictures of Samples; of a clip, some frames.

    Args:
        samples: of one dataset.
        folder: what their paths are relative to.
    """
    for sample in samples:
        subject = None if sample.subject is None else f"{sample.dataset}/{sample.subject}"
        if sample.video is not None:
            yield Entry(sample.video, subject, partial(_middle, sample, folder))
            continue
        images = [sample.image] if sample.image is not None else _frames(sample)
        for image in images:
            yield Entry(image, subject, partial(open_path, image, folder))


def _frames(sample: Sample) -> list[str]:
    return [sample.frames[k] for k in spread(len(sample.frames), _FRAMES)]


def _middle(sample: Sample, root: Path) -> NDArray[np.uint8]:
    return open_frames(sample, root, 1)[0]


def _built(path: Path, roots: Mapping[str, Path]) -> Iterator[Entry]:
    folder = Folder.open(path)
    known = {**folder.roots(), **roots}
    for row in folder.rows(pictures=bool(folder.settings["embed_images"])):
        subject = None if row["subject"] is None else f"{row['dataset']}/{row['subject']}"
        for image in row["images"]:
            name = image if isinstance(image, str) else image["path"]
            yield Entry(name, subject, partial(open_row_image, image, known))


def open_row_image(image: str | Mapping[str, Any], roots: Mapping[str, Path]) -> NDArray[np.uint8]:
    """A picture of a row of a built set: (H, W, 3) uint8, RGB.

    Raises:
        MediaError: if it cannot be read, or the folder of its source is not known.
    """
    if not isinstance(image, str) and image.get("bytes"):
        return read_picture(image["bytes"], name=image["path"])
    name: str = image if isinstance(image, str) else image["path"]
    source, _, path = name.partition("/")
    if source not in roots:
        raise MediaError(
            f"{name}: the folder of source {source!r} is not known; give it as "
            f"--source {source}=DIR"
        )
    return open_path(path, roots[source])
