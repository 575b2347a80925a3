"""Pictures that are in memory already: arrays, tensors, Pillow's, open files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mien.media.inputs import Input, expand_inputs
from mien.media.pictures import (
    DECODING_ERRORS,
    MAX_PIXELS,
    MediaError,
    Picture,
    iter_pictures,
)
from mien.media.pixels import to_rgb

KINDS = (
    "a path, a glob, a folder, encoded bytes, an open binary file, a NumPy array, a PIL picture or "
    "a torch tensor"
)
_BYTES = bytes | bytearray | memoryview
_NAMES = str | Path


def listed(inputs: Any) -> Iterable[Any]:
    """The inputs one by one, where one may be given alone.

    Raises:
        TypeError: if they are neither something that mien reads nor several of those.
    """
    if _single(inputs):
        return [inputs]
    if isinstance(inputs, dict) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs is {_kind(inputs)}; mien reads {KINDS}, or a list of them")
    if isinstance(inputs, list | tuple):
        for number, item in enumerate(inputs):  # before the first is looked at
            _check(item, number)
    return inputs


def taken(items: Iterable[Any], *, bgr: bool = False) -> Iterator[Input | Picture]:
    """Each input as single files, or as a `Picture` where its pixels are here.

    Args:
        items: what `listed` gave.
        bgr: arrays and tensors hold blue first, as OpenCV's do.

    Raises:
        TypeError: naming what is none that mien reads.
    """
    for number, item in enumerate(items):
        _check(item, number)
        if isinstance(item, _BYTES):
            yield Input(f"bytes-{number}", bytes(item))
        elif isinstance(item, Input | _NAMES):
            yield from expand_inputs([item], videos=True)
        elif hasattr(item, "read"):
            yield _read_file(item, number)
        else:
            yield in_memory(item, number, bgr=bgr)


def pictures(entries: Iterable[Input | Picture]) -> Iterator[Picture]:
    """What `taken` gave, read."""
    for one in entries:
        if isinstance(one, Picture):
            yield one
        else:
            yield from iter_pictures([one])


def in_memory(item: Any, number: int = 0, *, bgr: bool = False) -> Picture:
    """A picture from an array, a tensor or Pillow; it says so where it is none."""
    kind = "picture" if isinstance(item, Image.Image) else "array"
    name = str(getattr(item, "filename", "") or f"{kind}-{number}")
    try:
        if isinstance(item, Image.Image):
            return Picture(name, _from_pillow(item))
        return Picture(name, _from_array(item, bgr=bgr))
    except (*DECODING_ERRORS, MediaError, MemoryError) as error:
        return Picture(name, None, f"{name}: {error}")


def _single(item: Any) -> bool:
    if isinstance(item, np.ndarray) and item.ndim == 1 and item.dtype.kind in "UO":
        return False  # a column of paths
    known = isinstance(item, Input | _NAMES | _BYTES | np.ndarray | Image.Image)
    return known or hasattr(item, "read") or _is_tensor(item)


def _check(item: Any, number: int) -> None:
    if not _single(item):
        raise TypeError(f"inputs[{number}] is {_kind(item)}; mien reads {KINDS}")


def _is_tensor(item: Any) -> bool:
    return type(item).__module__.split(".")[0] == "torch" and hasattr(item, "detach")


def _kind(item: Any) -> str:
    return "None" if item is None else f"of type {type(item).__name__}"


def _read_file(file: Any, number: int) -> Input:
    name = getattr(file, "name", None)
    name = name if isinstance(name, str) and name else f"file-{number}"
    try:
        if file.seekable():  # what was just written is read from its beginning
            file.seek(0)
        data = file.read()
    except (OSError, ValueError, AttributeError) as error:
        return Input(name, None, f"{name}: cannot be read ({error}). Open it anew, as 'rb'")
    if not isinstance(data, bytes):
        return Input(name, None, f"{name}: open as text, not bytes. Open it as 'rb'")
    return Input(name, data)


def _from_pillow(image: Image.Image) -> NDArray[np.uint8]:
    _check_size(image.height, image.width)
    return to_rgb(ImageOps.exif_transpose(image))


def _from_array(item: Any, *, bgr: bool) -> NDArray[np.uint8]:
    tensor = _is_tensor(item)
    if tensor:
        item = item.detach().cpu()
        item = item.float() if item.is_floating_point() else item
        item = item.numpy()
    values: NDArray[Any] = item
    if tensor and values.ndim == 3 and values.shape[0] in (1, 3, 4):
        values = values.transpose(1, 2, 0)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4):
        remedy = "give (height, width, 3)"
        if values.ndim == 4:
            remedy = "give list(array), a picture each"
        elif values.ndim == 3 and values.shape[0] in (1, 3):
            remedy = "give array.transpose(1, 2, 0)"
        raise MediaError(f"an array of shape {values.shape} is no picture; {remedy}")
    _check_size(*values.shape[:2])
    pixels = np.ascontiguousarray(_as_bytes(values))
    if bgr and pixels.shape[2] > 1:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return to_rgb(Image.fromarray(pixels))


def _check_size(height: int, width: int) -> None:
    if height == 0 or width == 0:
        raise MediaError(f"no pixels ({width} x {height}); check how it was cut")
    if height * width > MAX_PIXELS:
        raise MediaError(f"refused, too large ({width} x {height} pixels). Scale it down")


def _as_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Values as 0 to 255, where their type and range leave no doubt of what is white."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "uif":
        raise MediaError(f"values of type {values.dtype} are no colours; give uint8")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0:
        raise MediaError(
            f"values from {low:g} to {high:g}; give 0 to 255 as uint8, or 0 to 1 as floats"
        )
    if values.dtype == np.uint16:
        return np.rint(values / 257.0).astype(np.uint8)
    white = 1.0 if values.dtype.kind == "f" and high <= 1 else 255.0
    if high > white:
        raise MediaError(f"values up to {high:g}; give 0 to 255 as uint8, or 0 to 1 as floats")
    return np.rint(values * (255.0 / white)).astype(np.uint8)
