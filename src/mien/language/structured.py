"""JSON and its likes, rewritten as plain lines so that one reader judges them all."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from mien import facs
from mien.language import bare
from mien.language.mentions import UnreadableError

_EXPRESSION_KEYS = ("expression", "facial_expression", "emotion", "label", "prediction", "answer")
_UNIT_KEYS = ("aus", "au", "action_units", "units", "active_aus", "present", "facial_action_units")
_SCORE_KEYS = (
    *("scores", "probabilities", "probs", "confidence", "confidences", "emotions", "expressions"),
    *("distribution", "emotion_scores", "expression_scores", "predictions"),
)
_NAME_KEYS = ("label", "emotion", "expression", "class", "name")
_NUMBER_KEYS = ("score", "confidence", "probability", "prob", "value", "intensity")
MOST_BRACKETS = 2000
"""Brackets of an answer that is read as JSON; labels take few."""
_ABSENT_KEYS = ("absent", "absent_aus", "inactive_aus")


def read(text: str, *, units: bool = False) -> str | None:
    """The labels of a JSON-like answer as plain lines; None where the text is no such answer.

    Args:
        text: an answer.
        units: whether units were asked for, so that keys that are numbers are units.

    Raises:
        UnreadableError: if its values cannot be labels.
    """
    fence = _fenced(text)
    body = (text if fence is None else fence).strip()
    start, end = body.find("{"), body.rfind("}")
    if body.startswith("[") and (start < 0 or end < start):
        pairs = _load(body)
        return None if units else _rows(pairs)
    if start < 0 or end < start or (fence is None and start > 0 and body[:start].count("\n") > 3):
        return None
    data = _load(body) if body.startswith("[") else _load(body[start : end + 1])
    if isinstance(data, dict) and "au" in data and {"present", "intensity"} & set(data):
        data = [data]
    if isinstance(data, list) and (rows := _rows(data)) is not None:
        return rows
    if isinstance(data, list) and all(isinstance(item, dict) for item in data):
        data = {"units": data}
    if not isinstance(data, dict):
        return None
    lines: list[str] = _classes(data)
    for key, value in data.items():
        name = str(key).strip().lower().replace(" ", "_")
        if name in _EXPRESSION_KEYS:
            lines += _expression(value)
        elif name in _SCORE_KEYS and isinstance(value, dict):
            lines += _classes(value)
        elif name in _SCORE_KEYS and isinstance(value, list):
            rows = _rows(value)
            lines += [rows] if rows else []
        elif name in _UNIT_KEYS:
            lines += _units(value)
        elif units and re.fullmatch(r"\d{1,2}", name):
            lines += _unit(name, value)
        elif name in _ABSENT_KEYS and isinstance(value, list | tuple | None.__class__):
            lines += [f"AU{_number(v)}: absent" for v in value or ()]
        elif re.fullmatch(r"au_?\d+(_[cr])?", name):
            lines += _unit(name, value, presence=name.endswith("_c"), grade=name.endswith("_r"))
    return "\n".join(lines) if lines else None


def _load(body: str) -> Any:
    if body.count("{") + body.count("[") > MOST_BRACKETS:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(body)
    except (
        ValueError,
        TypeError,
        SyntaxError,
        MemoryError,
        RecursionError,
    ):  # "{{}}" is a TypeError
        return None


def _fenced(text: str) -> str | None:
    """What stands in the first fence, not searched by a pattern as that would take its time."""
    start = text.find("```")
    end = text.find("```", start + 3) if start >= 0 else -1
    if end < 0:
        return None
    return re.sub(
        r"\A(?:json\d?|python|javascript)\b", "", text[start + 3 : end], flags=re.IGNORECASE
    )


def _classes(data: dict[Any, Any]) -> list[str]:
    """Lines of a mapping from expressions to numbers or yes and no."""
    words = facs.expression_words()
    found = {k: v for k, v in data.items() if str(k).strip().lower() in words}
    if not found or not all(isinstance(v, bool | int | float | str) for v in found.values()):
        return []
    return [f"{key}: {str(value).lower()}" for key, value in found.items()]


def _rows(data: Any) -> str | None:
    """Lines of a list of expressions with numbers: pairs, or objects with a label and a score."""
    if not isinstance(data, list) or not data:
        return None
    lines = []
    for item in data:
        if isinstance(item, list | tuple) and len(item) == 2:
            name, value = item
        elif isinstance(item, dict) and "au" not in item:
            name = next((item[k] for k in _NAME_KEYS if k in item), None)
            value = next((item[k] for k in _NUMBER_KEYS if k in item), None)
        else:
            return None
        if (
            not isinstance(name, str)
            or isinstance(value, bool)
            or not isinstance(value, int | float)
        ):
            return None
        lines.append(f"{name}: {value}")
    return "\n".join(lines)


def _expression(value: Any) -> list[str]:
    if isinstance(value, dict) and (lines := _classes(value)):
        return lines
    if isinstance(value, dict):
        value = value.get("label") or value.get("name")
    if value is None:
        return []
    if isinstance(value, list):
        value = " / ".join(map(str, value))
    return [f"Expression: {value}."]


def _units(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _unit(str(key), item)]
    if isinstance(value, str | int):
        text = str(value)
        if bare.says_nothing(text):
            return ["No action units."]
        return [text if re.search(r"[A-Za-z]{2}", text) or not text else f"AUs {text}"]
    if not value:
        return ["No action units."]
    if isinstance(value, list) and len(value) == 1 and bare.says_nothing(str(value[0])):
        return ["No action units."]
    lines = []
    for item in value:
        if isinstance(item, dict):
            number = _number(item.get("au", item.get("number", item.get("id", item.get("name")))))
            present = item.get("present")
            grade = item.get("intensity")
            if present is False:
                lines.append(f"AU{number}: absent")
            elif grade is not None:
                lines += _unit(number, grade, grade=True)
            elif present is True or present is None:
                lines.append(f"AU{number}")
        else:
            text = str(item)
            lines.append(f"AU{text}" if re.match(r"\d", text) else text)
    return lines


def _unit(name: str, value: Any, *, presence: bool = False, grade: bool = False) -> list[str]:
    name = f"AU{_number(name)}" if re.search(r"\d", name) else name
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"{name}: {'present' if value else 'absent'}"]
    if isinstance(value, dict):
        if value.get("present") is False:
            return [f"{name}: absent"]
        intensity = value.get("intensity")
        return [name] if intensity is None else _unit(name, intensity, grade=True)
    if presence and value in (0, 1):
        return [f"{name}: {'present' if value else 'absent'}"]
    if isinstance(value, int | float):
        return [f"{name} intensity {value}" if grade else f"{name}: {value}"]
    return [f"{name}: {value}"]


def _number(value: Any) -> str:
    match = re.search(r"\d+", str(value))
    if not match:
        raise UnreadableError(f"{value!r} is no action unit")
    return str(int(match[0]))
