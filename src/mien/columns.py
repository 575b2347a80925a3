"""Rows as flat cells (CSV, data frames) and as typed nested values (Parquet).

The flat columns follow OpenFace 2 where it has them: ``frame`` (from 1), ``face_id``,
``timestamp, confidence, success``, ``pose_Rx`` (radians), ``AU12_r`` (intensity 0 to 5) and
``AU12_c`` (present, 0 or 1). ``AU12_p`` is mien's probability, and in rows of people ``AU12_rest``
the intensity of that person's face at rest. Rows of faces have columns of their
own, and so have those of people and clips, so that a mean over a column is one over frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from mien import facs
from mien.notation import printable
from mien.schema import SCHEMA_VERSION, ActionUnit, Analysis, Course, Pose

if TYPE_CHECKING:
    import pyarrow as pa

OPENFACE_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
"""Units with columns in OpenFace's files: these have some here, too, whatever the model knows."""

_PLACE = ("frame", "face_id", "timestamp")
_FOUND = ("confidence", "success")
_SPAN = ("start", "end", "onset", "apex", "offset")
_LOOK = (
    *("pose_Rx", "pose_Ry", "pose_Rz", "pose_yaw", "pose_pitch", "pose_roll"),
    *("box_x0", "box_y0", "box_x1", "box_y1", "expression", "expression_set"),
)
_TAIL = ("valence", "arousal", "text", "model", "warnings")

_WORDS = {"source", "kind", "status", "expression", "expression_set", "text", "model", "warnings"}
_WHOLE = {"frame", "face_id", "success"}

# What a spreadsheet takes for the beginning of a formula, in its wide forms, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Table = Literal["faces", "people", "all"]


def column_names(action_units: Sequence[int] | None, table: Table = "faces") -> tuple[str, ...]:
    """Names of the flat columns, in order.

    Args:
        action_units: units with columns of their own, beside those of OpenFace; None is every unit
            that mien knows.
        table: for rows of faces; of people and clips; or for all of them.

    Raises:
        ValueError: on a unit that mien does not know.
    """
    units = facs.ACTION_UNITS if action_units is None else action_units
    for unit in units:
        facs.au_info(unit)
    shown = sorted({*units, *OPENFACE_UNITS})
    scores = (f"expression_{name}" for name in facs.EXPRESSIONS)
    of_unit = ("r", "c", "p") if table == "faces" else ("r", "c", "p", "rest")
    cells = (f"AU{unit:02d}_{what}" for what in of_unit for unit in shown)
    head = {
        "faces": ("source", *_PLACE, *_FOUND, "status"),
        "people": ("source", "kind", "face_id", *_SPAN, "frame", "timestamp", "status"),
        "all": ("source", "kind", *_PLACE, *_FOUND, "status", *_SPAN),
    }
    return (*head[table], *_LOOK, *scores, *cells, *_TAIL)


def column_dtypes(names: Sequence[str]) -> dict[str, str]:
    """Pandas dtype of each column: words, whole numbers that may be missing, or floats."""

    def dtype(name: str) -> str:
        if name in _WORDS:
            return "object"
        return "Int64" if name in _WHOLE or name.endswith("_c") else "float64"

    return {name: dtype(name) for name in names}


def safe_text(text: str) -> str:
    """Text that a spreadsheet shows and does not run: behind an apostrophe, where need be."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def row_cells(row: Analysis) -> dict[str, Any]:
    """A row as column name to value; what is unknown is None or left out."""
    cells: dict[str, Any] = {
        "source": printable(row.source),
        "kind": row.kind,
        "frame": None if row.frame is None else row.frame + 1,
        "face_id": row.face if row.track is None else row.track,
        "timestamp": row.time,
        "start": row.start,
        "end": row.end,
        "status": row.status,
        "valence": row.valence,
        "arousal": row.arousal,
        "text": None if row.text is None else printable(row.text),
        "model": row.model,
        "warnings": printable("; ".join(row.warnings)) or None,
    }
    if row.kind == "face":
        cells["success"] = int(row.status == "ok")
        cells["confidence"] = 0.0 if row.status == "no_face" else row.detection
    main = main_course(row)
    if main is not None:
        cells |= {"onset": main.onset, "apex": main.apex, "offset": main.offset}
    if row.box is not None:
        cells |= zip(("box_x0", "box_y0", "box_x1", "box_y1"), row.box, strict=True)
    if row.pose is not None:
        cells |= {f"pose_{k}": getattr(row.pose, k) for k in ("yaw", "pitch", "roll")}
        cells |= zip(("pose_Rx", "pose_Ry", "pose_Rz"), openface_pose(row.pose), strict=True)
    if row.expression is not None:
        cells["expression"] = row.expression.label
        cells["expression_set"] = row.expression.label_set
        scores = row.expression.scores or {}
        cells |= {f"expression_{name}": score for name, score in scores.items()}
    units = {unit.au: unit for unit in merge_sides(row.action_units or ())}
    if 43 in units and 45 not in units:  # in one frame a blink is an eye that is closed
        units[45] = replace(units[43], au=45)
    for unit in units.values():
        cells[f"AU{unit.au:02d}_r"] = unit.intensity
        cells[f"AU{unit.au:02d}_c"] = None if unit.present is None else int(unit.present)
        cells[f"AU{unit.au:02d}_p"] = unit.probability
        cells[f"AU{unit.au:02d}_rest"] = unit.rest
    return cells


def openface_pose(pose: Pose) -> tuple[float, float, float]:
    """OpenFace's ``pose_Rx, pose_Ry, pose_Rz`` in radians, from mien's angles.

    OpenFace's axes are those of the picture, x to the right, y down and z away from the camera, and
    its rotation is Rx Ry Rz: Rx is positive where the face looks down, Ry where it turns to the
    left edge of the picture, Rz where the head is turned clockwise. mien turns by yaw last, so the
    angles are not merely those of mien with other signs.
    """
    yaw, pitch, roll = (math.radians(v) for v in (pose.yaw, pose.pitch, pose.roll))
    # R = Ry(-yaw) Rx(-pitch) Rz(roll) on these axes; only the entries that are needed.
    sy, cy, sx, cx = math.sin(-yaw), math.cos(yaw), math.sin(-pitch), math.cos(pitch)
    sz, cz = math.sin(roll), math.cos(roll)
    r00, r01, r02 = cy * cz + sy * sx * sz, sy * sx * cz - cy * sz, sy * cx
    r12, r22 = -sx, cy * cx
    return (
        math.atan2(-r12, r22),
        math.asin(max(-1.0, min(1.0, r02))),
        math.atan2(-r01, r00),
    )


def main_course(row: Analysis) -> Course | None:
    """The course whose apex is the row's time: that of the expression which a track shows best."""
    courses = [c for c in row.course or () if c.expression is not None]
    return next((c for c in courses if c.apex == row.time), None)


