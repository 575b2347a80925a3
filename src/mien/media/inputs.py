"""What a user names, as single inputs: paths, globs, folders, bytes and standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mien.media.streams import StreamError, read_stream

# fmt: off
SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif",
    ".tif", ".tiff", ".avif", ".jp2", ".j2k", ".pgm", ".ppm", ".pnm", ".pbm", ".tga", ".qoi",
    ".heic", ".heif",
})
# Not .ts, which is TypeScript in most folders; a video of that name is known by its content.
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".divx", ".flv", ".f4v",
    ".wmv", ".asf", ".mpg", ".mpeg", ".m2v", ".vob", ".mts", ".m2ts", ".ogv", ".mxf", ".dv",
    ".ivf", ".y4m", ".h264", ".264", ".hevc", ".265", ".mjpeg", ".mjpg",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class Input:
    """One picture or video to be read, or the reason why there is none.

    Attributes:
        name: what to call it in results.
        origin: path, encoded bytes, or None for standard input.
        error: set where the input names nothing to read.
    """

    name: str
    origin: Path | bytes | None = None
    error: str | None = None


def expand_inputs(
    inputs: Iterable[str | Path | bytes | Input], *, videos: bool = False
) -> Iterator[Input]:
    """Resolves what a user named into single files, in order, without reading them.

    A path that exists is taken as it is, also with ``*`` or ``[`` in its name. Folders are
    searched through all levels for files with a picture's suffix (`SUFFIXES`), sorted, hidden files
    left out. ``-`` is standard input.

    Args:
        inputs: paths, glob patterns (``**`` works), folders, ``-``, encoded pictures.
        videos: take files with a video's suffix (`VIDEO_SUFFIXES`) out of folders, too.

    Yields:
        One `Input` a file; one with `error` for a missing path, an empty folder or a pattern
        without a match.
    """
    for number, item in enumerate(inputs):
        if isinstance(item, Input):
            yield item
        elif isinstance(item, bytes | bytearray | memoryview):
            yield Input(f"bytes-{number}", bytes(item))
        elif item == "-":
            yield Input("stdin")
        else:
            yield from _expand_path(item, SUFFIXES | VIDEO_SUFFIXES if videos else SUFFIXES)


def _expand_path(item: str | Path, suffixes: frozenset[str]) -> Iterator[Input]:
    path = Path(item).expanduser()
    name = str(item)
    try:
        if path.is_dir():
            yield from _walk(path, suffixes)
            return
        if path.exists() or not glob.has_magic(name):
            yield Input(name, path)  # a missing file is told by the reading
            return
    except (OSError, ValueError) as error:  # no permission to look, name too long, NUL in it
        yield Input(name, None, f"{name}: cannot be looked up ({error}). Check the path")
        return
    found = False
    for match in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207
        if not Path(match).is_dir():
            found = True
            yield Input(match, Path(match))
    if not found:
        yield Input(name, None, f"{name}: no file matches this pattern. Check it, and quote it")


def _walk(folder: Path, suffixes: frozenset[str]) -> Iterator[Input]:
    found = False
    problems: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=problems.append):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in sorted(files):
            path = Path(root, file)
            if path.suffix.lower() in suffixes and not file.startswith("."):
                found = True
                yield Input(str(path), path)
    for problem in problems:
        yield Input(
            str(problem.filename),
            None,
            f"{problem.filename}: folder cannot be read ({problem.strerror}). Check its mode",
        )
    if not found and not problems:
        what = "pictures" if suffixes == SUFFIXES else "pictures or videos"
        known = ".jpg, .png, .webp and so on" if suffixes == SUFFIXES else ".jpg, .mp4 and so on"
        yield Input(str(folder), None, f"{folder}: no {what} in this folder ({known})")


def loaded(item: Input) -> Input:
    """An input with standard input read as bytes, so that it can be told what they are."""
    if item.origin is not None or item.error is not None:
        return item
    try:
        return replace(item, origin=read_stream(sys.stdin.buffer))
    except StreamError as error:
        return replace(item, error=str(error))
