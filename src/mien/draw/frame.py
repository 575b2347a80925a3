"""Marks drawn on one frame: boxes in the colours of tracks, words, bars of action units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mien.draw.marks import Mark
from mien.draw.style import Style, hidden
from mien.notation import percent
from mien.schema import Box

TRACK_COLOURS = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#2f8fd0", "#e8601c", "#cc79a7", "#bdbdbd",
)  # fmt: skip
"""A colour per track, after Okabe and Ito (2008), in turn."""

_BAR_LETTERS = 5.5  # length of a full bar in letters
_PRESENT = 0.5  # intensity from which a bar is drawn bright
_MOST_HIDDEN = 0.15  # share of faces that bars may hide
_FEWEST_LETTERS = 3.5  # a face narrower than this many letters gets no bars


def colour_of_track(number: int) -> str:
    """Hex colour of a track."""
    return TRACK_COLOURS[number % len(TRACK_COLOURS)]


def draw_frame(image: NDArray[np.uint8], marks: Sequence[Mark]) -> NDArray[np.uint8]:
    """The frame with its marks.

    Places depend on the boxes alone, so that nothing jumps from frame to frame: the words stand
    above a box or, at the upper edge, below it; the bars on its right or, at the edge and where
    they would hide another face, on its left or in a corner; a close-up that leaves no room has
    none.

    Args:
        image: (H, W, 3) uint8 RGB; left as it is.
        marks: what to draw.
    """
    if not marks:
        return image
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture, "RGBA")
    size = picture.size
    for mark in sorted(marks, key=lambda m: m.box[2] - m.box[0]):
        style = Style.for_face(size, mark.box)
        colour = colour_of_track(mark.track)
        x0, y0, x1, y1 = mark.box
        edge = max(1, style.line // 2)
        wide = (x0 - edge, y0 - edge, x1 + edge, y1 + edge)
        draw.rectangle(wide, outline=(0, 0, 0, 170), width=style.line + 2 * edge)
        draw.rectangle(mark.box, outline=colour, width=style.line)
        _words(draw, mark, style, size, colour)
        if x1 - x0 >= _FEWEST_LETTERS * style.letters and mark.units:
            others = [other.box for other in marks if other is not mark]
            _bars(draw, mark, style, size, colour, others)
    return np.asarray(picture)


def _words(
    draw: ImageDraw.ImageDraw, mark: Mark, style: Style, size: tuple[int, int], colour: str
) -> None:
    text = f"#{mark.track}"
    if mark.label is not None:
        text += f" {mark.label}"
    if mark.score is not None:
        text += f" {percent(mark.score)}"
    # As wide as the widest number, so that the ground does not tremble with the digits.
    stripe = style.line + style.pad
    w = style.width(text) + stripe + 2 * style.pad
    h = style.leading + style.pad
    x0, y0, _, y1 = mark.box
    x = min(max(x0 - style.line, 0), max(size[0] - w, 0))
    y = y0 - h - 2 * style.line
    if y < 0:
        y = min(y1 + 2 * style.line, size[1] - h)
    place: Box = (x, y, x + w, y + h)
    draw.rectangle(place, fill=(16, 16, 16, 205))
    draw.rectangle((x, y, x + stripe, y + h), fill=colour)
    draw.text((x + stripe + style.pad, y + h / 2), text, "#ffffff", style.font, anchor="lm")


def _bars(
    draw: ImageDraw.ImageDraw,
    mark: Mark,
    style: Style,
    size: tuple[int, int],
    colour: str,
    others: Sequence[Box],
) -> None:
    small = style.smaller()
    names = [_name(au, side) for (au, side), _ in mark.units]
    column = max(map(small.width, names)) + small.pad
    length = _BAR_LETTERS * small.letters
    w, h = column + length + 3 * small.pad, small.leading * len(names) + 2 * small.pad
    x0, y0, x1, _ = mark.box
    gap = 3 * style.line
    wide, tall = max(size[0] - w, 0), max(size[1] - h, 0)
    level = min(max(y0, 0), tall)
    corners = [(wide, tall), (0, tall), (wide, 0), (0, 0)]
    beside = [(x, level) for x in (x1 + gap, x0 - gap - w) if 0 <= x <= wide]
    hides = {
        place: sum(hidden(b, (*place, place[0] + w, place[1] + h)) for b in (mark.box, *others))
        for place in (*beside, *corners)
    }
    x, y = min(hides, key=lambda place: hides[place])
    if hides[x, y] > _MOST_HIDDEN:
        return
    draw.rectangle((x, y, x + w, y + h), fill=(16, 16, 16, 190))
    for i, (name, (_, value)) in enumerate(zip(names, mark.units, strict=True)):
        middle = y + small.pad + (i + 0.5) * small.leading
        ink = "#ffffff" if value is not None and value >= _PRESENT else "#a8a8a8"
        draw.text((x + small.pad, middle), name, ink, small.font, anchor="lm")
        if value is None:
            continue
        begin, half = x + small.pad + column, max(2, small.letters // 4)
        draw.rectangle(
            (begin, middle - half, begin + length, middle + half), fill=(255, 255, 255, 45)
        )
        if value > 0.05:
            end = begin + length * value / 5
            draw.rectangle((begin, middle - half, end, middle + half), fill=colour)


def _name(au: int, side: str) -> str:
    return f"AU{au}" + {"left": " L", "right": " R"}.get(side, "")