def merge_sides(units: Sequence[ActionUnit]) -> tuple[ActionUnit, ...]:
    """One entry per unit: the one for both sides, or else the stronger of left and right.

    A unit known on one side only counts if it is present there; its absence there says nothing of
    the other side.
    """
    by_number: dict[int, dict[str, ActionUnit]] = {}
    for unit in units:
        by_number.setdefault(unit.au, {})[unit.side] = unit
    return tuple(
        sides.get("both") or _stronger(list(sides.values())) for sides in by_number.values()
    )


def _stronger(sides: Sequence[ActionUnit]) -> ActionUnit:
    present: bool | None = None
    if any(u.present for u in sides):
        present = True
    elif len(sides) == 2 and all(u.present is False for u in sides):
        present = False
    if len(sides) == 1 and present is not True:
        return ActionUnit(sides[0].au)
    return ActionUnit(
        sides[0].au,
        present,
        _most(sides, lambda u: u.probability),
        _most(sides, lambda u: u.intensity),
        rest=_most(sides, lambda u: u.rest),
    )


def _most(sides: Sequence[ActionUnit], value: Callable[[ActionUnit], float | None]) -> float | None:
    known = [v for v in map(value, sides) if v is not None]
    return max(known, default=None)


@cache
def parquet_schema() -> pa.Schema:
    """The typed schema; its metadata carries the version of mien's row schema."""
    import pyarrow as pa

    text, real, whole = pa.string(), pa.float64(), pa.int64()
    score = pa.struct([("name", text), ("score", real)])
    expression = pa.struct([("label", text), ("label_set", text), ("scores", pa.list_(score))])
    unit = pa.struct(
        [
            *(("au", pa.int16()), ("side", text), ("name", text), ("present", pa.bool_())),
            *(("probability", real), ("intensity", real), ("rest", real)),
            ("intensity_from_rest", real),
        ]
    )
    pose = pa.struct([("yaw", real), ("pitch", real), ("roll", real)])
    course = pa.struct(
        [
            *(("expression", text), ("au", pa.int16()), ("side", text), ("mean", real)),
            *(("peak", real), ("onset", real), ("apex", real), ("offset", real)),
        ]
    )
    columns = [
        *(("schema_version", pa.int16()), ("kind", text), ("source", text)),
        *(("frame", whole), ("time", real), ("face", whole), ("track", whole), ("status", text)),
        *(("box", pa.list_(real)), ("detection", real), ("pose", pose)),
        *(("expression", expression), ("action_units", pa.list_(unit))),
        *(("valence", real), ("arousal", real), ("text", text), ("model", text)),
        *(("warnings", pa.list_(text)), ("start", real), ("end", real)),
        ("course", pa.list_(course)),
    ]
    return pa.schema(columns, metadata={"mien_schema_version": str(SCHEMA_VERSION)})


def row_to_parquet(row: Analysis) -> dict[str, Any]:
    """A row as plain values that fit `parquet_schema`."""
    values = {"start": row.start, "end": row.end, "course": None, **row.to_dict()}
    expression = values["expression"]
    if expression is not None and expression["scores"] is not None:
        scores = [{"name": k, "score": v} for k, v in expression["scores"].items()]
        values["expression"] = {**expression, "scores": scores}
    for name in ("source", "text"):  # Parquet text is UTF-8 and cannot hold lone surrogates
        values[name] = None if values[name] is None else printable(values[name])
    values["warnings"] = [printable(w) for w in values["warnings"]]
    return values


def row_from_parquet(values: Mapping[str, Any]) -> Analysis:
    """The row that `row_to_parquet` was given."""
    row = dict(values)
    expression = row["expression"]
    if expression is not None and expression["scores"] is not None:
        scores = {s["name"]: s["score"] for s in expression["scores"]}
        row["expression"] = {**expression, "scores": scores}
    return Analysis.from_dict(row)
