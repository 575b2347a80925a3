"""The pictures of what `mien data leaks` compares: folders, built sets, datasets on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.build.settings import BuildError
from mien.data.build.shards import MANIFEST, Folder
from mien.data.build.sources import Source, parse_source
from mien.data.build.splits import in_order, published_split
from mien.data.leaks import Entry
from mien.data.pictures import open_frames, open_path, spread
from mien.data.readers import READERS
from mien.media import MediaError, read_picture
from mien.sample import Sample

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
_FRAMES = 3
"""Frames of a clip that are compared."""


def entries_of(what: str, roots: Mapping[str, Path]) -> Iterator[Entry]:
    """The pictures of a set; there is at least one.

    Args:
        what: a folder of pictures; a folder that `mien data build` made, or one of its splits as
            ``DIR@SPLIT``; or a dataset as ``NAME=DIR`` or ``NAME=DIR@SPLIT``.
        roots: folder of each source of a built set; by default those that it was built from.

    Raises:
        BuildError: if there is no such folder, or no picture in it or in the split.
        DataError: if a dataset cannot be read.
    """
    name, equals, _ = what.partition("=")
    known = name.rpartition(":")[2].lower() in READERS
    path = Path(what).expanduser()
    built, _, split = what.rpartition("@")
    lack = partial(str, "no picture in it; datasets are given as NAME=DIR")
    if equals and (known or not ("/" in name or path.exists())):
        source = parse_source(what)
        entries = entries_of_samples(source.samples(None), source.folder)
        lack = partial(_lack, source)
    elif not path.is_dir() and (Path(built).expanduser() / MANIFEST).is_file():
        path = Path(built).expanduser()
        entries = _built(path, roots, split)
        lack = partial(_lack_of_built, path, split)
    elif not path.is_dir():
        raise BuildError(f"{what}: no such folder; give a folder, or a dataset as NAME=DIR")
    elif (path / MANIFEST).is_file():
        entries = _built(path, roots)
    else:
        entries = _folder(path)
    first = next(entries, None)
    if first is None:
        raise BuildError(f"{what}: {lack()}")
    yield first
    yield from entries


def _lack(source: Source) -> str:
    """Why a dataset has no picture."""
    if source.split is None:
        return f"no sample in it; `mien data check {source.reads} {source.root}` says more"
    whole = replace(source, split=None)
    names = sorted({sample.split for sample in whole.samples(None) if sample.split})
    known = f"its splits are {', '.join(names)}" if names else "it names no splits"
    return f"no sample in split {source.split!r}; {known}"


def _lack_of_built(path: Path, split: str) -> str:
    names = in_order(published_split(row["split"]) for row in Folder.open(path).rows())
    return f"no row in split {split!r}; its splits are {', '.join(names)}"


def _folder(path: Path) -> Iterator[Entry]:
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            yield Entry(file.relative_to(path).as_posix(), None, partial(read_picture, file))


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


def _built(path: Path, roots: Mapping[str, Path], split: str | None = None) -> Iterator[Entry]:
    folder = Folder.open(path)
    known = {**folder.roots(), **roots}
    for row in folder.rows(pictures=bool(folder.settings["embed_images"])):
        if split is not None and published_split(row["split"]) != published_split(split):
            continue
        subject = None if row["subject"] is None else f"{row['dataset']}/{row['subject']}"
        for image in row["images"]:
            name = image if isinstance(image, str) else image["path"]
            yield Entry(name, subject, partial(open_row_image, image, known))
        for video in row["videos"]:
            yield Entry(video, subject, partial(_middle_of_row, video, known))


def _middle_of_row(video: str, roots: Mapping[str, Path]) -> NDArray[np.uint8]:
    return open_row_video(video, roots, 1)[0]


def open_row_image(image: str | Mapping[str, Any], roots: Mapping[str, Path]) -> NDArray[np.uint8]:
    """A picture of a row of a built set: (H, W, 3) uint8, RGB.

    Raises:
        MediaError: if it cannot be read, or the folder of its source is not known.
    """
    if not isinstance(image, str) and image.get("bytes"):
        return read_picture(image["bytes"], name=image["path"])
    name: str = image if isinstance(image, str) else image["path"]
    path, root = place_of(name, roots)
    return open_path(path, root)


def open_row_video(video: str, roots: Mapping[str, Path], count: int) -> list[NDArray[np.uint8]]:
    """Frames of a video of a row of a built set, evenly spread: (H, W, 3) uint8 each, RGB.

    Raises:
        MediaError: if it cannot be read, or the folder of its source is not known.
    """
    path, root = place_of(video, roots)
    return open_frames(Sample(video, "row", video=path), root, count)


def place_of(name: str, roots: Mapping[str, Path]) -> tuple[str, Path]:
    """Path of a row's picture or video within its source, and the source's folder.

    Raises:
        MediaError: if the folder is not known.
    """
    source, _, path = name.partition("/")
    if source not in roots:
        raise MediaError(
            f"{name}: the folder of source {source!r} is not known; give it as "
            f"--source {source}=DIR"
        )
    return path, roots[source]
