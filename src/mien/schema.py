"""The types that everything in mien passes on: Face, ActionUnit, Expression, Analysis.

All are plain frozen dataclasses, validated when made, with JSON in and out. What is not known is
``None``, never 0, "neutral" or "happiness". Probabilities lie in [0, 1] and intensities in [0, 5]
(FACS A to E are 1 to 5); the two are never mixed. Boxes are (x0, y0, x1, y1) in pixels of the
upright picture, times in seconds.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.checks import SchemaError as SchemaError
from mien.checks import in_range, known_fields, load_json, require

SCHEMA_VERSION = 1

Kind = Literal["face", "track", "clip"]
Status = Literal["ok", "no_face", "unreadable", "unparsed", "failed"]
Side = Literal["both", "left", "right"]
Box = tuple[float, float, float, float]

KINDS: tuple[Kind, ...] = ("face", "track", "clip")
STATUSES: tuple[Status, ...] = ("ok", "no_face", "unreadable", "unparsed", "failed")
SIDES: tuple[Side, ...] = ("both", "left", "right")


def check_box(box: Sequence[float] | None) -> None:
    if box is None:
        return
    require(len(box) == 4, f"box has {len(box)} numbers, not 4 (x0, y0, x1, y1)")
    require(all(math.isfinite(v) for v in box), f"box {tuple(box)} is not finite")
    require(box[0] < box[2] and box[1] < box[3], f"box {tuple(box)} is empty or turned around")


@dataclass(frozen=True, slots=True)
class Pose:
    """Head pose in degrees.

    Attributes:
        yaw: positive where the nose points to the right edge of the picture.
        pitch: positive where the face looks up.
        roll: positive where the head is turned clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float

    def __post_init__(self) -> None:
        for name in ("yaw", "pitch", "roll"):
            in_range(name, getattr(self, name), -180, 180)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face that a finder found in a picture.

    Attributes:
        box: hull of the landmarks where there are any (brow-top to chin), else the detector's box,
            in pixels.
        detection: score of the detector in [0, 1]; None where the finder gives none.
        landmarks: (478, 3) float32, x and y in pixels, z in pixels towards the camera negative; or
            None.
        blendshapes: name to score in [0, 1], in the subject's left and right; empty where not
            computed.
        pose: head pose, or None.
    """

    box: Box
    detection: float | None = None
    landmarks: NDArray[np.float32] | None = None
    blendshapes: Mapping[str, float] = field(default_factory=dict)
    pose: Pose | None = None

    def __post_init__(self) -> None:
        check_box(self.box)
        in_range("detection", self.detection, 0, 1)
        if self.landmarks is not None:
            shape = np.shape(self.landmarks)
            require(len(shape) == 2 and shape[1] == 3, f"landmarks have shape {shape}, not (N, 3)")


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One action unit as measured or labelled.

    Attributes:
        au: FACS number.
        side: the subject's own side, or "both".
        present: None where unknown.
        probability: that it is present, in [0, 1]; None where the source gives none.
        intensity: in [0, 5]; None where unknown.
        rest: intensity of this person's face at rest, in [0, 5]; known of tracks that are long
            enough (see `mien.timeline.series`).
    """

    au: int
    present: bool | None = None
    probability: float | None = None
    intensity: float | None = None
    side: Side = "both"
    rest: float | None = None

    def __post_init__(self) -> None:
        require(self.au in facs.ACTION_UNITS, f"au is {self.au!r}, which facs.py does not define")
        require(self.side in SIDES, f"side is {self.side!r}, not one of {', '.join(SIDES)}")
        require(
            self.present is None or isinstance(self.present, bool),
            f"present is {self.present!r}, not true, false or null",
        )
        in_range(f"AU{self.au} probability", self.probability, 0, 1)
        in_range(f"AU{self.au} intensity", self.intensity, 0, 5)
        in_range(f"AU{self.au} rest", self.rest, 0, 5)

    @property
    def name(self) -> str:
        """FACS name in lower case."""
        return facs.au_info(self.au).name

    @property
    def intensity_from_rest(self) -> float | None:
        """Intensity above the person's own resting level, in [0, 5]; None where that is unknown."""
        if self.intensity is None or self.rest is None:
            return None
        return max(0.0, self.intensity - self.rest)

    def to_dict(self) -> dict[str, Any]:
        values = {
            "au": self.au,
            "side": self.side,
            "name": self.name,
            "present": self.present,
            "probability": self.probability,
            "intensity": self.intensity,
        }
        if self.rest is not None:
            values |= {"rest": self.rest, "intensity_from_rest": self.intensity_from_rest}
        return values

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ActionUnit:
        values = known_fields(cls, data, ignore=("name", "intensity_from_rest"))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression label out of a named, closed set.

    Attributes:
        label: canonical name; None where unknown.
        label_set: key of `facs.LABEL_SETS`.
        scores: name to probability over the whole set (sums to 1), or None where the source gives
            none.
    """

    label: str | None
    label_set: str = "basic7"
    scores: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        require(
            self.label_set in facs.LABEL_SETS,
            f"label_set is {self.label_set!r}, not one of {', '.join(facs.LABEL_SETS)}",
        )
        names = facs.LABEL_SETS[self.label_set]
        require(
            self.label is None or self.label in names,
            f"expression {self.label!r} is not in {self.label_set}: {', '.join(names)}",
        )
        if self.scores is not None:
            require(
                set(self.scores) == set(names),
                f"scores name {sorted(self.scores)}, not the classes of {self.label_set}",
            )
            for name, value in self.scores.items():
                in_range(f"score of {name}", value, 0, 1)
            total = sum(self.scores.values())
            require(abs(total - 1) < 1e-3, f"expression scores sum to {total:.4f}, not 1")

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "label_set": self.label_set,
            "scores": dict(self.scores) if self.scores is not None else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Expression:
        return cls(**known_fields(cls, data))


@dataclass(frozen=True, slots=True)
class Course:
    """How one expression or one action unit comes and goes in a track.

    Values are smoothed over time: shares of belief in [0, 1] for an expression, intensities in
    [0, 5] for a unit. `mien.timeline` has the rules.

    Attributes:
        expression: its name; exactly one of expression and au is given.
        au: FACS number.
        side: of the unit.
        mean, peak: over the track; None where the model gives no such numbers.
        onset: seconds at which it begins to rise to its peak; None where that was not seen.
        apex: seconds of the peak.
        offset: seconds at which it has gone; None where that was not seen.
    """

    expression: str | None = None
    au: int | None = None
    side: Side = "both"
    mean: float | None = None
    peak: float | None = None
    onset: float | None = None
    apex: float | None = None
    offset: float | None = None

    def __post_init__(self) -> None:
        require(
            (self.expression is None) != (self.au is None),
            "a course is of an expression or of an action unit",
        )
        known = facs.ACTION_UNITS if self.au is not None else facs.EXPRESSIONS
        what = self.au if self.au is not None else self.expression
        require(what in known, f"course of {what!r}, which facs.py does not define")
        require(self.side in SIDES, f"side is {self.side!r}, not one of {', '.join(SIDES)}")
        for name in ("mean", "peak"):
            in_range(f"{name} of {what}", getattr(self, name), 0, 5 if self.au is not None else 1)


def check_units(units: Sequence[ActionUnit] | None) -> None:
    seen: set[tuple[int, str]] = set()
    for unit in units or ():
        key = (unit.au, unit.side)
        require(key not in seen, f"AU{unit.au} ({unit.side}) is given twice")
        seen.add(key)


class JsonRow(ABC):
    """A type with one line of JSON in and out."""

    __slots__ = ()
    tuple_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that JSON has as lists."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` wrote.

        Raises:
            SchemaError: on another schema version, an unknown field or a value out of range.
        """
        version = data.get("schema_version")
        require(
            version == SCHEMA_VERSION,
            f"schema_version is {version!r}; this mien reads {SCHEMA_VERSION}",
        )
        values = known_fields(cls, data, ignore=("schema_version",))
        nested_types(values)
        for name in cls.tuple_fields:
            values[name] = tuple(values.get(name) or ())
        return cls(**values)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Reads one line of JSON."""
        return cls.from_dict(load_json(line))


@dataclass(frozen=True, slots=True)
class Analysis(JsonRow):
    """One face (or track, or clip) looked at by one model: a row of mien's output.

    Attributes:
        source: path or name of the input.
        kind: "face", or "track" and "clip", which have `start` and `end`.
        frame: index of the frame, 0 for a picture.
        time: seconds from the start, 0 for a picture.
        face: number of the face in this frame, from 0 (largest first); None where there is none.
        track: number of the person over frames.
        status: "ok", or why there is no answer.
        box, detection, pose: as in `Face`.
        expression: None where the model gave none.
        action_units: None where the model gave none; a unit that it does not know is not listed.
        valence, arousal: in [-1, 1].
        text: the model's words, or None.
        model: name of the model that answered.
        warnings: what a user should know about this row.
        start, end: seconds of the first and last frame that a track or clip was seen in.
        course: of tracks and clips, how expressions and units come and go.
    """

    tuple_fields: ClassVar[tuple[str, ...]] = ("warnings",)

    source: str
    kind: Kind = "face"
    frame: int | None = 0
    time: float | None = 0.0
    face: int | None = None
    track: int | None = None
    status: Status = "ok"
    box: Box | None = None
    detection: float | None = None
    pose: Pose | None = None
    expression: Expression | None = None
    action_units: tuple[ActionUnit, ...] | None = None
    valence: float | None = None
    arousal: float | None = None
    text: str | None = None
    model: str | None = None
    warnings: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    course: tuple[Course, ...] | None = None

    def __post_init__(self) -> None:
        require(bool(self.source), "source is empty")
        require(self.kind in KINDS, f"kind is {self.kind!r}, not one of {', '.join(KINDS)}")
        require(
            self.status in STATUSES, f"status is {self.status!r}, not one of {', '.join(STATUSES)}"
        )
        check_box(self.box)
        check_units(self.action_units)
        in_range("detection", self.detection, 0, 1)
        in_range("valence", self.valence, -1, 1)
        in_range("arousal", self.arousal, -1, 1)
        if self.kind != "face":
            require(
                self.start is not None and self.end is not None,
                f"a row of kind {self.kind!r} needs start and end",
            )
        if self.status in ("no_face", "unreadable"):
            require(
                self.expression is None and not self.action_units,
                f"a row of status {self.status!r} carries an expression or action units",
            )

    def unit(self, au: int, side: Side = "both") -> ActionUnit | None:
        """The action unit of this number and side, or None where the model does not give it."""
        return next((u for u in self.action_units or () if u.au == au and u.side == side), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, in the order of the documented schema."""
        row: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "kind": self.kind}
        for f in fields(self):
            if f.name in ("kind", "start", "end", "course"):
                continue
            row[f.name] = getattr(self, f.name)
        row["box"] = list(self.box) if self.box is not None else None
        row["pose"] = asdict(self.pose) if self.pose is not None else None
        row["expression"] = self.expression.to_dict() if self.expression is not None else None
        if self.action_units is not None:
            row["action_units"] = [u.to_dict() for u in self.action_units]
        row["warnings"] = list(self.warnings)
        if self.kind != "face":
            row["start"], row["end"] = self.start, self.end
            row["course"] = [asdict(c) for c in self.course] if self.course is not None else None
        return row


def nested_types(values: dict[str, Any]) -> None:
    """Turns the JSON of fields that have types of their own into those, in place."""
    if values.get("box") is not None:
        values["box"] = tuple(float(v) for v in values["box"])
    if values.get("pose") is not None:
        values["pose"] = Pose(**known_fields(Pose, values["pose"]))
    if values.get("expression") is not None:
        values["expression"] = Expression.from_dict(values["expression"])
    if values.get("action_units") is not None:
        values["action_units"] = tuple(ActionUnit.from_dict(u) for u in values["action_units"])
    if values.get("course") is not None:
        values["course"] = tuple(Course(**known_fields(Course, c)) for c in values["course"])
