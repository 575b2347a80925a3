"""Facial priors as rows of an Arrow table: the layout of files and of the cache.

Every column may be missing or null where nothing is known:

    embedding               list of float32
    landmarks               list of float32, point after point (x, y or x, y, z)
    landmark_layout         string, a key of `LAYOUTS`; by default the one with that many points
    yaw, pitch, roll        float, degrees, with the signs of `mien.schema.Pose`
    blendshapes             map or struct, name to score in [0, 1]
    age, gender, race       string
    age_confidence, ...     float in [0, 1]

A file also has ``name`` (path relative to the dataset's root) and, for clips, ``frame`` (from 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mien.models.priors.face_priors import ATTRIBUTES, Attribute, FacePriors
from mien.models.priors.landmarks import LAYOUTS
from mien.schema import Pose

_NUMBERS = pa.list_(pa.float32())
FIELDS: tuple[pa.Field, ...] = (
    pa.field("embedding", _NUMBERS),
    pa.field("landmarks", _NUMBERS),
    pa.field("landmark_layout", pa.string()),
    *(pa.field(name, pa.float32()) for name in ("yaw", "pitch", "roll")),
    pa.field("blendshapes", pa.map_(pa.string(), pa.float32())),
    *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    *(pa.field(f"{name}_confidence", pa.float32()) for name in ATTRIBUTES),
)


def to_table(rows: Sequence[FacePriors], first: dict[str, pa.Array] | None = None) -> pa.Table:
    """Priors as a table.

    Args:
        rows: one or more.
        first: columns in front, such as the names.
    """
    records = [_record(row) for row in rows]
    columns = dict(first or {})
    for field in FIELDS:
        columns[field.name] = pa.array([r.get(field.name) for r in records], field.type)
    return pa.table(columns)


def from_table(table: pa.Table, row: int) -> FacePriors:
    """Priors of one row.

    Raises:
        ValueError: if the row is not as in this module's docstring; the message names the column.
    """
    known = {name: i for i, name in enumerate(table.column_names)}

    def cell(name: str) -> Any:
        scalar = table.column(known[name])[row] if name in known else None
        return scalar if scalar is not None and scalar.is_valid else None

    def value(name: str) -> Any:
        scalar = cell(name)
        found = None if scalar is None else scalar.as_py()
        unknown = found == "" or (isinstance(found, float) and math.isnan(found))
        return None if unknown else found

    embedding, landmarks = _numbers(cell("embedding")), _numbers(cell("landmarks"))
    layout = None
    if landmarks is not None:
        layout, landmarks = _points(landmarks, value("landmark_layout"))
    angles = [value(name) for name in ("yaw", "pitch", "roll")]
    shapes = value("blendshapes")
    attributes = {
        name: Attribute(str(value(name)), value(f"{name}_confidence"))
        for name in ATTRIBUTES
        if value(name) is not None
    }
    return FacePriors(
        embedding=embedding,
        landmarks=landmarks,
        layout=layout,
        pose=None if None in angles else Pose(*angles),
        blendshapes=None if shapes is None else _shapes(shapes),
        attributes=attributes,
    )


def _record(priors: FacePriors) -> dict[str, Any]:
    record: dict[str, Any] = {"landmark_layout": priors.layout}
    if priors.embedding is not None:
        record["embedding"] = np.asarray(priors.embedding, np.float32)
    if priors.landmarks is not None:
        record["landmarks"] = np.asarray(priors.landmarks, np.float32).ravel()
    if priors.pose is not None:
        pose = priors.pose
        record.update(yaw=pose.yaw, pitch=pose.pitch, roll=pose.roll)
    if priors.blendshapes is not None:
        record["blendshapes"] = list(priors.blendshapes.items())
    for name, attribute in priors.attributes.items():
        record[name], record[f"{name}_confidence"] = attribute.value, attribute.confidence
    return record


def _numbers(cell: Any) -> NDArray[np.float32] | None:
    """A list's numbers; None where there are none or one is not finite."""
    if cell is None:
        return None
    numbers = cell.values.to_numpy(zero_copy_only=False).astype(np.float32)
    return numbers if numbers.size and np.isfinite(numbers).all() else None


def _points(numbers: NDArray[np.float32], layout: str | None) -> tuple[str, NDArray[np.float32]]:
    """The layout, and the numbers as its points."""
    fitting = [
        (name, dim)
        for name, marks in LAYOUTS.items()
        for dim in (2, 3)
        if marks.count * dim == numbers.size and layout in (None, name)
    ]
    if len(fitting) != 1:
        raise ValueError(
            f"column 'landmarks' has {numbers.size} numbers, which is no layout "
            f"{layout or 'known'} in 2 or 3 dimensions; layouts: "
            + ", ".join(f"{name} ({marks.count} points)" for name, marks in LAYOUTS.items())
        )
    name, dim = fitting[0]
    return name, numbers.reshape(-1, dim)


def _shapes(found: Any) -> dict[str, float]:
    """Blendshapes of a map (pairs) or a struct (dictionary), without unknown ones."""
    return {name: score for name, score in dict(found).items() if score is not None}
