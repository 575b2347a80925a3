"""JSON, TOML and YAML from outside as plain values: whatever is wrong with them is one error.

Standard parsers raise a dozen types: on nesting without end, numbers of thousands of digits, a
month 13, aliases that grow or hold themselves. Here each becomes a `TextError` that names the file,
the place and the remedy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

MOST_NESTED = 100
"""Lists and objects within each other; deeper texts are refused."""
MOST_NODES = 100_000
"""Values of a YAML text with its aliases written out."""

_AGAIN = "mend it there, or copy the file again"
# Undecodable bytes of file names are kept as U+DC80 to U+DCFF; no other half of a pair is a text.
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class TextError(ValueError):
    """A text is not what it is read as; the message names place and remedy."""


def json_value(text: str | bytes, where: str = "", *, remedy: str = _AGAIN) -> Any:
    """The value of a JSON text.

    Halves of surrogate pairs, which no file can hold, become U+FFFD.

    Args:
        text: JSON; bytes in UTF-8 (or 16 or 32), with or without byte order mark.
        where: file, perhaps with the line; left out where the caller names it.
        remedy: what to do.

    Raises:
        TextError: if it is none.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text))
        value = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise _error(where, f"no JSON ({place}column {error.colno}: {error.msg})", remedy) from None
    except (ValueError, RecursionError) as error:
        raise _error(where, f"no JSON ({_why(error)})", remedy) from None
    if text.count("[") + text.count("{") > MOST_NESTED and _deep(value):
        raise _error(where, f"lists within lists, more than {MOST_NESTED} deep", remedy)
    return _mended(value) if "\\ud" in text or "\\uD" in text else value


def json_object(text: str | bytes, where: str = "", *, remedy: str = _AGAIN) -> dict[str, Any]:
    """As `json_value`, of a text that holds an object.

    Raises:
        TextError: if it is none.
    """
    value = json_value(text, where, remedy=remedy)
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        raise _error(where, f"holds {kind}, not a JSON object", remedy)
    return value


def read_json(path: Path, *, remedy: str = _AGAIN) -> Any:
    """The value in a JSON file.

    Raises:
        TextError: if it holds none; names the file.
        OSError: if it cannot be read.
    """
    return json_value(path.read_bytes(), str(path), remedy=remedy)


def read_json_object(path: Path, *, remedy: str = _AGAIN) -> dict[str, Any]:
    """The object in a JSON file; raises as `read_json`."""
    return json_object(path.read_bytes(), str(path), remedy=remedy)


def toml_value(text: str, where: str) -> dict[str, Any]:
    """The fields of a TOML text.

    Raises:
        TextError: if it is none.
    """
    import tomllib

    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _error(where, f"no TOML ({_why(error)})", "mend it there") from None
    if _deep(value):
        raise _error(where, f"lists within lists, more than {MOST_NESTED} deep", "mend it there")
    return value


def yaml_value(text: str, where: str) -> Any:
    """The value of a YAML text. Dates stay text; a key that stands twice is an error.

    Raises:
        TextError: if it is none.
    """
    import yaml

    try:
        loader = _yaml_loader()(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_node(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise _error(f"{where}{line}", error.problem or "no YAML", "mend it there") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _error(where, f"no YAML ({_why(error)})", "mend it there") from None


@cache
def _yaml_loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain values alone, without dates."""

    Loader.yaml_implicit_resolvers = {
        start: [pair for pair in pairs if not pair[0].endswith(":timestamp")]
        for start, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def _check_node(root: Any) -> None:
    """Refuses aliases that hold themselves or grow, depth, and keys that stand twice."""
    import yaml

    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) in open_nodes or len(open_nodes) >= MOST_NESTED:
            raise yaml.MarkedYAMLError(
                problem=f"holds itself, or lists more than {MOST_NESTED} deep",
                problem_mark=node.start_mark,
            )
        open_nodes.add(id(node))
        inner: Iterable[Any] = node.value
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inner = (child for pair in node.value for child in pair)
        total = 1 + sum(map(size, inner))
        open_nodes.remove(id(node))
        if total > MOST_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MOST_NODES:,} values with aliases written out",
                problem_mark=node.start_mark,
            )
        sizes[id(node)] = total
        return total

    size(root)


def _check_keys(node: Any) -> None:
    import yaml

    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        if key.value in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {_short(key.value)!r} stands twice", problem_mark=key.start_mark
            )
        seen.add(key.value)


def _error(where: str, what: str, remedy: str) -> TextError:
    return TextError(f"{where}: {what}; {remedy}" if where else what)


def _why(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "lists within lists without end"
    if isinstance(error, UnicodeDecodeError):
        return f"not {error.encoding.upper()} from byte {error.start} on"
    if "integer string conversion" in str(error):
        return "a number of thousands of digits"
    return _short(" ".join(str(error).split()))


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_NESTED + 1):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [v for values in inner for v in values if isinstance(v, dict | list)]
        if not level:
            return False
    return True


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _HALVES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return [_mended(item) for item in value] if isinstance(value, list) else value
