"""Plain values that templates know how to draw: pictures, tables and their cells."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from PIL import Image


class Picture(NamedTuple):
    """A picture that stands in the page itself."""

    url: str
    width: int
    height: int
    alt: str


class Cell(NamedTuple):
    """A cell of a table that is more than a text or a number.

    Attributes:
        text: what it says.
        ends: an interval, in small letters below.
        dot: colour of a dot before the text.
        soft, strong: less or more weight than others have.
        title: shown on hovering.
    """

    text: str
    ends: str = ""
    dot: str = ""
    soft: bool = False
    strong: bool = False
    title: str = ""


Row: TypeAlias = Sequence[str | int | float | Cell]


class Table(NamedTuple):
    """A table; the first cell of a row is its heading."""

    head: Row
    rows: Iterable[Row]
    caption: str = ""
    kind: str = ""


def inlined(
    picture: Image.Image,
    alt: str,
    *,
    side: int | None = None,
    kind: str = "JPEG",
    quality: int = 85,
) -> Picture:
    """A picture as a part of the page.

    Args:
        picture: RGB.
        alt: what it shows, in words.
        side: longest side in pixels; larger pictures are made smaller.
        kind, quality: how it is packed.
    """
    if side is not None and max(picture.size) > side:
        picture = picture.copy()
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    picture.save(data, format=kind, quality=quality)
    code = base64.b64encode(data.getvalue()).decode()
    return Picture(f"data:image/{kind.lower()};base64,{code}", *picture.size, alt)
