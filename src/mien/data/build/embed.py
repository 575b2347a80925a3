"""Pictures as bytes, for rows and exports that hold them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.pictures import encoded_row, open_frames, open_path, split_reference, spread
from mien.media import MediaError, read_picture
from mien.sample import Sample


def encoded_path(path: str, root: Path) -> bytes:
    """A picture by its path in a Sample: its own bytes where it has any, else a PNG.

    Raises:
        MediaError: if it cannot be read.
    """
    name, kind, number = split_reference(path)
    if kind == "row":
        return encoded_row(root / name, number)
    if kind is not None:
        return png(open_path(path, root))
    try:
        return (root / name).read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise MediaError(f"{root / name}: {why}. Copy the dataset again") from error


def encoded_pictures(sample: Sample, root: Path, count: int) -> list[bytes]:
    """The pictures of a Sample, or at most `count` frames of its clip; each can be decoded.

    Raises:
        MediaError: if one cannot be read.
    """
    if sample.video is not None:
        return [png(frame) for frame in open_frames(sample, root, count)]
    paths = sample.frames or (sample.image or "",)
    encoded = []
    for path in (paths[i] for i in spread(len(paths), count)):
        encoded.append(encoded_path(path, root))
        read_picture(encoded[-1], name=str(root / path))
    return encoded


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
