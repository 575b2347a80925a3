"""Opens the picture or the frames of a Sample, wherever they are kept.

A path in a Sample is relative to its dataset's folder. Pictures inside of other files are named
with a suffix:

    fer2013.csv#byte=1234      grey values, as text, in the line that begins at this byte
    faces.parquet#row=17       an encoded picture in this row of the column "image" or "images"
    LeftVideo.avi#frame=100    this frame of a video, from 0
"""

from __future__ import annotations

import atexit
import csv
import re
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.inside import located
from mien.media import MediaError, read_picture
from mien.media.video import open_container
from mien.sample import Sample

Image = NDArray[np.uint8]
_Frames = Generator[NDArray[np.uint8], None, None]

_REFERENCE = re.compile(r"(?P<path>.+)#(?P<kind>byte|row|frame)=(?P<number>\d+)")
_AGAIN = "Copy or download it again"


def split_reference(path: str) -> tuple[str, str | None, int]:
    """A path's file, and the kind and number of the picture inside of it (None, 0 if it is one)."""
    found = _REFERENCE.fullmatch(path)
    if found is None:
        return path, None, 0
    return found["path"], found["kind"], int(found["number"])


def open_image(sample: Sample, root: Path) -> Image:
    """The picture of a Sample.

    Args:
        sample: a picture; of a clip take `open_frames`.
        root: the dataset's folder, or the file of a dataset in one file.

    Returns:
        (H, W, 3) uint8, upright RGB.

    Raises:
        MediaError: if it cannot be read; the message names the file.
        ValueError: if the Sample is a clip.
    """
    if sample.image is None:
        raise ValueError(f"sample {sample.id!r} is a clip; read it with open_frames")
    return open_path(sample.image, root)


def open_frames(sample: Sample, root: Path, count: int) -> list[Image]:
    """Frames of a Sample, evenly spread: the middle frame of each of `count` equal parts.

    Args:
        sample: a picture, which is one frame, or a clip.
        root: the dataset's folder, or the file of a dataset in one file.
        count: how many; a shorter clip gives all that it has.

    Returns:
        (H, W, 3) uint8 each, in order.

    Raises:
        MediaError: if one cannot be read; the message names the file.
    """
    if count < 1:
        raise ValueError(f"count is {count}; ask for at least one frame")
    if sample.image is not None:
        return [open_path(sample.image, root)]
    if sample.frames:
        return [open_path(sample.frames[i], root) for i in spread(len(sample.frames), count)]
    assert sample.video is not None
    return _video_frames(located(sample.video, folder_of(root)), count)


def folder_of(root: Path) -> Path:
    """What paths are relative to: the dataset's folder, or that of a dataset in one file."""
    return root.parent if root.is_file() else root


