"""Overlay pictures: numbered boxes with the expression and the action units."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mien.draw.regions import MESH_POINTS, tag, tint
from mien.draw.style import Style, colour_of, hidden
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

MIN_SIDE = 480  # a smaller picture is enlarged to this, or its labels could not be read
_TOP_UNITS = 5


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
            tinted, the stronger the more intense, and named beside the face where there is room.
        magnify: makes letters larger, for a picture that is shown smaller than it is.
    """
    picture, scale = _canvas(image)
    size = picture.size
    boxes = [_scaled(r.box, scale, size) if r.box is not None else None for r in rows]
    styles = [Style.for_face(size, box, magnify) for box in boxes]
    meshes = [_mesh(landmarks[i], scale) if i < len(landmarks) else None for i in range(len(rows))]
    for row, points, style in zip(rows, meshes, styles, strict=True):
        if points is not None:
            tint(picture, row, points, style)
    draw = ImageDraw.Draw(picture, "RGBA")
    for row, box, style in zip(rows, boxes, styles, strict=True):
        if box is not None:
            _rectangle(draw, box, colour_of(row), style.line)
    placed: list[Box] = []
    for i, row in enumerate(rows):
        others = [b for j, b in enumerate(boxes) if b is not None and j != i]
        placed.append(_label(draw, row, i, boxes[i], placed, others, size, styles[i]))
    # Labels have all units, so tags take the room that is left.
    for i, (row, points, box) in enumerate(zip(rows, meshes, boxes, strict=True)):
        if points is not None and box is not None:
            others = [b for j, b in enumerate(boxes) if b is not None and j != i]
            placed += tag(draw, row, points, box, [*placed, *others], size, styles[i])
    return picture


def close_up(
    image: NDArray[np.uint8], row: Analysis, landmarks: NDArray | None, *, width: int = 420
) -> Image.Image | None:
    """One face, cut out and enlarged, with its regions tinted and its action units named.

    Args:
        image: (H, W, 3) RGB or (H, W) grey, the whole picture.
        row: the face; its box in pixels of the picture.
        landmarks: (478, 3) MediaPipe points or None.
        width: of the result; half of it is face, the rest is room for names.

    Returns:
        None where no unit is present, or it is not known where the face is.
    """
    if row.box is None or _mesh(landmarks, 1) is None or not present_units(row):
        return None
    x0, y0, x1, y1 = row.box
    if x1 - x0 < 1 or y1 - y0 < 1:
        return None
    left, top = round((3 * x0 - x1) / 2), round(y0 - 0.06 * (y1 - y0))
    cut = (left, top, left + round(2 * (x1 - x0)), top + round(1.12 * (y1 - y0)))
    scale = width / (cut[2] - left)
    size = (width, max(1, round((cut[3] - top) * scale)))
    whole = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    # what lies outside the picture comes out black
    picture = whole.crop(cut).resize(size, Image.Resampling.LANCZOS)
    box = ((x0 - left) * scale, (y0 - top) * scale, (x1 - left) * scale, (y1 - top) * scale)
    points = (np.asarray(landmarks)[:, :2] - (left, top)) * scale
    style = Style.of(round(width / 26), line=2)
    tint(picture, row, points, style)
    tag(ImageDraw.Draw(picture, "RGBA"), row, points, box, (), size, style)
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


def _mesh(landmarks: NDArray | None, scale: int) -> NDArray | None:
    """Points (478, 2) in pixels of the canvas; None where there are none to draw from."""
    if landmarks is None or len(landmarks) < MESH_POINTS:
        return None
    points = np.asarray(landmarks, dtype=float)[:, :2] * scale
    return points if np.isfinite(points).all() else None


def _canvas(image: NDArray[np.uint8]) -> tuple[Image.Image, int]:
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"image is {image.dtype} {image.shape}, not uint8 (H, W, 3) or (H, W)")
    picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    scale = max(1, -(-MIN_SIDE // max(picture.size)))
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
    style: Style,
) -> Box:
    best: tuple[float, Box, tuple[str, ...]] | None = None
    for shorter, lines in enumerate(_texts(row, index)):
        w = max(map(style.width, lines)) + 3 * style.pad + style.line
        h = style.leading * len(lines) + 2 * style.pad
        if w > size[0] or h > size[1]:
            continue
        for place in _places(box, (w, h), size, style.line):
            # Words on words cannot be read at all; a hidden face is worse than a shorter label.
            cost = 100 * sum(hidden(place, p) for p in placed) + 0.3 * shorter
            cost += 6 * sum(hidden(b, place) for b in others)
            if box is not None:
                cost += 4 * hidden(box, place)
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


def _write(
    draw: ImageDraw.ImageDraw, place: Box, lines: Sequence[str], colour: str, style: Style
) -> None:
    x0, y0, x1, y1 = place
    stripe = style.line + style.pad
    draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=(16, 16, 16, 215))
    draw.rectangle((x0, y0, x0 + stripe - 1, y1 - 1), fill=colour)
    for n, text in enumerate(lines):
        middle = y0 + style.pad + (n + 0.5) * style.leading
        draw.text((x0 + stripe + style.pad, middle), text, "#ffffff", style.font, anchor="lm")
