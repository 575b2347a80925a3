"""More courses over time from the clips that there are: moments of one cut into another.

Rendering teaches faces; which of a clip's moments counts can be taught by cutting. The rules are
those of `scripts`: what is held longer is the label, and what breaks a neutral face is.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fer2013_faces import CLASSES
from .looked import Looked

Frames = list[tuple[int, int]]
"""(row of the set, frame in it) of what a clip shows, in order."""
NEUTRAL = CLASSES.index("neutral")
HELD_LONG = ("plain", "speech", "hidden")
"""Cases in which the clip's own expression outlasts two frames of another."""
FRAMES_LEFT = 5
"""A clip with fewer is left alone."""


@dataclass(frozen=True)
class Cut:
    """A clip after cutting.

    Attributes:
        frames: what it shows.
        label: index of its expression, -1 where unknown.
        units: (U,) intensities, NaN where unknown.
    """

    frames: Frames
    label: int
    units: NDArray[np.float32]


class Splicer:
    """Cuts a moment of another clip of the same person into a clip.

    Args:
        looked: clips with the units of each frame, which tell where a face is strongest.
    """

    def __init__(self, looked: Looked):
        self.looked = looked
        strength = np.nansum(looked.frame_units, axis=2)  # (N, F)
        self.apex = np.where(looked.found, strength, -1).argmax(1)
        shows = looked.found.any(1) & (looked.labels >= 0) & (looked.labels != NEUTRAL)
        self.rows: dict[str, list[int]] = {}
        for row, person in enumerate(looked.person.tolist()):
            if shows[row]:
                self.rows.setdefault(person, []).append(row)

    def __call__(self, row: int, frames: Frames, rng: random.Random) -> Cut:
        """The clip with a moment of another, or as it is where that would blur its label.

        Args:
            row: of the clip.
            frames: what it shows so far.
            rng: draws which moment and where.
        """
        looked = self.looked
        label, units = int(looked.labels[row]), looked.units[row].copy()
        others = self.rows.get(str(looked.person[row]), [])
        others = [other for other in others if looked.labels[other] not in (label, -1)]
        calm = label == NEUTRAL
        lasting = label >= 0 and not calm and looked.case[row] in HELD_LONG
        if not others or not (calm or lasting) or len(frames) < FRAMES_LEFT:
            return Cut(frames, label, units)
        other = rng.choice(others)
        moment = [(other, int(self.apex[other]))] * rng.randint(1, 2)
        place = rng.randint(0, len(frames)) if calm else rng.choice((0, len(frames)))
        cut = frames[:place] + moment + frames[place:]
        return Cut(cut, int(looked.labels[other]) if calm else label, self._both(row, other))

    def _both(self, row: int, other: int) -> NDArray[np.float32]:
        """(U,) the stronger of the clip's units and the moment's; unknown where one is."""
        return np.maximum(self.looked.units[row], self.looked.frame_units[other, self.apex[other]])
