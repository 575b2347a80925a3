"""Pictures in: files, bytes and standard input become upright RGB arrays.

`read_picture` reads one and raises; `iter_pictures` reads many and turns each bad input into a
`Picture` that says what is wrong, so that one broken file does not end a long run.
"""

from __future__ import annotations

import io
import stat
import struct
import sys
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mien.media.inputs import Input, expand_inputs
from mien.media.pixels import reduction, upright_rgb
from mien.media.streams import StreamError, read_pipe, read_stream

MAX_PIXELS = 100_000_000
MOST_MEMORY = 400_000_000
"""Bytes that a decoded picture may take before it is made smaller."""
MOST_SCANS = 100
"""Passes over the whole picture in a progressive JPEG; usual are about 10."""
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "LA": 4}
# These decoders hold the picture more than once.
_COPIES = {"WEBP": 4, "AVIF": 3, "JPEG2000": 3, "HEIF": 3}

# Only formats that are plainly pictures: Pillow would run Ghostscript for EPS, for example.
# fmt: off
_FORMATS = (
    "JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "MPO", "AVIF", "JPEG2000", "PPM", "TGA",
    "QOI", "HEIF",  # HEIF where a plugin is registered
)
# fmt: on
_SEQUENCES = frozenset({"GIF", "PNG", "WEBP", "TIFF", "AVIF"})
DECODING_ERRORS = (
    OSError,
    SyntaxError,  # Pillow's word for a broken file
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    struct.error,
    zlib.error,
)


class MediaError(ValueError):
    """An input cannot be read; the message names it and the remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One input after reading.

    Attributes:
        source: path or name of the input.
        image: (H, W, 3) uint8, upright RGB; None where it could not be read.
        error: why it could not be read, and the remedy; None where it could.
        warnings: what a user should know, for example that only the first frame was read.
    """

    source: str
    image: NDArray[np.uint8] | None
    error: str | None = None
    warnings: tuple[str, ...] = ()


def iter_pictures(
    inputs: Iterable[str | Path | bytes | Input], *, max_pixels: int = MAX_PIXELS
) -> Iterator[Picture]:
    """Reads many inputs one by one; see `expand_inputs` for what they may be.

    Yields:
        A `Picture` for each, with `error` set where it could not be read. Never raises for a bad
        input.
    """
    for item in expand_inputs(inputs):
        if item.error is not None:
            yield Picture(item.name, None, item.error)
            continue
        try:
            origin = sys.stdin.buffer if item.origin is None else item.origin
            image, notes = _read(origin, item.name, max_pixels)
        except MediaError as error:
            yield Picture(item.name, None, str(error))
        else:
            yield Picture(item.name, image, None, notes)


