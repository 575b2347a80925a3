"""Decoded pictures of any mode to upright RGB bytes, strip by strip, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WORKING_PIXELS = 36_000_000
"""Larger pictures are made smaller by a whole number."""
_STRIP = 4_000_000  # pixels at a time
_ORIENTATION = 0x0112
# Shares of the values that may lie outside of the range that is used: dead and hot pixels.
_OUTSIDE = 0.0005
# A range is small below these shares of the whole one.
_SAMPLE = 20_011  # values of a strip that show its range
_SMALL_TOP, _SMALL_SPAN = 1 / 4, 3 / 16
_FLAT = 6 / 255  # a picture of one colour has no range


@dataclass(frozen=True, slots=True)
class _Range:
    """Values that become 0 and 255, and what to say about it."""

    black: float
    white: float
    note: str = ""


def upright_rgb(
    image: Image.Image, *, of: tuple[int, int] | None = None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """(H, W, 3) uint8 of a loaded picture, and remarks.

    Wide values are scaled, not clipped; transparency lies on white; the orientation in EXIF is
    applied; a picture that uses a small part of its range is brought to the whole of it; one of
    more than `WORKING_PIXELS` is made smaller.

    Args:
        image: loaded.
        of: width and height of the file, where the decoder has already made it smaller.
    """
    step = reduction(*image.size)
    used = _range_of(image)
    rows = [_bytes(part, used, step) for part in _strips(image, step)]
    pixels = _turned(np.concatenate(rows) if len(rows) > 1 else rows[0], image)
    notes = [used.note] if used.note else []
    width, height = of or image.size
    if step > 1 or (width, height) != image.size:
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        notes.append(f"{width} x {height} pixels were read as {size}, and places are in these")
    return pixels, tuple(notes)


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a loaded frame: whole size and range, as it lies."""
    used = _whole_range(image.mode, _extremes(image)[1] if _is_wide(image) else 255.0)
    rows = [_bytes(part, used, 1) for part in _strips(image, 1)]
    return np.concatenate(rows) if len(rows) > 1 else rows[0]


def reduction(width: int, height: int) -> int:
    """By how much a picture is made smaller, at least 1."""
    step = 1
    while -(-width // step) * -(-height // step) > WORKING_PIXELS:
        step += 1
    return step


def _strips(image: Image.Image, step: int) -> Iterator[Image.Image]:
    lines = max(1, _STRIP // max(1, image.width) // step) * step
    if lines >= image.height:
        yield image
        return
    for top in range(0, image.height, lines):
        yield image.crop((0, top, image.width, min(top + lines, image.height)))


def _bytes(part: Image.Image, used: _Range, step: int) -> NDArray[np.uint8]:
    if _is_wide(part):
        pixels = np.repeat(_stretched(_values(part), used)[..., None], 3, axis=2)
    else:
        if part.has_transparency_data:
            layer = part.convert("RGBA")
            part = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        pixels = np.array(part if part.mode == "RGB" else part.convert("RGB"), dtype=np.uint8)
        if (used.black, used.white) != (0.0, 255.0):
            pixels = _stretched(pixels, used)
    if step > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce(step))
    return pixels


def _stretched(values: NDArray[np.generic], used: _Range) -> NDArray[np.uint8]:
    scaled = (values.astype(np.float32) - used.black) * (255.0 / (used.white - used.black))
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def _is_wide(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _values(part: Image.Image) -> NDArray[np.generic]:
    if part.mode != "F":
        return np.asarray(part)
    return np.nan_to_num(np.asarray(part), nan=0.0, posinf=0.0, neginf=0.0)


def _extremes(image: Image.Image, outside: float = 0.0) -> tuple[float, float]:
    """Least and largest value, but for the outer shares; of colours over all of them."""
    low, high = np.inf, -np.inf
    for part in _strips(image, 1):
        if _is_wide(part):
            values = _values(part)
        else:
            grey = part.mode in ("L", "1")
            values = np.asarray(part.convert("L") if grey else part.convert("RGB"))
        if outside and values.size > 1 / outside:
            stride = 1 + values.size // _SAMPLE
            some = values.ravel()[:: stride + (stride % 3 == 0)]  # of all three colours
            a, b = np.quantile(some.astype(np.float32), (outside, 1 - outside))
        else:
            a, b = values.min(), values.max()
        low, high = min(low, float(a)), max(high, float(b))
    return low, high


def _range_of(image: Image.Image) -> _Range:
    """The range that a picture uses, if it is a small one; else its whole range."""
    wide = _is_wide(image)
    if not wide and (image.mode not in ("L", "RGB") or image.has_transparency_data):
        return _Range(0.0, 255.0)
    whole = _whole_range(image.mode, _extremes(image)[1] if wide else 255.0)
    low, high = _extremes(image, _OUTSIDE)
    span, white = high - max(low, 0.0), whole.white
    if span < _FLAT * white and not (wide and span > 0 and high > 255):
        return whole
    if wide and white > 255 and high <= _SMALL_TOP * white:
        bits = max(8, int(np.ceil(np.log2(high + 1))))
        note = f"uses {bits} of {round(np.log2(white + 1))} bits"
        return _Range(0.0, 2.0**bits - 1, f"{note}; brought to the whole range")
    if span < _SMALL_SPAN * white:
        note = f"uses a small part of its range, {low:g} to {high:g} of {white:g}"
        return _Range(max(low, 0.0), high, f"{note}; brought to the whole of it")
    return whole


def _whole_range(mode: str, top: float) -> _Range:
    """0 to the white of a mode; of 32-bit integers and floats the one that the top suggests."""
    if mode.startswith("I;16"):
        return _Range(0.0, 65535.0)
    if mode in ("I", "F"):
        limits = (1.0, 255.0, 65535.0)
        return _Range(0.0, next((limit for limit in limits if top <= limit), top))
    return _Range(0.0, 255.0)


def _turned(pixels: NDArray[np.uint8], image: Image.Image) -> NDArray[np.uint8]:
    """Set upright by the orientation in EXIF."""
    how = image.getexif().get(_ORIENTATION, 1)
    if how in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if how in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if how in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
