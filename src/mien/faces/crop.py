"""The one crop function: where a face is cut, turned and resized, for training and use alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.faces.base import check_image
from mien.faces.pose import roll_beside
from mien.faces.turned import turn_of
from mien.schema import Face

# Outer eye corners in the 478 points: the subject's right (left in the picture), then left.
EYE_CORNERS = (33, 263)
# Seen from the side, the eyes' line says little about the head's roll.
_LEAST_EYES = 0.3
# The filter reaches this many pixels beyond the square.
_MARGIN = 4


@dataclass(frozen=True, slots=True)
class CropSpec:
    """How a face is framed; part of a model's config.

    The defaults frame the hull of the landmarks as the crops of FER2013 do.

    Attributes:
        size: side of the crop in pixels.
        scale: side of the square over the longer side of the face's box.
        shift: how far the square's centre lies above the box's centre, over the square's side.
        align: turn the face upright where its landmarks or pose are known.
    """

    size: int
    scale: float = 1.07
    shift: float = 0.055
    align: bool = True

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"crop size is {self.size}; it must be at least 1")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"crop scale is {self.scale}; it must be above 0")
        if not (math.isfinite(self.shift) and abs(self.shift) <= 1):
            raise ValueError(f"crop shift is {self.shift}, outside [-1, 1]")


@dataclass(frozen=True, slots=True)
class Square:
    """A turned square in a picture.

    Attributes:
        x, y: centre in pixels.
        side: in pixels.
        roll: clockwise in the picture, in radians.
    """

    x: float
    y: float
    side: float
    roll: float


def is_whole(face: Face, height: int, width: int) -> bool:
    """Whether a face is one of `WholeFinder`: no landmarks, no score, its box the picture."""
    return (
        face.landmarks is None
        and face.detection is None
        and tuple(face.box) == (0.0, 0.0, float(width), float(height))
    )


def crop_square(face: Face, spec: CropSpec, *, height: int, width: int) -> Square:
    """Where `crop_face` cuts.

    A face for which `is_whole` holds is a finished crop: scale, shift and turning are not applied,
    the square is centred on the picture and as long as its longer side.
    """
    x0, y0, x1, y1 = face.box
    if is_whole(face, height, width):
        return Square((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0), 0.0)
    roll = roll_of(face) if spec.align else 0.0
    x, y, w, h = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    right = np.array([math.cos(roll), math.sin(roll)])  # the face's own axes in the picture
    down = np.array([-math.sin(roll), math.cos(roll)])
    if roll and face.landmarks is not None:
        # The hull along the face's own axes, so that a turned face is framed as an upright one.
        points = np.asarray(face.landmarks, dtype=np.float64)[:, :2]
        u, v = points @ right, points @ down
        w, h = float(np.ptp(u)), float(np.ptp(v))
        x, y = (right * (u.min() + u.max()) + down * (v.min() + v.max())) / 2
    side = spec.scale * max(w, h)
    x, y = np.array([x, y]) - down * (spec.shift * side)
    return Square(float(x), float(y), side, roll)


def crop_face(image: NDArray[np.uint8], face: Face, spec: CropSpec) -> NDArray[np.uint8]:
    """Cuts one face out of a picture.

    The square of `crop_square` is resampled with a bicubic filter, widened when shrinking so that
    nothing aliases (a turned square is first set upright at the picture's own resolution). Outside
    the picture its edge goes on.

    Args:
        image: (H, W, 3) uint8, RGB.
        face: a face in it; a box without landmarks is taken as the hull's box.
        spec: framing and size.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        ValueError: if `image` is no RGB picture, or the face lies outside it or is far larger.
    """
    check_image(image)
    height, width = image.shape[:2]
    square = crop_square(face, spec, height=height, width=width)
    return crop_at(image, square, spec.size)


def crop_at(image: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """Cuts a square out of a picture; see `crop_face`.

    Args:
        image: (H, W, 3) uint8, RGB.
        square: of `crop_square`.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        ValueError: if the square lies outside the picture or is far larger.
    """
    height, width = image.shape[:2]
    half = square.side / 2
    reach = half * (abs(math.cos(square.roll)) + abs(math.sin(square.roll)))
    inside = -reach < square.x < width + reach and -reach < square.y < height + reach
    if not inside or square.side > 8 * max(width, height):
        raise ValueError(f"face square {square} does not fit a picture of {width} x {height}")
    x0, y0 = math.floor(square.x - reach) - _MARGIN, math.floor(square.y - reach) - _MARGIN
    x1, y1 = math.ceil(square.x + reach) + _MARGIN, math.ceil(square.y + reach) + _MARGIN
    region = Image.fromarray(cut(image, x0, y0, x1, y1))
    x, y = square.x - x0, square.y - y0
    if square.roll == 0.0:
        box = (x - half, y - half, x + half, y + half)
    else:
        region = _turned(region, x, y, square.side, square.roll, size)
        box = (0.0, 0.0, float(region.width), float(region.height))
    resized = region.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized).copy()


def cut(image: NDArray[np.uint8], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
    """(y1 - y0, x1 - x0, 3) out of a picture, its edge going on outside."""
    height, width = image.shape[:2]
    part = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if part.shape[:2] == (y1 - y0, x1 - x0):
        return np.ascontiguousarray(part)
    rows = np.clip(np.arange(y0, y1), 0, height - 1)
    columns = np.clip(np.arange(x0, x1), 0, width - 1)
    return image[rows[:, None], columns[None, :]]


def _turned(
    region: Image.Image, x: float, y: float, side: float, roll: float, size: int
) -> Image.Image:
    """The turned square, upright: enlarged to `size` at once, or about as large as it is."""
    step = max(1, int(side / size / 2))
    if step > 1:  # much larger than asked: half of the shrinking before the turning is quicker
        region = region.reduce(step)
        x, y, side = x / step, y / step, side / step
    count = max(size, round(side))
    scale = side / count
    cos, sin = math.cos(roll) * scale, math.sin(roll) * scale
    middle = count / 2
    # Pillow samples at pixel centres itself, so the map is one of continuous coordinates.
    matrix = (
        cos,
        -sin,
        x - cos * middle + sin * middle,
        sin,
        cos,
        y - sin * middle - cos * middle,
    )
    return region.transform(
        (count, count), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )


def roll_of(face: Face) -> float:
    """Roll in radians: of the eye corners' line, or of the pose where there is no such line."""
    if face.landmarks is not None and len(face.landmarks) > max(EYE_CORNERS):
        right, left = np.asarray(face.landmarks, dtype=np.float64)[list(EYE_CORNERS), :2]
        dx, dy = left - right
        side = max(face.box[2] - face.box[0], face.box[3] - face.box[1])
        if math.hypot(dx, dy) > _LEAST_EYES * side:
            return math.atan2(dy, dx)
    return math.radians(roll_beside(face.pose, turn_of(face))) if face.pose is not None else 0.0
