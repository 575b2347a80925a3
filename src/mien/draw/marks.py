"""Where the faces of a clip are and what they show at any moment, between the frames looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.schema import Box
from mien.timeline import Timeline, Track, smooth
from mien.timeline.tracks import UnitKey

UNITS = 6
LEAST_PEAK = 0.5  # half a grade; a unit that never gets there is not shown
# Boxes are held for this many steps between looks, and no longer than so many seconds.
_HELD_STEPS, _HELD_SECONDS = 2.5, 1.0
_SLIDE = 1.5  # a box that jumps by more of its sides does not slide there


@dataclass(frozen=True, slots=True)
class Mark:
    """One face at one moment.

    Attributes:
        track: its number.
        box: in pixels.
        label: expression that leads, smoothed over time; None where unknown.
        score: of the label in [0, 1]; None where unknown.
        units: the track's strongest units, always in the same order, with their intensity in
            [0, 5] now; None where that is not known.
    """

    track: int
    box: Box
    label: str | None
    score: float | None
    units: tuple[tuple[UnitKey, float | None], ...]


class Marks:
    """The marks of a clip at any time.

    Args:
        timeline: what was seen.
    """

    def __init__(self, timeline: Timeline) -> None:
        looks = {float(t) for track in timeline.tracks.values() for t in track.times}
        apart = np.diff(sorted(looks))
        self._step = float(np.median(apart)) if len(apart) else 0.2
        self._lines = [_Line(track, timeline.cuts) for track in timeline.tracks.values()]

    def at(self, time: float) -> list[Mark]:
        """The marks to be drawn on a frame of this time in seconds."""
        held = min(_HELD_SECONDS, max(_HELD_STEPS * self._step, 0.2))
        marks = (line.at(time, step=self._step, held=held) for line in self._lines)
        return [mark for mark in marks if mark is not None]


class _Line:
    def __init__(self, track: Track, cuts: Sequence[float]) -> None:
        self._number, self._cuts = track.number, cuts
        self._times = track.times
        self._boxes = np.stack([track.column(("box", i)) for i in range(4)], axis=1)  # (N, 4)
        self._names = facs.LABEL_SETS[track.label_set]
        scores = [smooth(self._times, track.column(("score", n))) for n in self._names]
        self._scores = np.stack(scores, axis=1)  # (N, classes)
        shown = {k: smooth(self._times, track.column(("intensity", k))) for k in track.units}
        peaks = {k: float(np.nanmax(v)) for k, v in shown.items() if not np.isnan(v).all()}
        strong = [key for key, peak in peaks.items() if peak >= LEAST_PEAK]
        best = sorted(sorted(strong, key=lambda k: -peaks[k])[:UNITS])
        self._units = {key: shown[key] for key in best}

    def at(self, time: float, *, step: float, held: float) -> Mark | None:
        times = self._times
        after = int(np.searchsorted(times, time, side="right"))
        before = after - 1
        if before < 0 or after >= len(times):
            # Ahead of its first look and behind its last, a face is shown for half a step.
            return self._alone(max(0, min(before, len(times) - 1)), time, step)
        if self._scene(times[before]) != self._scene(times[after]):
            near = before if self._scene(time) == self._scene(times[before]) else after
            return self._alone(near, time, step)
        apart = times[after] - times[before]
        share = float((time - times[before]) / apart)
        if apart > held + 1e-6:
            near = before if share < 0.5 else after
            return self._mark(near, near, 0.0) if abs(time - times[near]) <= step / 2 else None
        if _jumps(self._boxes[before], self._boxes[after]):
            near = before if share < 0.5 else after
            return self._mark(near, near, 0.0)
        return self._mark(before, after, share)

    def _alone(self, near: int, time: float, step: float) -> Mark | None:
        """The mark of one look on a frame near to it, in the same scene.

        Half a step from it, and where a cut ends or begins the scene there, a whole step.
        """
        look = float(self._times[near])
        if self._scene(time) != self._scene(look):
            return None
        beyond = look + step if time > look else look - step
        reach = step if self._scene(beyond) != self._scene(look) else step / 2
        return self._mark(near, near, 0.0) if abs(time - look) <= reach + 1e-6 else None

    def _scene(self, time: float) -> int:
        """Number of cuts up to a moment."""
        return bisect_right(self._cuts, time + 1e-4)

    def _mark(self, before: int, after: int, share: float) -> Mark:
        x0, y0, x1, y1 = _between(self._boxes, before, after, share)
        scores = _between(self._scores, before, after, share)
        label, score = None, None
        if not np.isnan(scores).any():
            best = int(scores.argmax())
            label, score = self._names[best], float(scores[best])
        units = []
        for key, values in self._units.items():
            value = float(_between(values, before, after, share))
            units.append((key, None if np.isnan(value) else value))
        box = (float(x0), float(y0), float(x1), float(y1))
        return Mark(self._number, box, label, score, tuple(units))


def _between(
    values: NDArray[np.float64], before: int, after: int, share: float
) -> NDArray[np.float64]:
    return np.asarray((1 - share) * values[before] + share * values[after])


def _jumps(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    side = max(a[2] - a[0], a[3] - a[1])
    return bool(np.abs((a[:2] + a[2:]) - (b[:2] + b[2:])).max() / 2 > _SLIDE * side)
