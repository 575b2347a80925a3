"""Faces keep their number from frame to frame.

Each track foresees where its face will be (constant speed, damped) and remembers what it looks like
(`mien.faces.appearance`). Tracks and faces are paired at the least cost of distance, change of size
and change of looks. A track that finds no face is kept for some seconds; looks are not learned
while faces cover each other, so that two people who cross keep their numbers where their colours
differ.

Behind a hard cut, and after a pause too long to foresee anything, places mean nothing: a face goes
on with a number only if it looks nearly the same as one track and clearly unlike the others; all
other faces get new numbers. Numbers belong to one clip; a person who comes back later gets a new
one. Nobody is recognised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.faces.appearance import appearance, unlikeness
from mien.faces.assign import assign
from mien.faces.search import area, overlap
from mien.schema import Box, Face

PATIENCE = 1.5  # seconds for which a face that is not found keeps its number
PAUSE = 2.0  # seconds between two looks from which on nothing can be foreseen
# How far from the foreseen place a face may be, in its sides: at once, and more for each second.
_REACH, _REACH_A_SECOND = 0.6, 2.5
_GROWTH = 0.5  # log of the change of size that is likely at once; more with time
# Unlikeness (0 to 1) of a face to itself is 0.05 to 0.15 from frame to frame; that of two people
# has its median at 0.42 and is above 0.18 in 99 of 100 pairs of rendered people.
_LOOSE = 0.5
_SAME, _CLEARLY = 0.15, 0.08
_COVERED = 0.15  # intersection over union from which faces hide each other's looks
_LEARN = 0.3
_SPEED = 0.5  # share of the newest speed in the running one
_DAMPING = 0.4  # seconds in which a speed that is not seen any more falls to a third


@dataclass(eq=False)
class _Track:
    number: int
    box: Box
    time: float
    looks: NDArray[np.float32]
    speed: tuple[float, float] = (0.0, 0.0)  # pixels a second

    def foreseen(self, time: float) -> Box:
        """Where the face should be."""
        passed = _DAMPING * (1 - math.exp(-max(0.0, time - self.time) / _DAMPING))
        dx, dy = self.speed[0] * passed, self.speed[1] * passed
        x0, y0, x1, y1 = self.box
        return (x0 + dx, y0 + dy, x1 + dx, y1 + dy)

    def see(self, box: Box, time: float, looks: NDArray[np.float32], *, learn: bool) -> None:
        passed = time - self.time
        if passed > 0:
            new = [(b - a) / passed for a, b in zip(_centre(self.box), _centre(box), strict=True)]
            vx, vy = (_SPEED * n + (1 - _SPEED) * o for n, o in zip(new, self.speed, strict=True))
            self.speed = (vx, vy)
        self.box, self.time = box, time
        if learn:
            mixed = (1 - _LEARN) * self.looks + _LEARN * looks
            self.looks = mixed / np.linalg.norm(mixed)


class Tracker:
    """Numbers the people of one clip, from 0 in the order in which they appear.

    Args:
        patience: seconds for which a face that is not found keeps its number; longer where frames
            are farther apart.

    Raises:
        ValueError: if `patience` is negative.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        if not patience >= 0:
            raise ValueError(f"patience is {patience}; it must be 0 or more seconds")
        self.patience = patience
        self._tracks: list[_Track] = []
        self._next = 0
        self._time: float | None = None

    @property
    def going_on(self) -> frozenset[int]:
        """Numbers that may still be given to a face; all others have ended."""
        return frozenset(track.number for track in self._tracks)

    def update(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[Face],
        *,
        time: float,
        cut: bool = False,
    ) -> list[int]:
        """Numbers the faces of the next frame.

        Args:
            image: (H, W, 3) uint8, RGB.
            faces: found in it.
            time: of the frame in seconds; rises from call to call.
            cut: whether the scene has changed since the last call.

        Returns:
            A number for each face.
        """
        step = 0.0 if self._time is None else time - self._time
        self._time = time
        patience = max(self.patience, 2.5 * step)
        self._tracks = [t for t in self._tracks if time - t.time <= patience]
        boxes = [face.box for face in faces]
        looks = [appearance(image, box) for box in boxes]
        if cut or step > PAUSE:
            pairs = self._continued(looks)
            # What is not in the new scene has no place in it to be found at.
            self._tracks, before = [], self._tracks
        else:
            pairs = assign(self._costs(boxes, looks, time))
            before = self._tracks
        owners = {face: before[track] for track, face in pairs}
        numbers = []
        for index, (box, seen) in enumerate(zip(boxes, looks, strict=True)):
            covered = any(overlap(box, b) > _COVERED for i, b in enumerate(boxes) if i != index)
            track = owners.get(index)
            if track is None:
                track = _Track(self._next, box, time, seen)
                self._next += 1
                self._tracks.append(track)
            elif track not in self._tracks:
                track.box, track.time, track.looks, track.speed = box, time, seen, (0.0, 0.0)
                self._tracks.append(track)
            else:
                track.see(box, time, seen, learn=not covered)
            numbers.append(track.number)
        return numbers

    def _costs(
        self, boxes: Sequence[Box], looks: Sequence[NDArray[np.float32]], time: float
    ) -> NDArray[np.float64]:
        """(tracks, faces); infinite where a face cannot be that of the track."""
        costs = np.full((len(self._tracks), len(boxes)), np.inf)
        for i, track in enumerate(self._tracks):
            foreseen, passed = track.foreseen(time), time - track.time
            for j, (box, seen) in enumerate(zip(boxes, looks, strict=True)):
                unlike = unlikeness(track.looks, seen)
                side = math.sqrt((area(foreseen) * area(box)) ** 0.5)
                far = math.dist(_centre(foreseen), _centre(box)) / side
                grown = abs(math.log(area(box) / area(foreseen))) / 2
                near = overlap(track.box, box) > 0.4
                possible = far <= _REACH + _REACH_A_SECOND * passed and unlike <= _LOOSE
                if near or (possible and grown <= _GROWTH + passed):
                    costs[i, j] = far / (_REACH + _REACH_A_SECOND * passed) + grown + 4 * unlike
        return costs

    def _continued(self, looks: Sequence[NDArray[np.float32]]) -> list[tuple[int, int]]:
        """Pairs of tracks and faces that look alike and unlike all others."""
        far = np.array([[unlikeness(t.looks, seen) for seen in looks] for t in self._tracks])
        far = far.reshape(len(self._tracks), len(looks))
        pairs = []
        for i, j in zip(*np.nonzero(far <= _SAME), strict=True):
            others = np.concatenate([np.delete(far[i], j), np.delete(far[:, j], i)])
            if not (others < far[i, j] + _CLEARLY).any():
                pairs.append((int(i), int(j)))
        return pairs


def _centre(box: Box) -> tuple[float, float]:
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
