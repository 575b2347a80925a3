"""The rows of a clip by person, as columns of numbers: some hundred bytes a face."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import NDArray

from mien.schema import Analysis, Box, Side

UnitKey = tuple[int, Side]


class Track:
    """One person over time.

    Attributes:
        number: of the track.
        statuses: how often each status occurred.
        label_set: of the expressions.
        labels: how often each label was given.
        units: the action units that some row gives, with their side.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.statuses: Counter[str] = Counter()
        self.label_set = "basic7"
        self.labels: Counter[str] = Counter()
        self.units: list[UnitKey] = []
        self.frames = array("q")
        self._times = array("d")
        self._columns: dict[Hashable, array[float]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, row: Analysis) -> None:
        """Takes the next row of this person; one without a box, frame or time has no place here."""
        if row.box is None or row.frame is None or row.time is None:
            raise ValueError(f"a row of {row.source} has no box, frame or time")
        self.statuses[row.status] += 1
        values: dict[Hashable, float | None] = dict(
            zip((("box", i) for i in range(4)), row.box, strict=True)
        )
        values["detection"] = row.detection
        values["valence"], values["arousal"] = row.valence, row.arousal
        if row.pose is not None:
            values |= {("pose", n): getattr(row.pose, n) for n in ("yaw", "pitch", "roll")}
        if row.expression is not None:
            self.label_set = row.expression.label_set
            if row.expression.label is not None:
                self.labels[row.expression.label] += 1
            values |= {("score", n): v for n, v in (row.expression.scores or {}).items()}
        for unit in row.action_units or ():
            key = (unit.au, unit.side)
            if key not in self.units:
                self.units.append(key)
            values["probability", key] = unit.probability
            values["intensity", key] = unit.intensity
            values["present", key] = None if unit.present is None else float(unit.present)
        self._append(values)
        self.frames.append(row.frame)
        self._times.append(row.time)

    def _append(self, values: Mapping[Hashable, float | None]) -> None:
        for key in values:
            if key not in self._columns:
                self._columns[key] = array("f", [math.nan] * len(self))
        for key, column in self._columns.items():
            value = values.get(key)
            column.append(math.nan if value is None else value)

    @property
    def times(self) -> NDArray[np.float64]:
        """(N,) seconds, rising."""
        return np.array(self._times)

    def column(self, key: Hashable) -> NDArray[np.float64]:
        """(N,) values, NaN where unknown.

        Args:
            key: ("score", name), ("probability" or "intensity" or "present", (au, side)),
                ("box", 0 to 3), ("pose", name), "detection", "valence" or "arousal".
        """
        column = self._columns.get(key)
        if column is None:
            return np.full(len(self), np.nan)
        return np.array(column, dtype=np.float64)

    def box(self, index: int) -> Box:
        """Box of the row of this place."""
        x0, y0, x1, y1 = (float(self._columns["box", i][index]) for i in range(4))
        return (x0, y0, x1, y1)


class Timeline:
    """The rows of one clip, by person.

    Attributes:
        source: name of the clip.
        model: who answered.
        tracks: number to track, in the order of appearance.
        frames: number of frames that were looked at.
        start, end: seconds of the first and the last of them; None where there was none.
        cuts: seconds of the first frame behind each hard cut, as far as they are known, rising.
    """

    def __init__(self, source: str, model: str | None = None) -> None:
        self.source, self.model = source, model
        self.tracks: dict[int, Track] = {}
        self.frames = 0
        self.start: float | None = None
        self.end: float | None = None
        self.cuts: list[float] = []

    def add(self, rows: list[Analysis]) -> None:
        """Takes the rows of the next frame."""
        self.frames += 1
        for row in rows:
            self.start = row.time if self.start is None else self.start
            self.end = row.time
            if row.track is not None and row.box is not None:
                self.tracks.setdefault(row.track, Track(row.track)).add(row)
