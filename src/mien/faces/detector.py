"""MediaPipe's face detector on the picture, its tiles and its turns.

The detector sees 128 x 128 pixels and finds upright faces from about 14 % of what it sees. How far
the search goes:

1. The whole picture. If it shows nothing, the picture again with a border, which tight crops lack.
2. If the longer side is above 480 pixels, tiles of half that side.
3. Tiles of a quarter and an eighth, each only if there is no clear face yet, or the level before it
   added one.
4. Detections that may be faces which lie on their side or upside down are looked at again with
   the picture turned (`turned`). Where one is turned, or nothing is found, the whole picture is.

In tiles, textures look like faces more often, so a detection there must score `TILE_SCORE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.faces.crop import cut
from mien.faces.search import Found, merge, same_face, tile_sides, tile_starts
from mien.faces.turned import LIKELY, found_back, righted, tilt_of, turn_of
from mien.schema import Box, Face

INPUT = 128  # side that the detector sees
# Measured on pictures with and without faces: of 0.7 and more nearly all are faces.
TILE_SCORE = 0.7
CLEAR = 0.75
MOST_HINTS = 8  # of unlikely detections in tiles that are looked at turned
# Of what is seen weakly: the least score, how many are looked at in how wide squares, and the share
# of looks that must see it again.
LARGE = 0.08  # textures that persist are smaller, over the longer side
WEAK, MOST_WEAK, ROOMS, ENOUGH = 0.57, 3, (2.5, 3.0, 3.5, 4.0, 4.5), 0.7
MOST_BORDERED = 1024  # side of what gets a border
SLACK = 0.1  # how much less a detection may score that is made as in an upright picture
# Side of what is searched near a known face, over its side: a face at 0.4 of it is found surely,
# and may have moved by three quarters of its side.
NEAR = 2.5


class Search:
    """Where faces are in a picture.

    Args:
        detector: MediaPipe's.
        to_image: wraps an array for it.
    """

    def __init__(self, detector: Any, to_image: Callable[[NDArray[np.uint8]], Any]) -> None:
        self._detector, self._to_image = detector, to_image

    def near(self, image: NDArray[np.uint8], known: list[Face]) -> list[Found]:
        """Detections in the whole picture as one, and in a square around each known face."""
        height, width = image.shape[:2]
        turns = [turn_of(face) for face in known]
        found = []
        for turn in sorted(set(turns)) or [0]:
            found += self._turned(image, turn, lambda p: self._level(p, max(height, width)))
        for face, turn in zip(known, turns, strict=True):
            found += self._around(image, face.box, turn)
        found = merge(found)
        boxes = [face.box for face in known]
        return [
            f if any(same_face(f.box, box) for box in boxes) else self._righted(image, f)
            for f in found
        ]

    def all(self, image: NDArray[np.uint8]) -> list[Found]:
        """All detections, merged, by the rule in this module's docstring."""
        hints: list[Found] = []
        found = [self._righted(image, one) for one in self._upright(image, hints)]
        if not found:
            hints = sorted(merge(hints), key=lambda one: -one.score)[:MOST_HINTS]
            seen = [self._righted(image, one) for one in hints]
            found = [one for one in seen if one.turn and one.score >= LIKELY]
        turns = {one.turn for one in found} - {0}
        return self._added(image, found, turns) if turns else merge(found)

    def again(self, image: NDArray[np.uint8]) -> list[Found]:
        """Detections in a changed picture as one, at the turns at which they are seen best."""
        found = [self._righted(image, one) for one in self.whole(image)]
        turns = {one.turn for one in found} - {0}
        return self._added(image, found, turns) if turns else merge(found)

    def lying(self, image: NDArray[np.uint8]) -> list[Found]:
        """Detections in a picture that shows none upright: turned as a whole."""
        found = []
        for turn in (1, 2, 3):
            found += self._turned(image, turn, lambda p: self.whole(np.asarray(p)))
        found = merge([one for one in found if one.score >= TILE_SCORE])
        return self._added(image, found, {one.turn for one in found})

    def persistent(self, image: NDArray[np.uint8]) -> list[Found]:
        """What is seen weakly at half the picture's side, but again and again in other frames.

        Profiles are seen so, which the landmarker does not know: nothing confirms them but that
        most looks, near and far and mirrored, agree.
        """
        height, width = image.shape[:2]
        sides = tile_sides(width, height)[:1]
        hints = [f for side in sides for f in self._level(Image.fromarray(image), side)]
        least = LARGE * max(height, width)
        hints = [f for f in merge(hints) if f.score >= WEAK and f.side >= least][:MOST_WEAK]
        return merge([one for hint in hints for one in self._confirmed(image, hint)])

    def _confirmed(self, image: NDArray[np.uint8], hint: Found) -> list[Found]:
        """A weak detection, with the middle box of the looks, if enough of them see it."""
        seen = []
        for room in ROOMS:
            for mirrored in (False, True):
                looks = self._around(image, hint.box, 0, room=room, mirrored=mirrored)
                same = [f for f in looks if f.score >= WEAK and same_face(f.box, hint.box)]
                seen += sorted(same, key=lambda f: -f.score)[:1]
        if len(seen) < ENOUGH * 2 * len(ROOMS) or max(f.score for f in seen) < TILE_SCORE:
            return []
        x0, y0, x1, y1 = np.median([f.box for f in seen], axis=0).tolist()
        return [Found((x0, y0, x1, y1), max(f.score for f in seen))]

    def _added(
        self, image: NDArray[np.uint8], found: list[Found], turns: Iterable[int]
    ) -> list[Found]:
        """Detections, and what is seen clearly in the picture at the turns that they have.

        What is seen so stands for the same face seen otherwise: an upright picture gives the same.
        """
        seen: list[Found] = []
        for turn in turns:
            all_of_it = self._turned(image, turn, lambda p: self._upright(np.asarray(p)))
            seen += [one for one in all_of_it if one.score >= TILE_SCORE]
        better = [
            one
            for one in seen
            if not any(same_face(one.box, f.box) and f.score > one.score + SLACK for f in found)
        ]
        rest = [f for f in found if not any(same_face(f.box, one.box) for one in better)]
        return merge([*better, *rest])

    def _upright(self, image: NDArray[np.uint8], hints: list[Found] | None = None) -> list[Found]:
        """Detections in the picture and its tiles as they stand, merged; unlikely ones as hints."""
        height, width = image.shape[:2]
        picture = Image.fromarray(image)
        found = self.whole(image)
        for tile in tile_sides(width, height):
            before = _clear(found)
            seen = self._level(picture, tile)
            found = merge([*found, *(f for f in seen if f.score >= TILE_SCORE)])
            if hints is not None:
                hints += [f for f in seen if f.score < TILE_SCORE]
            if before and _clear(found) <= before:
                break
        return merge(found)

    def _righted(self, image: NDArray[np.uint8], found: Found) -> Found:
        """A detection, at the turn of the picture at which it is seen best."""
        return righted(found, lambda turn: self._around(image, found.box, turn))

    def _around(
        self,
        image: NDArray[np.uint8],
        box: Box,
        turn: int,
        *,
        room: float = NEAR,
        mirrored: bool = False,
    ) -> list[Found]:
        """Detections in a square around a box, seen at a turn or mirrored."""
        x0, y0, x1, y1 = box
        half = max(8, round(room * max(x1 - x0, y1 - y0) / 2))
        left, top = round((x0 + x1) / 2) - half, round((y0 + y1) / 2) - half
        part = cut(image, left, top, left + 2 * half, top + 2 * half)
        if mirrored:
            found = self._level(Image.fromarray(np.ascontiguousarray(part[:, ::-1])), 2 * half)
            found = [replace(f, box=_mirrored(f.box, 2 * half)) for f in found]
        else:
            found = self._turned(part, turn, lambda picture: self._level(picture, 2 * half))
        return [replace(f, box=moved(f.box, left, top, 1.0)) for f in found]

    def _turned(
        self,
        image: NDArray[np.uint8],
        turn: int,
        search: Callable[[Image.Image], list[Found]],
    ) -> list[Found]:
        """What a search finds in a picture that is turned back, in the pixels of the picture."""
        height, width = image.shape[:2]
        turned = Image.fromarray(np.ascontiguousarray(np.rot90(image, turn)))
        return [found_back(one, turn, width, height) for one in search(turned)]

    def whole(self, image: NDArray[np.uint8]) -> list[Found]:
        """Detections in the whole picture as one, with a border where it shows none without."""
        height, width = image.shape[:2]
        found = self._level(Image.fromarray(image), max(width, height))
        if found:
            return found
        scale = max(1.0, max(width, height) / MOST_BORDERED)
        if scale > 1:
            size = (max(1, round(width / scale)), max(1, round(height / scale)))
            small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
            image, width, height = np.asarray(small), small.width, small.height
        border = max(width, height) // 3
        wider = Image.fromarray(cut(image, -border, -border, width + border, height + border))
        return [
            replace(f, box=moved(f.box, -border, -border, scale))
            for f in self._level(wider, max(wider.size))
        ]

    def _level(self, picture: Image.Image, tile: int) -> list[Found]:
        """Detections in the picture's pixels, searched in tiles of this side."""
        scale = INPUT / tile
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        # Pillow's filter widens when it shrinks; MediaPipe's own resizing would alias.
        small = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        pixels = np.asarray(small)
        found = []
        for top in tile_starts(size[1], INPUT):
            for left in tile_starts(size[0], INPUT):
                part = np.ascontiguousarray(pixels[top : top + INPUT, left : left + INPUT])
                for detection in self._detector.detect(self._to_image(part)).detections:
                    b = detection.bounding_box
                    box = (b.origin_x, b.origin_y, b.origin_x + b.width, b.origin_y + b.height)
                    score = min(1.0, max(0.0, float(detection.categories[0].score)))
                    if b.width > 0 and b.height > 0:
                        tilt = _tilt(detection.keypoints, part.shape)
                        found.append(Found(moved(box, left, top, 1 / scale), score, tilt))
        return found


def _tilt(points: Any, shape: tuple[int, ...]) -> float:
    """Of the detector's keypoints, of which the first are the eyes and the fourth is the mouth."""
    height, width = shape[:2]
    (ax, ay), (bx, by), _, mouth = [(p.x * width, p.y * height) for p in points[:4]]
    return tilt_of(((ax + bx) / 2, (ay + by) / 2), mouth)


def _mirrored(box: Box, width: float) -> Box:
    return (width - box[2], box[1], width - box[0], box[3])


def _clear(found: list[Found]) -> int:
    """How many are faces without doubt."""
    return sum(f.score >= CLEAR for f in found)


def moved(
    box: tuple[float, float, float, float], left: float, top: float, scale: float
) -> tuple[float, float, float, float]:
    """A box of a part, in the pixels of the picture that the part was cut from."""
    x0, y0, x1, y1 = box
    return ((x0 + left) * scale, (y0 + top) * scale, (x1 + left) * scale, (y1 + top) * scale)
