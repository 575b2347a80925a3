"""Checks that the types of mien make of their values, and the error that they raise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from mien.untrusted import TextError, json_value


class SchemaError(ValueError):
    """A value does not fit mien's schema; the message names the field and the value."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise SchemaError(message)


def in_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None:
        require(
            isinstance(value, int | float) and math.isfinite(value) and low <= value <= high,
            f"{name} is {value!r}, outside [{low:g}, {high:g}]",
        )


def known_fields(
    cls: type, data: Mapping[str, Any], *, ignore: Sequence[str] = ()
) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    unknown = sorted(set(data) - names - set(ignore))
    require(not unknown, f"{cls.__name__} has no field {', '.join(map(repr, unknown))}")
    return {k: v for k, v in data.items() if k in names}


def load_json(line: str) -> dict[str, Any]:
    try:
        data = json_value(line)
    except TextError as error:
        raise SchemaError(f"not a line of JSON: {error}") from None
    require(isinstance(data, dict), f"a row is a JSON object, not {type(data).__name__}")
    return data
