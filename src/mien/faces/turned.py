"""Faces that lie on their side or upside down: quarter turns, and which of them to look at.

The detector gives nine upright faces in ten 0.8 and more, but one that is turned by 90 degrees or
more 0.65 to 0.7, with the box and the points of an upright face that is not there, which the
landmarker believes. Its points follow a face up to about 60 degrees. So a detection of a high score
whose points stand upright is taken as it is; any other is looked at again with the picture turned,
and the turn with the best score counts. Of 200 faces of FEABench-Synth at 24 angles, each turn
judged by the picture as a whole, 1 to 2 in 100 are left at a wrong one.

A *turn* counts quarter turns clockwise: `np.rot90(image, turn)` sets the face upright.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from mien.faces.search import Found
from mien.schema import Box, Face

TRUSTED, LIKELY = 0.85, 0.8
"""Scores from which a detection whose points stand upright is so, or at most upside down."""
MOST_TILT = 35.0
BETTER = 0.03
"""How much more a turned look must score."""
_BROW, _CHIN = 10, 152  # of the 478 points
_CLOSE = 0.75  # how far its centre may lie from that of the first look's box, in its sides


def turns_to_try(found: Found) -> tuple[int, ...]:
    """The turns that a detection in the upright picture may have instead; none where it is sure."""
    if found.score >= LIKELY:
        if abs(found.tilt) > MOST_TILT:
            return (1,) if found.tilt > 0 else (3,)
        return () if found.score >= TRUSTED else (2,)
    return (1, 2, 3)


def righted(found: Found, look: Callable[[int], Iterable[Found]]) -> Found:
    """The best of a detection and what is seen in its place with the picture turned.

    Args:
        found: in the upright picture.
        look: searches its surroundings at a turn.
    """
    turns = turns_to_try(found)
    if not turns:
        return found
    best, bar = found, found.score
    for turn in (0, *turns):
        for seen in look(turn):
            if _near(found, seen) and seen.score > bar + (BETTER if best.turn == 0 else 0.0):
                best, bar = (seen if turn else found), seen.score
    return best


def turn_of(face: Face) -> int:
    """The turn of a face by its landmarks, brow to chin; 0 where it has none."""
    if face.landmarks is None or len(face.landmarks) <= max(_BROW, _CHIN):
        return 0
    (ax, ay), (bx, by) = face.landmarks[[_BROW, _CHIN], :2].tolist()
    return round(tilt_of((ax, ay), (bx, by)) / 90) % 4


def tilt_of(above: tuple[float, float], below: tuple[float, float]) -> float:
    """Degrees, clockwise, by which the line from a point of a face to one below it is turned."""
    return math.degrees(math.atan2(above[0] - below[0], below[1] - above[1]))


def points_back(
    points: NDArray[np.float32], turn: int, width: int, height: int
) -> NDArray[np.float32]:
    """Points (N, 2 or more) of a turned picture, in the pixels of the one before the turn.

    Args:
        points: x and y first.
        turn: as in `np.rot90`.
        width, height: of the picture before the turn.
    """
    x, y = points[:, 0], points[:, 1]
    back = points.copy()
    back[:, 0], back[:, 1] = (
        (x, y),
        (width - y, x),
        (width - x, height - y),
        (y, height - x),
    )[turn % 4]
    return back


def found_back(found: Found, turn: int, width: int, height: int) -> Found:
    """A detection in a turned picture, in the pixels of the one before the turn."""
    corners = np.array([found.box[:2], found.box[2:]], dtype=np.float64)
    back = points_back(corners, turn, width, height)  # type: ignore[arg-type]
    (x0, y0), (x1, y1) = back.min(axis=0).tolist(), back.max(axis=0).tolist()
    return Found((x0, y0, x1, y1), found.score, found.tilt, (found.turn + turn) % 4)


def _near(a: Found, b: Found) -> bool:
    return math.dist(_centre(a.box), _centre(b.box)) <= _CLOSE * max(a.side, b.side)


def _centre(box: Box) -> tuple[float, float]:
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
