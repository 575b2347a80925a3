"""Plain values, as YAML gives them, into dataclasses: every mistake named with its place."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class RecipeError(ValueError):
    """A recipe is wrong; the message names the field, its value and the remedy."""


def read(kind: Any, value: Any, where: str) -> Any:
    """A value as the type that a field has.

    Args:
        kind: a dataclass, str, int, float, bool, Path, Literal, `X | None`, `tuple[X, ...]`,
            `list[X]` or `dict[str, X]`.
        value: plain values of YAML.
        where: place of the value, such as "recipe.yaml: stages[1].learning_rate".

    Raises:
        RecipeError: if it does not fit.
    """
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [k for k in get_args(kind) if k is not type(None)]
        if value is None:
            return None
        return read(inner[0], value, where)
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, value, where)
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise RecipeError(f"{where} is {value!r}; give a list")
        inner_kind = get_args(kind)[0]
        return origin(read(inner_kind, item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} is {value!r}; give names with values")
        return {str(k): read(get_args(kind)[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is Literal:
        if value not in get_args(kind):
            raise RecipeError(f"{where} is {value!r}; choose from {_listed(get_args(kind))}")
        return value
    return _read_plain(kind, value, where)


def _read_plain(kind: Any, value: Any, where: str) -> Any:
    if value is None:
        raise RecipeError(f"{where} is not set; give it a value")
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is float and not isinstance(value, bool):
        # YAML reads 1e-4, which has no point, as text.
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if math.isfinite(number):
            return number
    if kind is str and isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    if kind is Path and isinstance(value, str | Path):
        return Path(value).expanduser()
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    raise RecipeError(f"{where} is {value!r}; give {names.get(kind, 'a path')}")


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    """A dataclass from a mapping; its own checks name fields, this adds where they stand."""
    if isinstance(value, kind):
        return value
    start = where if not where or where.endswith(": ") else f"{where}."
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where.removesuffix(': ')} is {value!r}; give fields with values")
    hints = get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in value:
        if name not in known:
            raise RecipeError(unknown(f"{start}{name}", str(name), known))
    for name, f in known.items():
        missing = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if missing and value.get(name) is None:
            path = f"{start}{name}".rpartition(": ")[2]
            raise RecipeError(f"{start}{name} is not set; give it, or --set {dotted(path)}=...")
    given = {name: read(hints[name], v, f"{start}{name}") for name, v in value.items()}
    try:
        return kind(**given)
    except RecipeError:
        raise
    except ValueError as error:
        raise RecipeError(f"{start}{error}") from None


def unknown(where: str, name: str, known: Mapping[str, Any]) -> str:
    """What to say of a field that does not exist."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the fields are {_listed(known)}"
    return f"{where} is no field; {hint}"


def dotted(path: str) -> str:
    """data.train[0].rows as `--set` takes it: data.train.0.rows."""
    return path.replace("[", ".").replace("]", "")


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))


def plain(value: Any) -> Any:
    """Dataclasses back to plain values, for JSON and YAML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return value