def read_picture(
    source: str | Path | bytes | BinaryIO,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Reads one picture.

    The orientation in its EXIF data is applied, transparency lies on white, 16-bit values are
    scaled, a small range is brought to the whole one, more than `pixels.WORKING_PIXELS` are read
    smaller, and of an animation the first frame is taken. `iter_pictures` says which was done.

    Args:
        source: path, encoded bytes, or an open binary file.
        name: what to call it in errors; by default its path.
        max_pixels: larger pictures are refused before they are decoded.

    Returns:
        (H, W, 3) uint8, upright RGB.

    Raises:
        MediaError: if it cannot be read.
    """
    if isinstance(source, str):
        source = Path(source)
    if name is None:
        name = str(source) if isinstance(source, Path) else str(getattr(source, "name", "bytes"))
    return _read(source, name, max_pixels)[0]


def _read(
    source: Path | bytes | BinaryIO, name: str, max_pixels: int
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    try:
        if isinstance(source, Path):
            mode = source.stat().st_mode
            if stat.S_ISREG(mode):
                with source.open("rb") as file:
                    return _decode(file, name, max_pixels)
            if stat.S_ISDIR(mode):
                raise MediaError(f"{name}: a folder, not a picture. Name a file in it")
            if not stat.S_ISFIFO(mode):
                raise MediaError(f"{name}: not a regular file. Name a picture file")
            source = read_pipe(source)
        if not isinstance(source, bytes):  # pipes cannot seek, which decoding needs
            source = read_stream(source)
        return _decode(io.BytesIO(source), name, max_pixels)
    except MediaError:
        raise
    except StreamError as error:
        raise MediaError(f"{name}: {error}") from error
    except FileNotFoundError as error:
        raise MediaError(f"{name}: no such file. Check the path") from error
    except PermissionError as error:
        raise MediaError(f"{name}: no permission to read it. Check its owner and mode") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{name}: cannot be read ({error}). Check path and disk") from error


def _decode(
    file: BinaryIO, name: str, max_pixels: int
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    head = file.read(32)
    if not head:
        raise MediaError(f"{name}: empty (0 bytes). Copy or download it again")
    file.seek(0)
    with warnings.catch_warnings():
        # Our own limit, checked below, takes the place of Pillow's warning.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file, formats=_formats())
            width, height = image.size
        except Image.DecompressionBombError as error:
            raise MediaError(f"{name}: refused, too large ({error}). Scale it down") from error
        except UnidentifiedImageError as error:
            raise MediaError(f"{name}: not a picture ({_what(head)})") from error
        except DECODING_ERRORS as error:
            raise MediaError(f"{name}: broken picture ({error}). {AGAIN}") from error
        with image:
            if width * height > max_pixels:
                raise MediaError(
                    f"{name}: refused, too large ({width} x {height} pixels, "
                    f"limit {max_pixels:,}). Scale it down"
                )
            if width == 0 or height == 0:
                raise MediaError(f"{name}: no pixels ({width} x {height}). {AGAIN}")
            _check_memory(image, name)
            _check_scans(image, file, name)
            try:
                notes = _first_frame(image)
                step = reduction(width, height)
                if step > 1:  # JPEG can be decoded smaller at once; others pass over this
                    image.draft(None, (width // step, height // step))
                image.load()
                pixels, more = upright_rgb(image, of=(width, height))
                return pixels, (*notes, *more)
            except (*DECODING_ERRORS, MemoryError) as error:
                raise MediaError(f"{name}: broken or cut-off picture ({error}). {AGAIN}") from error


def _check_memory(image: Image.Image, name: str) -> None:
    """Raises a MediaError where decoding would need more than `MOST_MEMORY`."""
    width, height = image.size
    pixel = _PIXEL_BYTES.get(image.mode, 4) * _COPIES.get(image.format or "", 1)
    if width * height * pixel > MOST_MEMORY:
        raise MediaError(
            f"{name}: refused, too large to decode as {image.format} ({width} x {height} pixels, "
            f"limit {MOST_MEMORY // pixel:,}). Scale it down, or save it as JPEG"
        )


def _check_scans(image: Image.Image, file: BinaryIO, name: str) -> None:
    """Raises a MediaError where a small file would have a large picture decoded without end."""
    if not image.info.get("progressive"):
        return
    place = file.seek(0, io.SEEK_CUR)
    file.seek(0)
    scans = file.read().count(b"\xff\xda")
    file.seek(place)
    if scans > MOST_SCANS:
        raise MediaError(
            f"{name}: refused, a JPEG of {scans:,} scans (limit {MOST_SCANS}). Export it again"
        )


AGAIN = "Copy, download or export it again"


def _formats() -> list[str]:
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _what(head: bytes) -> str:
    """What a file is instead, with the remedy, for the error message."""
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"heim", b"heis"):
            return "HEIC; export it as JPEG, or install and register pillow-heif"
        return _VIDEO
    if head[:4] in (b"\x1aE\xdf\xa3", b"RIFF") and head[8:12] != b"WEBP":
        return _VIDEO
    if head.startswith(b"%PDF"):
        return "a PDF; export its pages as PNG"
    if head.startswith(b"\xff\xd8"):
        return "begins like a JPEG but is broken; copy or download it again"
    text = all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
    kind = "it holds text" if text else "unknown format"
    return f"{kind}; mien reads JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF: convert it"


_VIDEO = "a video; `mien analyze` and `mien.media.read_frames` read its frames"


def _first_frame(image: Image.Image) -> tuple[str, ...]:
    if image.format not in _SEQUENCES or not getattr(image, "is_animated", False):
        return ()
    count = getattr(image, "n_frames", 2)
    image.seek(0)
    return (f"holds {count} frames; only the first was read",)
