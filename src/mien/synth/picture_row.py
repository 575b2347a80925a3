"""A rendered picture as a row of Parquet, in the layout that Hugging Face's datasets read.

Labels stand there twice: flat, a column each (`AU12_c` present, `AU12_r` intensity, as in
OpenFace's files, and `AU12_v` visible), and nested, as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from mien.sample import Sample
from mien.schema import SCHEMA_VERSION
from mien.synth.measure import MEASURED_UNITS
from mien.synth.produce import Picture
from mien.untrusted import json_value

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_SET = "basic8"


@cache
def schema() -> pa.Schema:
    """Columns and their types; the metadata tells Hugging Face's datasets where the picture is."""
    import pyarrow as pa

    text, real = pa.string(), pa.float64()
    unit = pa.struct(
        [
            *(("au", pa.int16()), ("side", text), ("name", text), ("present", pa.bool_())),
            *(("intensity", real), ("left", real), ("right", real), ("visible", pa.bool_())),
        ]
    )
    flat = [
        *((f"AU{au:02d}_c", pa.int8()) for au in MEASURED_UNITS),
        *((f"AU{au:02d}_r", real) for au in MEASURED_UNITS),
        *((f"AU{au:02d}_v", pa.bool_()) for au in MEASURED_UNITS),
    ]
    columns = [
        ("image", pa.struct([("bytes", pa.binary()), ("path", text)])),
        *((name, text) for name in ("id", "dataset", "subject", "split", "expression")),
        *flat,
        ("action_units", pa.list_(unit)),
        ("attributes", text),
        ("box", pa.list_(real)),
        ("licence", text),
    ]
    features = {"info": {"features": {"image": {"_type": "Image"}}}}
    metadata = {"mien_schema_version": str(SCHEMA_VERSION), "huggingface": json.dumps(features)}
    return pa.schema(columns, metadata=metadata)


LABEL_COLUMNS = (
    *("image.path", "id", "dataset", "subject", "split", "expression"),
    *("action_units", "attributes", "box", "licence"),
)
"""What `sample_of` needs."""


def row_of(picture: Picture) -> dict[str, Any]:
    """A picture as plain values that fit `schema`."""
    sample = picture.sample
    row: dict[str, Any] = {
        "image": {"bytes": picture.data, "path": sample.image},
        "id": sample.id,
        "dataset": sample.dataset,
        "subject": sample.subject,
        "split": sample.split,
        "expression": sample.expression.label if sample.expression else None,
        "attributes": json.dumps(dict(sample.attributes), ensure_ascii=False),
        "box": sample.box,
        "licence": sample.licence,
    }
    nested = []
    for labelled, unit in zip(sample.action_units or (), picture.units, strict=True):
        row[f"AU{unit.au:02d}_c"] = None if unit.present is None else int(unit.present)
        row[f"AU{unit.au:02d}_r"] = unit.intensity
        row[f"AU{unit.au:02d}_v"] = unit.visible
        seen = {"left": unit.left, "right": unit.right, "visible": unit.visible}
        nested.append({**labelled.to_dict(), **seen})
        del nested[-1]["probability"]  # what is known for sure has none
    row["action_units"] = nested
    return row


def sample_of(row: Mapping[str, Any]) -> Sample:
    """The Sample that a row was made of."""
    known = ("au", "side", "present", "intensity")
    expression = row["expression"]
    return Sample.from_dict(
        {
            "schema_version": SCHEMA_VERSION,
            **{name: row[name] for name in ("id", "dataset", "subject", "split", "licence", "box")},
            "image": row["image"]["path"],
            "expression": None
            if expression is None
            else {"label": expression, "label_set": LABEL_SET},
            "action_units": [{name: unit[name] for name in known} for unit in row["action_units"]],
            "attributes": json_value(row["attributes"]),
        }
    )
