"""Skin textures: tone, lips, brows, beard, and the lines that actions draw into skin.

Meshes move smoothly and have no wrinkles, though people read several units from wrinkles more than
from movement (FACS 2002 lists them among each unit's appearance changes). They are painted where
those units fold the skin, deeper in older skin, and faintly in resting faces too, so that a line
alone is no proof of a unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIZE = 256
"""Side of the texture in pixels."""

Colour = tuple[float, float, float]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Paint:
    """How a person's skin is painted. Shares are in [0, 1].

    Attributes:
        skin, lips, brows: RGB in [0, 1].
        lip_strength: how much the lips differ from the skin.
        brow_density, brow_width: of the eyebrows; density 0 has none.
        beard: stubble to full beard.
        beard_colour: RGB.
        eye_shadow: make-up of the lids.
        redness: of cheeks and nose.
        unevenness: of the skin.
        lines: depth of wrinkles, larger with age.
        seed: of the details.
    """

    skin: Colour
    lips: Colour
    brows: Colour
    lip_strength: float
    brow_density: float
    brow_width: float
    beard: float
    beard_colour: Colour
    eye_shadow: float
    redness: float
    unevenness: float
    lines: float
    seed: int


def paint_skin(
    paint: Paint, landmarks: NDArray[np.floating], units: Mapping[int, float]
) -> NDArray[np.uint8]:
    """The texture of one face.

    Args:
        paint: the person.
        landmarks: (68, 2) in texture space, v up.
        units: present units and their intensity in (0, 5], which fold the skin.

    Returns:
        (SIZE, SIZE, 3) uint8, first row on top.
    """
    rng = np.random.default_rng(paint.seed)
    points = np.stack([landmarks[:, 0] * SIZE, (1 - landmarks[:, 1]) * SIZE], 1)
    unit = float(np.linalg.norm(points[45] - points[36]))  # between the outer eye corners
    image = np.ones((SIZE, SIZE, 3), np.float32) * np.asarray(paint.skin, np.float32)
    image *= 1 + paint.unevenness * (_noise(rng)[..., None] - 0.5)
    blush = _mask(lambda d: _blush(d, points, unit), blur=unit * 0.12)
    image *= 1 - paint.redness * blush[..., None] * np.array([0.0, 0.22, 0.2], np.float32)
    if paint.beard > 0:
        grown = _mask(lambda d: _beard(d, points, unit), blur=unit * 0.06)
        stubble = paint.beard * grown * (0.55 + 0.45 * rng.random((SIZE, SIZE), np.float32))
        image = _blend(image, paint.beard_colour, stubble)
    if paint.eye_shadow > 0:
        lids = _mask(lambda d: _lids(d, points, unit), blur=unit * 0.03)
        image = _blend(image, tuple(0.6 * c for c in paint.lips), paint.eye_shadow * lids)
    lips = _mask(lambda d: d.polygon(_flat(points[48:60]), fill=255), blur=unit * 0.012)
    image = _blend(image, paint.lips, paint.lip_strength * lips)
    seam = _mask(lambda d: d.line(_flat(_seam(points)), fill=255, width=1), blur=unit * 0.008)
    image *= 1 - 0.35 * seam[..., None]
    folds = _mask(lambda d: _folds(d, points, unit, units, rng), blur=unit * 0.012)
    soft = _mask(lambda d: _folds(d, points, unit, units, rng), blur=unit * 0.035)
    image *= 1 - paint.lines * np.maximum(0.55 * folds, 0.5 * soft)[..., None]
    if paint.brow_density > 0:
        ground = _mask(lambda d: _brow_shapes(d, points, unit, paint), blur=unit * 0.02)
        hairs = _mask(lambda d: _brows(d, points, unit, paint, rng), blur=0.7)
        image = _blend(image, paint.brows, np.maximum(0.75 * paint.brow_density * ground, hairs))
    return (image.clip(0, 1) * 255).astype(np.uint8)


def _mask(draw: Callable[[ImageDraw.ImageDraw], None], *, blur: float) -> NDArray[np.float32]:
    canvas = Image.new("L", (SIZE, SIZE))
    draw(ImageDraw.Draw(canvas))
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(blur)), np.float32) / np.float32(255)


def _blend(
    image: NDArray[np.float32], colour: Colour | tuple[float, ...], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    kept = image * (1 - share[..., None])
    return (kept + np.asarray(colour, np.float32) * share[..., None]).astype(np.float32)


def _noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """(SIZE, SIZE) blotches of several sizes in [0, 1]."""
    total = np.zeros((SIZE, SIZE), np.float32)
    for cells, weight in ((6, 0.4), (24, 0.3), (96, 0.3)):
        coarse = Image.fromarray(rng.random((cells, cells), np.float32))
        total += weight * np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return total.clip(0, 1)


def _flat(points: Points) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]


def _seam(points: Points) -> Points:
    """Between the lips, from corner to corner."""
    upper, lower = points[[61, 62, 63]], points[[67, 66, 65]]
    return np.concatenate([points[60:61], (upper + lower) / 2, points[64:65]])


def _blush(draw: ImageDraw.ImageDraw, points: Points, unit: float) -> None:
    for x, y in ((points[36] + points[48]) / 2, (points[45] + points[54]) / 2):
        draw.ellipse((x - 0.2 * unit, y - 0.14 * unit, x + 0.2 * unit, y + 0.14 * unit), fill=255)
    x, y = points[30]
    draw.ellipse((x - 0.1 * unit, y - 0.1 * unit, x + 0.1 * unit, y + 0.1 * unit), fill=200)


def _beard(draw: ImageDraw.ImageDraw, points: Points, unit: float) -> None:
    jaw = points[2:15] + np.array([0, 0.08 * unit])
    inner = np.array([points[54] + (0.12 * unit, 0), points[33], points[48] - (0.12 * unit, 0)])
    draw.polygon(_flat(np.concatenate([jaw, inner])), fill=255)
    draw.polygon(_flat(np.concatenate([points[48:55], points[[35, 33, 31]]])), fill=230)


def _lids(draw: ImageDraw.ImageDraw, points: Points, unit: float) -> None:
    for eye in (points[36:40], points[42:46]):
        draw.polygon(_flat(np.concatenate([eye, eye[::-1] - [0, 0.08 * unit]])), fill=255)


def _brow_shapes(draw: ImageDraw.ImageDraw, points: Points, unit: float, paint: Paint) -> None:
    """The area of each brow, tapering outwards."""
    for brow in (points[17:22][::-1], points[22:27]):
        half = np.linspace(1.0, 0.35, len(brow)) * paint.brow_width * unit * 0.055
        rise = np.stack([np.zeros_like(half), half], 1)
        draw.polygon(_flat(np.concatenate([brow - rise, (brow + rise)[::-1]])), fill=255)


def _brows(
    draw: ImageDraw.ImageDraw,
    points: Points,
    unit: float,
    paint: Paint,
    rng: np.random.Generator,
) -> None:
    """Short strokes along each brow, upright at its inner end and lying at its outer end."""
    count = int(20 + 60 * paint.brow_density)
    for brow, outwards in ((points[17:22][::-1], -1.0), (points[22:27], 1.0)):
        t = np.sort(rng.random(count))
        along = t * (len(brow) - 1)
        x = np.interp(along, np.arange(len(brow)), brow[:, 0])
        y = np.interp(along, np.arange(len(brow)), brow[:, 1])
        height = paint.brow_width * unit * (1 - 0.65 * t) * 0.07
        y = y + rng.uniform(-0.5, 0.7, count) * height * 2
        length = unit * (0.05 + 0.03 * rng.random(count))
        lean = 0.35 + 0.9 * t  # radians from upright
        ends = np.stack([x + outwards * np.sin(lean) * length, y - np.cos(lean) * length * 0.6], 1)
        strength = (110 + 130 * paint.brow_density * rng.uniform(0.6, 1, count)).astype(int)
        for a, b, (c, d), s in zip(x, y, ends, strength, strict=True):
            draw.line((a, b, c, d), fill=int(min(s, 255)), width=2)


def _folds(
    draw: ImageDraw.ImageDraw,
    points: Points,
    unit: float,
    units: Mapping[int, float],
    rng: np.random.Generator,
) -> None:
    """Lines of the skin; each is as strong as the strongest unit that folds it."""

    def strength(*numbers: int) -> float:
        resting = 0.12 * rng.random()
        return max([resting, *(units.get(n, 0.0) / 5 for n in numbers)])

    def line(offsets: list[tuple[float, float]], start: Points, side: float, s: float) -> None:
        jitter = rng.normal(0, 0.008, (len(offsets), 2))
        path = start + unit * (np.array(offsets) + jitter) * [side, 1]
        draw.line(_flat(path), fill=int(255 * min(s, 1.0)), width=2, joint="curve")

    inner_brow = (points[21] + points[22]) / 2
    raised = strength(1, 2)
    wide = 0.45 if units.get(2, 0.0) > 0 else 0.25
    for height in (0.16, 0.28, 0.40):
        arc = [(x * wide, -height - 0.03 * np.cos(2.4 * x)) for x in np.linspace(-1, 1, 7)]
        line(arc, inner_brow, 1.0, raised * rng.uniform(0.6, 1.0))
    for side, brow in ((-1.0, points[21]), (1.0, points[22])):
        line([(-0.05, -0.06), (-0.06, 0.02), (-0.05, 0.1)], brow, side, strength(4))
    root = points[27]
    for height in (0.0, 0.05, 0.1):
        s = strength(9) * 0.9
        line([(-0.09, height - 0.03), (0.0, height), (0.09, height - 0.03)], root, 1.0, s)
    for side, eye, nose, mouth in (
        (-1.0, points[36], points[31], points[48]),
        (1.0, points[45], points[35], points[54]),
    ):
        crow = strength(6)
        for rise in (-0.09, -0.01, 0.07):
            line([(0.05, rise * 0.5), (0.13, rise), (0.2, rise * 1.7)], eye, side, crow)
        line(
            [(-0.02, 0.09), (-0.14, 0.15), (-0.28, 0.15), (-0.36, 0.11)],
            eye, side, 0.8 * strength(6, 7),
        )  # fmt: skip
        away = (mouth - nose) / unit * [side, 1]
        fold = [
            (0.03, -0.04),
            (0.1 + 0.3 * away[0], 0.35 * away[1]),
            (away[0] + 0.1, away[1] + 0.02),
        ]
        line(fold, nose, side, 0.9 * strength(9, 10, 12))
        line([(0.05, -0.05), (0.075, 0.0), (0.05, 0.06)], mouth, side, strength(14))
        line([(0.02, 0.02), (0.05, 0.1), (0.05, 0.18)], mouth, side, 0.8 * strength(15))
    chin = (points[57] + points[8]) / 2
    boss = strength(17)
    line([(-0.14, -0.07), (0.0, -0.11), (0.14, -0.07)], chin, 1.0, 0.8 * boss)
    for _ in range(12):
        x, y = chin + unit * rng.uniform([-0.14, -0.05], [0.14, 0.1])
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=int(200 * boss * rng.random()))
