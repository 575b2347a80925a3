"""Where to look for faces in a picture: levels of tiles, and duplicates merged. Numbers only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.schema import Box

# The detector finds faces from about 0.14 of the side of what it sees.
OVERLAP = 0.3
LEAST_TILE = 160
# Faces smaller than 1/53 of the longer side (30 px in 1600) are not looked for.
DEEPEST = 8
SMALL_PICTURE = 480

# Hull of the landmarks against the detector's box, in its sides: medians of 295 faces of news
# photos.
_HULL_X, _HULL_Y, _HULL_W, _HULL_H = 0.002, -0.020, 0.952, 1.079
HULL_ABOVE = -_HULL_Y
"""How far the hull's centre lies above that of the detector's box, in its sides."""


@dataclass(frozen=True, slots=True)
class Found:
    """A detection in the whole picture's pixels.

    Attributes:
        box: of the detector.
        score: in [0, 1].
        tilt: degrees, clockwise, by which its eyes and mouth are turned as they are seen.
        turn: quarter turns, clockwise, of the face; it was looked at with the picture turned back.
    """

    box: Box
    score: float
    tilt: float = 0.0
    turn: int = 0

    @property
    def side(self) -> float:
        """Longer side of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


def tile_sides(width: int, height: int) -> list[int]:
    """Sides of the tiles of each level below the whole picture, largest first; may be none."""
    longest = max(width, height)
    if longest <= SMALL_PICTURE:
        return []
    least = max(LEAST_TILE, longest // DEEPEST)
    sides = []
    side = longest // 2
    while side > 1.25 * least:
        sides.append(side)
        side //= 2
    return [*sides, least]


def tile_starts(length: int, tile: int) -> list[int]:
    """Starts of evenly spread tiles along one axis, overlapping by `OVERLAP` at least."""
    if length <= tile:
        return [0]
    steps = math.ceil((length - tile) / (tile * (1 - OVERLAP)))
    return [round(i * (length - tile) / steps) for i in range(steps + 1)]


def merge(found: Sequence[Found]) -> list[Found]:
    """Keeps the best of several boxes of one face, in falling order of score.

    Two boxes are one face where they overlap (intersection over union above 0.3) or where one holds
    most of the other (a face cut by a tile's edge gives a smaller box).
    """
    kept: list[Found] = []
    for candidate in sorted(found, key=lambda f: -f.score):
        if not any(same_face(candidate.box, other.box) for other in kept):
            kept.append(candidate)
    return kept


def same_face(a: Box, b: Box) -> bool:
    """Whether two boxes are of one face; see `merge`."""
    return overlap(a, b) > 0.3 or _common(a, b) / min(area(a), area(b)) > 0.6


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    common = _common(a, b)
    return common / (area(a) + area(b) - common)


def _common(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def area(box: Box) -> float:
    """In square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def hull_from_detection(box: Box, turn: int = 0) -> Box:
    """Estimates the box of the landmarks' hull from the detector's box.

    Args:
        box: of the detector.
        turn: quarter turns, clockwise, of the face.
    """
    side = max(box[2] - box[0], box[3] - box[1])
    right, down, w, h = _HULL_X * side, _HULL_Y * side, _HULL_W * side / 2, _HULL_H * side / 2
    for _ in range(turn % 4):
        right, down, w, h = -down, right, h, w
    x, y = (box[0] + box[2]) / 2 + right, (box[1] + box[3]) / 2 + down
    return (x - w, y - h, x + w, y + h)


def detection_side(width: float, height: float) -> float:
    """Estimates the side of the detector's box from the landmarks' hull."""
    return max(width / _HULL_W, height / _HULL_H)


def hull(landmarks: NDArray[np.float32]) -> Box | None:
    """Box of landmarks (N, 3); None where they are not finite or lie on a line."""
    points = landmarks[:, :2]
    if not np.isfinite(points).all():
        return None
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
