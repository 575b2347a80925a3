"""Overlay pictures: numbered boxes with the expression and the strongest action units."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mien import facs
from mien.notation import (
    STATUS_WORDS,
    expression_words,
    face_number,
    present_units,
    strongest,
    unit_tag,
)
from mien.partfile import PartFile, SinkError, sink_error
from mien.schema import Analysis, Box

COLOURS = {
    "neutral": "#bdbdbd",
    "happiness": "#e69f00",
    "sadness": "#2f8fd0",
    "surprise": "#f0e442",
    "fear": "#cc79a7",
    "disgust": "#009e73",
    "anger": "#e8601c",
    "contempt": "#56b4e9",
    "anxiety": "#aa4499",
    "helplessness": "#44aa99",
    "disappointment": "#999933",
    "other": "#dddddd",
}
"""A colour per expression, after Okabe and Ito (2008): told apart with any colour vision. The name
of the expression always stands beside it."""

UNKNOWN_COLOUR = "#e0e0e0"

_MIN_SIDE = 480  # a smaller picture is enlarged to this, or its labels could not be read
_TOP_UNITS = 5

# Outlines over the 478 points of MediaPipe's face mesh.
_OUTLINES: dict[facs.Region, tuple[tuple[int, ...], ...]] = {
    "brows": (
        (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 70),
        (300, 293, 334, 296, 336, 285, 295, 282, 283, 276, 300),
    ),
    "eyes": (
        (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7, 33),
        (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249, 263),
    ),
    "nose": ((168, 6, 197, 195, 5, 4), (98, 97, 2, 326, 327)),
    "cheeks": ((116, 117, 118, 101, 50, 123, 116), (345, 346, 347, 330, 280, 352, 345)),
    "mouth": (
        (
            *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409),
            *(291, 375, 321, 405, 314, 17, 84, 181, 91, 146, 61),
        ),
    ),
    "jaw": ((172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397),),
}
_MESH_POINTS = 468


def colour_of(row: Analysis) -> str:
    """Hex colour of a row's expression."""
    label = row.expression.label if row.expression is not None else None
    return COLOURS.get(label or "", UNKNOWN_COLOUR)


def overlay(
    image: NDArray[np.uint8],
    rows: Sequence[Analysis],
    landmarks: Sequence[NDArray | None] = (),
    *,
    magnify: float = 1.0,
) -> Image.Image:
    """The picture with each face's box, number, expression and strongest action units.

    A picture whose longer side is under 480 px is enlarged by a whole factor; lines and letters
    scale with the picture and its faces.

    Args:
        image: (H, W, 3) RGB or (H, W) grey.
        rows: what was found in this picture; boxes in its pixels.
        landmarks: per row, (478, 3) MediaPipe points or None; regions with present units are
            outlined.
        magnify: makes letters larger, for a picture that is shown smaller than it is.
    """
    picture, scale = _canvas(image)
    style = _Style.for_picture(
        picture.size, [r.box for r in rows if r.box is not None], scale, magnify
    )
    draw = ImageDraw.Draw(picture, "RGBA")
    boxes = [_scaled(r.box, scale, picture.size) if r.box is not None else None for r in rows]
    for i, row in enumerate(rows):
        points = landmarks[i] if i < len(landmarks) else None
        if points is not None and len(points) >= _MESH_POINTS:
            _outline_regions(draw, row, np.asarray(points)[:, :2] * scale, style)
        box = boxes[i]
        if box is not None:
            _rectangle(draw, box, colour_of(row), style.line)
    placed: list[Box] = []
    for i, row in enumerate(rows):
        others = [b for j, b in enumerate(boxes) if b is not None and j != i]
        placed.append(_label(draw, row, i, boxes[i], placed, others, picture.size, style))
    return picture


def save_overlay(path: Path | str, picture: Image.Image) -> None:
    """Saves a picture under a name whose ending names the format; never leaves half a file there.

    Raises:
        SinkError: if it cannot be written, or the ending names no format.
    """
    place = PartFile(path)
    suffix = Path(path).suffix.lower()
    form = Image.registered_extensions().get(suffix)
    if form is None or form not in Image.SAVE:
        raise SinkError(
            f"cannot write {path}: {suffix or 'no ending'} names no picture format; use .png"
        )
    options = {"quality": 92} if form in ("JPEG", "WEBP") else {}
    try:
        with place.part.open("wb") as file:
            picture.save(file, format=form, **options)
        if not place.direct:
            place.part.replace(place.target)
    except OSError as error:
        if not place.direct:
            with contextlib.suppress(OSError):
                place.part.unlink(missing_ok=True)
        raise sink_error(path, error) from error


# --------------------------------------------------------------------------------------- the parts


