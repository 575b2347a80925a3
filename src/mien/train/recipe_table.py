"""The fields of a recipe as tables, made from the dataclasses: `python -m` this module."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from typing import Any

from mien.train.fields import plain
from mien.train.recipe import CacheSpec, DataSpec, LoraSpec, LossSpec, Recipe, Source, Stage

SECTIONS = {
    "the recipe": Recipe,
    "data": DataSpec,
    "data.train[], data.validation[]": Source,
    "data.cache": CacheSpec,
    "loss": LossSpec,
    "stages[]": Stage,
    "stages[].lora": LoraSpec,
}


def meanings(kind: type) -> dict[str, str]:
    """What each field means, from the docstring of a dataclass."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for line in text.splitlines():
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            found[start[1]] = start[2]
        elif line.strip() and found:
            found[next(reversed(found))] += " " + line.strip()
    return found


def tables() -> str:
    """All fields, their defaults and meanings, as Markdown."""
    parts = []
    for title, kind in SECTIONS.items():
        texts = meanings(kind)
        rows = [
            f"| `{f.name}` | {_default(f)} | {texts[f.name]} |" for f in dataclasses.fields(kind)
        ]
        parts.append(
            "\n".join([f"### {title}", "", "| field | default | meaning |", "|---|---|---|", *rows])
        )
    return "\n\n".join(parts) + "\n"


def _default(one: dataclasses.Field[Any]) -> str:
    if one.default is not dataclasses.MISSING:
        value = plain(one.default)
    elif one.default_factory is not dataclasses.MISSING:
        return "see there"
    else:
        return "must be given"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.stdout.write(tables())
