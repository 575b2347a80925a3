"""YAML to plain values, and single values set in them."""

from __future__ import annotations

from typing import Any

from mien.train.fields import RecipeError, dotted
from mien.untrusted import TextError, yaml_value


def parse(text: str, file: str) -> dict[str, Any]:
    """The fields of a YAML text.

    Args:
        text: YAML.
        file: its name, for messages.

    Raises:
        RecipeError: naming the line.
    """
    try:
        data = yaml_value(text, file)
    except TextError as error:
        raise RecipeError(str(error)) from None
    if not isinstance(data, dict):
        raise RecipeError(f"{file} holds no fields; see docs/train.md for what a recipe has")
    return data


def set_value(data: dict[str, Any], override: str) -> None:
    """Sets one value in place; containers on the way are made where they are missing.

    Args:
        data: plain values.
        override: "stages.0.learning_rate=1e-5"; the value is YAML.

    Raises:
        RecipeError: if it cannot be set.
    """
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise RecipeError(f"--set {override}: write it as field=value, such as seed=1")
    try:
        value = yaml_value(text, override) if text else None
    except TextError:
        raise RecipeError(f"--set {path}: the value is no YAML; put it into quotes") from None
    keys = dotted(path).split(".")
    place: Any = data
    for number, key in enumerate(keys):
        last = number == len(keys) - 1
        inner: Any = [] if not last and keys[number + 1].isdigit() else {}
        if isinstance(place, list):
            if not key.isdigit() or int(key) > len(place):
                raise RecipeError(f"--set {override}: there is no item {key}; it has {len(place)}")
            if int(key) == len(place):
                place.append(None)
            index: Any = int(key)
        elif isinstance(place, dict):
            index = key
        else:
            raise RecipeError(f"--set {override}: {'.'.join(keys[:number])} has no fields")
        if last:
            place[index] = value
            return
        if (place.get(index) if isinstance(place, dict) else place[index]) is None:
            place[index] = inner
        place = place[index]