@dataclass(frozen=True, slots=True)
class _Style:
    line: int
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    pad: int
    leading: int

    @classmethod
    def for_picture(
        cls, size: tuple[int, int], boxes: Sequence[Box], scale: int, magnify: float
    ) -> _Style:
        long_side = max(size)
        wide = sorted(scale * (b[2] - b[0]) for b in boxes)
        face = wide[len(wide) // 2] if wide else long_side / 4
        # Letters follow the faces, so that a crowd stays readable, within what the picture allows.
        letters = round(
            magnify * min(max(0.12 * face, long_side / 110, 12), max(long_side / 34, 14))
        )
        return cls(
            line=max(2, round(long_side / 400)),
            font=ImageFont.load_default(letters),
            pad=max(2, letters // 4),
            leading=round(letters * 1.25),
        )

    def width(self, text: str) -> int:
        return int(self.font.getlength(text)) + 1


def _canvas(image: NDArray[np.uint8]) -> tuple[Image.Image, int]:
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"image is {image.dtype} {image.shape}, not uint8 (H, W, 3) or (H, W)")
    picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    scale = max(1, -(-_MIN_SIDE // max(picture.size)))
    if scale > 1:
        size = (picture.width * scale, picture.height * scale)
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return picture, scale


def _scaled(box: Box, scale: int, size: tuple[int, int]) -> Box:
    """The box in pixels of the canvas, cut at its edges."""
    w, h = size[0] - 1, size[1] - 1
    x0, y0, x1, y1 = (v * scale for v in box)
    x0, x1 = min(max(x0, 0), w), min(max(x1, 0), w)
    y0, y1 = min(max(y0, 0), h), min(max(y1, 0), h)
    return (x0, y0, x1, y1)


def _rectangle(draw: ImageDraw.ImageDraw, box: Box, colour: str, line: int) -> None:
    edge = max(1, line // 2)  # a dark edge on both sides shows the line on any ground
    x0, y0, x1, y1 = box
    wide = (x0 - edge, y0 - edge, x1 + edge, y1 + edge)
    draw.rectangle(wide, outline=(0, 0, 0, 170), width=line + 2 * edge)
    draw.rectangle(box, outline=colour, width=line)


def _outline_regions(
    draw: ImageDraw.ImageDraw, row: Analysis, points: NDArray, style: _Style
) -> None:
    colour = colour_of(row)
    line = max(1, style.line // 2)
    for region in {facs.au_info(u.au).region for u in present_units(row)}:
        for outline in _OUTLINES[region]:
            path = [(float(x), float(y)) for x, y in points[list(outline)]]
            draw.line(path, fill=(0, 0, 0, 130), width=line + 2, joint="curve")
            draw.line(path, fill=colour, width=line, joint="curve")


def _texts(row: Analysis, index: int) -> Iterable[tuple[str, ...]]:
    """What a label may say, the fullest first."""
    number = f"#{face_number(row, index)}"
    if row.status != "ok":
        words = STATUS_WORDS[row.status]
        yield (words,) if row.box is None else (f"{number} {words}",)
        yield (number,)
        return
    expression = expression_words(row)
    units = " ".join(map(unit_tag, strongest(present_units(row), _TOP_UNITS)))
    if units:
        yield (f"{number} {expression}", f"AU {units}")
    yield (f"{number} {expression}",)
    if row.expression is not None and row.expression.label is not None:
        yield (f"{number} {row.expression.label}",)
    yield (number,)


def _label(
    draw: ImageDraw.ImageDraw,
    row: Analysis,
    index: int,
    box: Box | None,
    placed: Sequence[Box],
    others: Sequence[Box],
    size: tuple[int, int],
    style: _Style,
) -> Box:
    best: tuple[float, Box, tuple[str, ...]] | None = None
    for shorter, lines in enumerate(_texts(row, index)):
        w = max(map(style.width, lines)) + 3 * style.pad + style.line
        h = style.leading * len(lines) + 2 * style.pad
        if w > size[0] or h > size[1]:
            continue
        for place in _places(box, (w, h), size, style.line):
            # Words on words cannot be read at all; a hidden face is worse than a shorter label.
            cost = 100 * sum(_hidden(place, p) for p in placed) + 0.3 * shorter
            cost += 6 * sum(_hidden(b, place) for b in others)
            if box is not None:
                cost += 4 * _hidden(box, place)
            if best is None or cost < best[0]:
                best = (cost, place, lines)
    if best is None:  # a picture too narrow for even the number
        return (0.0, 0.0, 0.0, 0.0)
    _, place, lines = best
    _write(draw, place, lines, colour_of(row), style)
    return place


def _places(
    box: Box | None, label: tuple[int, int], size: tuple[int, int], line: int
) -> Iterable[Box]:
    """Where a label may go, the best first; each lies wholly inside the picture."""
    w, h = label
    gap = 2 * line
    x0, y0, x1, y1 = box if box is not None else (0, 0, size[0], size[1])
    corners = [
        *((x0 - line, y0 - h - gap), (x1 + line - w, y0 - h - gap)),
        *((x0 - line, y1 + gap), (x1 + line - w, y1 + gap)),
        *((x1 + gap, y0), (x0 - gap - w, y0), (x1 + gap, y1 - h), (x0 - gap - w, y1 - h)),
        *((x0 + gap, y1 - h - gap), (x0 + gap, y0 + gap)),
    ]
    for x, y in corners:
        x = min(max(x, 0), size[0] - w)
        y = min(max(y, 0), size[1] - h)
        yield (x, y, x + w, y + h)


def _hidden(box: Box, by: Box) -> float:
    """Share of a box that lies under another."""
    w = min(box[2], by[2]) - max(box[0], by[0])
    h = min(box[3], by[3]) - max(box[1], by[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return w * h / area if w > 0 and h > 0 and area > 0 else 0.0


def _write(
    draw: ImageDraw.ImageDraw, place: Box, lines: Sequence[str], colour: str, style: _Style
) -> None:
    x0, y0, x1, y1 = place
    stripe = style.line + style.pad
    draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=(16, 16, 16, 215))
    draw.rectangle((x0, y0, x0 + stripe - 1, y1 - 1), fill=colour)
    for n, text in enumerate(lines):
        middle = y0 + style.pad + (n + 0.5) * style.leading
        draw.text((x0 + stripe + style.pad, middle), text, "#ffffff", style.font, anchor="lm")