def spread(total: int, count: int) -> list[int]:
    """Indices of the middle elements of `count` equal parts; all where there are no more."""
    if total <= count:
        return list(range(total))
    return [(2 * k + 1) * total // (2 * count) for k in range(count)]


def open_path(path: str, root: Path) -> Image:
    """One picture by its path in a Sample: (H, W, 3) uint8, upright RGB.

    Raises:
        MediaError: if it cannot be read.
    """
    name, kind, number = split_reference(path)
    file = located(name, folder_of(root))
    if kind == "byte":
        return _pixels(file, number)
    if kind == "row":
        return read_picture(encoded_row(file, number), name=f"{file}, row {number}")
    if kind == "frame":
        return _cursors.frame(file, number)
    return read_picture(file)


def _pixels(path: Path, offset: int) -> Image:
    """The square grey picture whose values stand as text in a line of a table."""
    where = f"{path}, byte {offset}"
    try:
        with path.open("rb") as file:
            file.seek(offset)
            cells = next(csv.reader([file.readline().decode("utf-8")]), [])
        values = np.array(max(cells, key=len, default="").split(), dtype=np.int64)
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file. Check the path") from error
    except (OSError, ValueError, csv.Error) as error:
        raise MediaError(f"{where}: not a row of grey values ({error}). {_AGAIN}") from error
    side = round(len(values) ** 0.5)
    if side == 0 or side * side != len(values):
        raise MediaError(f"{where}: {len(values)} grey values are no square picture. {_AGAIN}")
    if values.min() < 0 or values.max() > 255:
        raise MediaError(f"{where}: grey values outside of 0 to 255. {_AGAIN}")
    grey = values.astype(np.uint8).reshape(side, side)
    return np.repeat(grey[..., None], 3, axis=2)


def encoded_row(path: Path, row: int) -> bytes:
    """The bytes of the picture in a row of a Parquet file.

    Raises:
        MediaError: if it cannot be read.
    """
    import pyarrow as pa

    try:
        stamp = path.stat().st_mtime_ns
        starts, names = _groups(path, stamp)
        group = int(np.searchsorted(starts, row, side="right")) - 1
        if row >= starts[-1]:
            raise MediaError(f"{path}: has no row {row}; it has {starts[-1]}. {_AGAIN}")
        cell = _group_images(path, stamp, group, names)[row - starts[group]].as_py()
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file. Check the path") from error
    except (OSError, pa.ArrowException) as error:
        raise MediaError(f"{path}: cannot be read as Parquet ({error}). {_AGAIN}") from error
    if isinstance(cell, list):
        cell = cell[0] if len(cell) == 1 else None
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise MediaError(f"{path}, row {row}: no picture in it. {_AGAIN}")
    return data


IMAGE_COLUMNS = ("image", "img_bytes", "image_bytes", "img", "images")
"""Columns of Parquet files that hold encoded pictures: bytes, a struct with `bytes`, or a list of
one."""


@lru_cache(maxsize=64)
def _groups(path: Path, stamp: int) -> tuple[NDArray[np.int64], str]:
    """Row at which each row group starts, with the total at the end; and the pictures' column."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    column = next((name for name in IMAGE_COLUMNS if name in names), None)
    if column is None:
        raise MediaError(f"{path}: no column of pictures ({', '.join(IMAGE_COLUMNS)})")
    return np.cumsum([0, *sizes]), column


@lru_cache(maxsize=2)
def _group_images(path: Path, stamp: int, group: int, column: str) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column])[column]


def _decoded(path: Path) -> _Frames:
    """Frames of a video, one by one."""
    import av

    try:
        with open_container(path, name=str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: holds no video. {_AGAIN}")
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    except av.FFmpegError as error:
        raise MediaError(f"{path}: broken video ({error}). {_AGAIN}") from error


def _video_frames(path: Path, count: int) -> list[Image]:
    total = _frame_count(path)
    wanted = set(spread(total, count))
    found = [frame for k, frame in enumerate(_decoded(path)) if k in wanted]
    if total == 0 or len(found) < len(wanted):  # the file says more frames than it has
        total = sum(1 for _ in _decoded(path))
        wanted = set(spread(total, count))
        found = [frame for k, frame in enumerate(_decoded(path)) if k in wanted]
    if not found:
        raise MediaError(f"{path}: holds no frame. {_AGAIN}")
    return found


def _frame_count(path: Path) -> int:
    """Number of frames as the file says it, or 0."""
    import av

    try:
        with open_container(path, name=str(path)) as container:
            return container.streams.video[0].frames if container.streams.video else 0
    except av.FFmpegError as error:
        raise MediaError(f"{path}: broken video ({error}). {_AGAIN}") from error


class _Cursors:
    """Open videos, so that frames that are asked for in order are decoded once."""

    def __init__(self, keep: int = 2):
        self._keep = keep
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, tuple[int, _Frames, Image | None]] = OrderedDict()

    def frame(self, path: Path, number: int) -> Image:
        """A frame, from 0; going back starts the video again."""
        with self._lock:
            at, frames, last = self._open.pop(path, (-1, _decoded(path), None))
            if number < at:
                at, frames, last = -1, _decoded(path), None
            while at < number:
                last = next(frames, None)
                at += 1
                if last is None:
                    raise MediaError(f"{path}: has no frame {number}; it has {at}. {_AGAIN}")
            self._open[path] = (at, frames, last)
            while len(self._open) > self._keep:
                self._open.popitem(last=False)
            assert last is not None
            return last.copy()

    def close(self) -> None:
        """Closes all videos."""
        while self._open:
            self._open.popitem()[1][1].close()


_cursors = _Cursors()
atexit.register(_cursors.close)  # while PyAV is still there


def files_of(sample: Sample) -> Sequence[str]:
    """Paths of the files that hold a Sample's pictures, relative to the dataset's folder."""
    if sample.frames:
        return sample.frames
    return [split_reference(sample.image or sample.video or "")[0]]
