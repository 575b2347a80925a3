"""Pictures as bytes, for rows and exports that hold them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.inside import located
from mien.data.pictures import (
    encoded_row,
    folder_of,
    open_frames,
    open_path,
    split_reference,
    spread,
)
from mien.media import MediaError, read_picture
from mien.sample import Sample


def encoded_path(path: str, root: Path) -> bytes:
    """A picture by its path in a Sample: its own bytes where it has any, else a PNG.

    Raises:
        MediaError: if it cannot be decoded, or is not inside of the dataset's folder.
    """
    name, kind, number = split_reference(path)
    if kind == "row":
        return checked_picture(encoded_row(located(name, folder_of(root)), number), path)
    if kind is not None:
        return png(open_path(path, root))
    file = located(name, folder_of(root))
    try:
        return checked_picture(file.read_bytes(), str(file))
    except OSError as error:
        why = error.strerror or str(error)
        raise MediaError(f"{file}: {why}. Copy the dataset again") from error


def checked_picture(data: bytes, name: str) -> bytes:
    """The bytes, if they are those of a picture: nothing else is published."""
    read_picture(data, name=name)
    return data


def encoded_pictures(sample: Sample, root: Path, count: int) -> list[bytes]:
    """The pictures of a Sample, or at most `count` frames of its clip; each can be decoded.

    Raises:
        MediaError: if one cannot be read.
    """
    if sample.video is not None:
        return [png(frame) for frame in open_frames(sample, root, count)]
    paths = sample.frames or (sample.image or "",)
    return [encoded_path(paths[i], root) for i in spread(len(paths), count)]


def png(image: NDArray[np.uint8]) -> bytes:
    """A picture as PNG, which changes no pixel.

    Args:
        image: (H, W, 3) uint8, RGB.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def suffix_of(data: bytes) -> str:
    """Ending of a file with these bytes: ".jpg", ".png", ".webp" or ".img"."""
    if data[:3] == b"\xff\xd8\xff":
        return ".jpg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return ".png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return ".img"
