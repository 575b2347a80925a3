"""Pictures and videos out of data URLs and uploads, checked before they are decoded."""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
import unicodedata
import warnings
from collections.abc import Sequence

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.media import Input, MediaError, Picture, is_video, iter_pictures, read_frames
from mien.media.frames import Frame
from mien.media.kinds import is_animation
from mien.media.video import open_container, video_stream
from mien.serve.errors import ApiError
from mien.serve.limits import Limits

_DATA_URL = re.compile(r"data:(?:image|video|application)/[\w.+-]+(?:;[\w.+-]+=[\w.+-]*)*;base64,")
_DECODING = threading.Semaphore(2)
"""A decoded picture may be large: no more than two are decoded at a time."""
LONGEST_NAME = 200


def decoded(url: str, what: str, limits: Limits) -> bytes:
    """What a data URL holds.

    Args:
        url: of a request.
        what: "picture" or "video", for errors.
        limits: on its size.

    Raises:
        ApiError: if it is none, or holds too much.
    """
    head = _DATA_URL.match(url[:200])
    if head is None:
        why = "is no data URL with base64 (data:image/jpeg;base64,...)"
        if re.match(r"\s*(?:https?|ftp|file|gs|s3):", url[:50], re.IGNORECASE):
            why = "is an address; this server fetches nothing. Send a data URL (data:...;base64,)"
        raise ApiError(400, "no_data_url", f"the {what} {why}", param=f"{what}_url")
    if (len(url) - head.end()) * 3 // 4 > limits.body_bytes:
        raise ApiError(413, "too_large", f"the {what} has more than {limits.body_bytes:,} bytes")
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(400, "invalid_base64", f"the {what}'s base64 is damaged") from None
    if not data:
        raise ApiError(400, "empty", f"the {what} is empty")
    return data


def picture(data: bytes, name: str, limits: Limits) -> NDArray[np.uint8]:
    """A picture as upright RGB.

    Raises:
        ApiError: if it cannot be read, or is too large.
    """
    (read,) = pictures([Input(name, data)], limits)
    if read.image is None:
        raise ApiError(400, "unreadable", str(read.error))
    return read.image


def pictures(inputs: Sequence[Input], limits: Limits) -> list[Picture]:
    """Uploads, read one by one; what is broken says so."""
    with _DECODING:
        return list(iter_pictures(inputs, max_pixels=limits.pixels))


def check_pixels(data: bytes, name: str, limits: Limits) -> int:
    """The pixels of a picture by its header; 0 of one that is broken, which is told later.

    Raises:
        ApiError: of status 413.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        raise _too_many_pixels(name, limits) from None
    except Exception:  # whatever is wrong with it is told when it is read
        return 0
    if width * height > limits.pixels:
        raise _too_many_pixels(name, limits)
    return width * height


def check_video(data: bytes, name: str, limits: Limits) -> int:
    """The pixels of one frame; 0 of a video that is broken, which is told later.

    Raises:
        ApiError: of status 413.
    """
    if is_animation(data):
        _check_animation(data, name, limits)
        return check_pixels(data, name, limits)
    try:
        with open_container(data, name=name) as container:
            stream = video_stream(container, name=name)
            pixels, length = stream.width * stream.height, container.duration
    except MediaError:
        return 0
    if pixels > limits.pixels:
        raise _too_many_pixels(name, limits)
    if length is not None and length / av.time_base > limits.video_seconds + 1:
        raise too_long(name, limits)
    return pixels


def _check_animation(data: bytes, name: str, limits: Limits) -> None:
    """Its frames are counted, not decoded."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            count, pixels = getattr(image, "n_frames", 1), image.width * image.height
    except Exception:  # as above
        return
    if count * pixels > limits.animation_pixels:
        most = f"more than {limits.animation_pixels:,} pixels in all frames"
        raise ApiError(413, "too_many_pixels", f"{name}: {most}; send a video, or a part of it")


def frames(data: bytes, count: int, limits: Limits) -> list[Frame]:
    """So many frames of a video, evenly over it.

    Raises:
        ApiError: if there are none.
    """
    if not is_video(Input("video", data)):
        raise ApiError(400, "unreadable", "the video is none; send a picture as image_url")
    try:
        with _DECODING:
            found = read_frames(data, count=count, name="video", max_pixels=limits.pixels)
            return list(found)
    except MediaError as error:
        raise ApiError(400, "unreadable", str(error)) from None


def shown_name(name: str | None, number: int) -> str:
    """What an upload is called: the last part of its name, without what is not visible."""
    last = re.split(r"[/\\]", name or "")[-1]
    plain = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return plain[:LONGEST_NAME] if plain.strip(".") else f"file-{number}"


def too_long(name: str, limits: Limits) -> ApiError:
    """What is told of a video that is too long."""
    return ApiError(
        413,
        "video_too_long",
        f"{name}: longer than {limits.video_seconds:g} s; send a part of it",
    )


def _too_many_pixels(name: str, limits: Limits) -> ApiError:
    return ApiError(
        413,
        "too_many_pixels",
        f"{name}: more than {limits.pixels:,} pixels; scale it down",
    )
