"""Picture or video: told by what a file holds, since names lie."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from mien.media.inputs import VIDEO_SUFFIXES, Input

_HEAD = 400
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"heim", b"heis", b"avif")
_ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")
_VIDEO_MAGIC = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"0&\xb2u\x8ef\xcf\x11",  # ASF, WMV
    b"\0\0\x01\xba",  # MPEG program stream
    b"\0\0\x01\xb3",  # MPEG video
    b"\0\0\0\x01",  # H.264 and H.265 without a container
    b"\x06\x0e+4",  # MXF
    b"DKIF",
    b"YUV4MPEG2",
)


def is_video(item: Input | Path) -> bool:
    """Whether an input is read frame by frame: a video, or an animated GIF, WebP, PNG or AVIF.

    Decided by the first bytes; by the suffix only where they say nothing, so that a broken video is
    still told as one. Standard input and what cannot be opened are not videos.
    """
    origin = item.origin if isinstance(item, Input) else item
    if isinstance(origin, bytes):
        return holds_video(origin[:_HEAD]) or is_animation(origin)
    if origin is None or not origin.is_file():
        return False
    try:
        with origin.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    if holds_video(head) or is_animation(origin):
        return True
    suffix = origin.suffix.lower()
    if head.startswith(b"\xff\xd8"):
        return suffix in (".mjpeg", ".mjpg")
    return suffix in VIDEO_SUFFIXES and not _holds_picture(head)


def holds_video(head: bytes) -> bool:
    """Whether a file begins as a video (or sound) does; animations do not count."""
    if head.startswith(_VIDEO_MAGIC):
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] not in (*_STILL_BRANDS, b"avis")
    if head[4:8] in (b"moov", b"mdat", b"wide", b"skip", b"free", b"pnot"):
        return True  # older QuickTime
    if head.startswith(b"RIFF"):
        return head[8:12] == b"AVI "
    # Packets of MPEG transport streams begin with G, 188 bytes apart (192 with a time code).
    return (
        head[:1] == head[188:189] == head[376:377] == b"G"
        or head[4:5] == head[196:197] == (head[388:389]) == b"G"
    )


def is_animation(origin: Path | bytes) -> bool:
    """Whether this is a picture format with several frames that follow each other in time."""
    try:
        source = io.BytesIO(origin) if isinstance(origin, bytes) else origin
        with Image.open(source, formats=[f for f in _ANIMATIONS if _registered(f)]) as image:
            return bool(getattr(image, "is_animated", False))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _registered(name: str) -> bool:
    Image.init()
    return name in Image.OPEN


def _holds_picture(head: bytes) -> bool:
    return (
        head.startswith((b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in (*_STILL_BRANDS, b"avis"))
    )
