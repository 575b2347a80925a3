"""Action units on the face: each region where one shows is tinted, and a tag beside it names it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from mien import facs
from mien.draw.style import Style, colour_of, hidden
from mien.notation import present_units, unit_tag
from mien.schema import ActionUnit, Analysis, Box

MESH_POINTS = 468

# Outlines over the 478 points of MediaPipe's face mesh; of a pair, the subject's right is first.
_OUTLINES: dict[facs.Region, tuple[tuple[int, ...], ...]] = {
    "brows": (
        (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
        (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
    ),
    "eyes": (
        (130, 247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25),
        (359, 467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255),
    ),
    "nose": (
        (
            *(168, 193, 122, 196, 236, 198, 209, 49, 48, 64, 98, 97, 2, 326, 327),
            *(294, 278, 279, 429, 420, 456, 419, 351, 417),
        ),
    ),
    "cheeks": (
        (116, 117, 118, 119, 100, 36, 205, 187, 123),
        (345, 346, 347, 348, 329, 266, 425, 411, 352),
    ),
    "mouth": (
        (
            *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409),
            *(291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
        ),
    ),
    "jaw": (
        (
            *(150, 149, 176, 148, 152, 377, 400, 378, 379),
            *(335, 406, 313, 18, 83, 182, 106),
        ),
    ),
}
_UNGRADED = 3.0  # a unit without intensity is shown as one in the middle
_FEWEST_LETTERS = 6  # a face narrower than this many letters has no room for tags
_WIDEST_NAME = 0.45  # share of a face's width and height that words on it may take


@dataclass(frozen=True, slots=True)
class _Part:
    """An outline (N, 2) with the units that show there."""

    points: NDArray
    units: tuple[ActionUnit, ...]

    @property
    def strength(self) -> float:
        """The greatest intensity, from 0 to 1."""
        return max(_UNGRADED if u.intensity is None else u.intensity for u in self.units) / 5


@dataclass(frozen=True, slots=True)
class _Name:
    """The units of a region in words, where they go, and the line to the region if beside it."""

    text: str
    place: Box
    line: tuple[tuple[float, float], tuple[float, float]] | None


def tint(picture: Image.Image, row: Analysis, points: NDArray, style: Style) -> None:
    """Tints and outlines the regions of a face that have present units.

    Args:
        picture: RGB, changed in place.
        row: the face; the more intense its unit, the stronger the tint.
        points: (478, 2) MediaPipe points in pixels of the picture.
        style: sizes of its marks.
    """
    parts = list(_parts(row, points))
    if not parts:
        return
    edge = 2 * style.line
    corners = np.concatenate([p.points for p in parts])
    x0, y0 = np.floor(corners.min(0)).astype(int) - edge
    x1, y1 = np.ceil(corners.max(0)).astype(int) + edge
    # what lies outside the picture is not painted, or a wild point would ask for a wild size
    x0, y0 = max(x0, 0), max(y0, 0)
    x1, y1 = min(x1, picture.width), min(y1, picture.height)
    if x1 <= x0 or y1 <= y0:
        return
    # Pillow's lines are jagged; drawn larger and shrunk they are smooth.
    fine = max(1, min(4, 2000 // max(x1 - x0, y1 - y0)))
    layer = Image.new("RGBA", ((x1 - x0) * fine, (y1 - y0) * fine))
    draw = ImageDraw.Draw(layer)
    colour = ImageColor.getrgb(colour_of(row))[:3]
    width = max(2, round(0.7 * style.line * fine))
    for part in parts:
        path = [(float(x), float(y)) for x, y in (part.points - (x0, y0)) * fine]
        draw.polygon(path, fill=(*colour, round(30 + 115 * part.strength)))
        ring = [*path, path[0], path[1]]
        draw.line(ring, fill=(0, 0, 0, 110), width=width + 2 * fine, joint="curve")
        draw.line(
            ring, fill=(*colour, round(130 + 125 * part.strength)), width=width, joint="curve"
        )
    small = layer.resize((x1 - x0, y1 - y0), Image.Resampling.BOX)
    picture.paste(small, (int(x0), int(y0)), small)


def tag(
    draw: ImageDraw.ImageDraw,
    row: Analysis,
    points: NDArray,
    box: Box,
    taken: Sequence[Box],
    size: tuple[int, int],
    style: Style,
) -> list[Box]:
    """Names the units of each region beside the face or upon it, if there is room; returns where.

    Args:
        draw: of the picture.
        row: the face.
        points: (478, 2) MediaPipe points in pixels of the picture.
        box: of the face.
        taken: what a tag may not hide.
        size: width and height of the picture.
        style: sizes of its marks.
    """
    if box[2] - box[0] < _FEWEST_LETTERS * style.letters:
        return []
    regions: dict[facs.Region, list[_Part]] = {}
    for part in _parts(row, points):
        regions.setdefault(facs.au_info(part.units[0].au).region, []).append(part)
    small = style.smaller()
    names: list[_Name] = []
    for index, parts in enumerate(regions.values()):
        units = dict.fromkeys(u for part in parts for u in part.units)
        text = " ".join(map(unit_tag, sorted(units, key=lambda u: (u.au, u.side))))
        outlines = [p.points for p in parts]
        for name in _names(text, outlines, box, small, right_first=index % 2 == 0):
            x0, y0, x1, y1 = name.place
            inside = x0 >= 0 and y0 >= 0 and x1 <= size[0] and y1 <= size[1]
            hides = [*taken, *(other.place for other in names)]
            if inside and not any(hidden(name.place, other) for other in hides):
                names.append(name)
                break
    colour = colour_of(row)
    width = max(1, style.line // 2)
    for name in names:
        if name.line is not None:
            draw.line(name.line, fill=(0, 0, 0, 150), width=width + 2)
            draw.line(name.line, fill=colour, width=width)
    for name in names:
        x0, y0, x1, y1 = name.place
        edge = 2
        if name.line is not None:
            draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=(16, 16, 16, 215), outline=colour)
            edge = 0
        draw.text(
            ((x0 + x1) / 2, (y0 + y1) / 2),
            name.text,
            "#ffffff",
            small.font,
            anchor="mm",
            spacing=2,
            align="center",
            stroke_width=edge,
            stroke_fill="#101010",
        )
    return [name.place for name in names]


def _parts(row: Analysis, points: NDArray) -> Iterator[_Part]:
    units = present_units(row)
    for region in facs.REGIONS:
        here = tuple(u for u in units if facs.au_info(u.au).region == region)
        outlines = _OUTLINES[region]
        sides = ("right", "left") if len(outlines) == 2 else ("both",)
        for outline, side in zip(outlines, sides, strict=True):
            shown = tuple(u for u in here if "both" in (side, u.side) or u.side == side)
            if shown:
                yield _Part(np.asarray(points, dtype=float)[list(outline)], shown)


def _names(
    text: str, outlines: Sequence[NDArray], box: Box, style: Style, *, right_first: bool
) -> Iterator[_Name]:
    """Ways to name a region, the best first: beside the face, level with it, else upon it."""
    w, h = style.width(text) + 2 * style.pad, style.leading + style.pad
    corners = np.concatenate(outlines)
    middle = float(corners[:, 1].mean())
    gap = 4 * style.line
    sides = (box[2] + gap, box[0] - gap - w)
    for shift in (0, -1, 1, -2, 2):
        for x in sides if right_first else sides[::-1]:
            y = middle - h / 2 + shift * (h + style.line)
            near = x + w if x < box[0] else x
            end = (near, y + h / 2)
            start = corners[np.square(corners - end).sum(1).argmin()]
            yield _Name(text, (x, y, x + w, y + h), ((float(start[0]), float(start[1])), end))
    # two a line, since regions are narrow
    tags = text.split()
    text = "\n".join(" ".join(tags[i : i + 2]) for i in range(0, len(tags), 2))
    w, h = max(map(style.width, text.split("\n"))), style.leading * (text.count("\n") + 1)
    if w > _WIDEST_NAME * (box[2] - box[0]) or h > _WIDEST_NAME * (box[3] - box[1]):
        return
    for outline in outlines:
        x, y = outline.mean(0)
        yield _Name(text, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), None)
