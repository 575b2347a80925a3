"""JSON and its likes, rewritten as plain lines so that one reader judges them all."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from mien.language.mentions import UnreadableError

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL | re.IGNORECASE)
_EXPRESSION_KEYS = ("expression", "facial_expression", "emotion", "label", "prediction", "answer")
_UNIT_KEYS = ("aus", "au", "action_units", "units", "active_aus", "present", "facial_action_units")
_ABSENT_KEYS = ("absent", "absent_aus", "inactive_aus")


def read(text: str) -> str | None:
    """The labels of a JSON-like answer as plain lines; None where the text is no such answer.

    Raises:
        UnreadableError: if its values cannot be labels.
    """
    fence = _FENCE.search(text)
    body = (fence[1] if fence else text).strip()
    start, end = body.find("{"), body.rfind("}")
    if start < 0 or end < start or (not fence and start > 0 and body[:start].count("\n") > 3):
        return None
    data = _load(body) if body.startswith("[") else _load(body[start : end + 1])
    if isinstance(data, dict) and "au" in data and {"present", "intensity"} & set(data):
        data = [data]
    if isinstance(data, list) and all(isinstance(item, dict) for item in data):
        data = {"units": data}
    if not isinstance(data, dict):
        return None
    lines: list[str] = []
    for key, value in data.items():
        name = str(key).strip().lower().replace(" ", "_")
        if name in _EXPRESSION_KEYS:
            lines += _expression(value)
        elif name in _UNIT_KEYS:
            lines += _units(value)
        elif name in _ABSENT_KEYS:
            lines += [f"AU{_number(v)}: absent" for v in value or ()]
        elif re.fullmatch(r"au_?\d+(_[cr])?", name):
            lines += _unit(name, value, presence=name.endswith("_c"), grade=name.endswith("_r"))
    return "\n".join(lines) if lines else None


def _load(body: str) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError:
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


def _expression(value: Any) -> list[str]:
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
        return [text if re.search(r"[A-Za-z]{2}", text) or not text else f"AUs {text}"]
    if not value:
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
