"""Labels to text: the answers that models are trained on, true to the labels by construction.

`parse` reads every one of them back; the tests hold the two together.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from mien import facs
from mien.language.labels import checked, label_line
from mien.language.prompts import TASKS, Task
from mien.language.prose import Writer
from mien.language.words import capital

_NEEDS_EXPRESSION = ("expression", "expression_description", "reasoning")
_NEEDS_UNITS = ("au_detection", "au_description", "reasoning")


def describe(
    task: Task,
    *,
    expression: str | None,
    units: Mapping[int, float | None] | None,
    rng: random.Random,
) -> str:
    """The answer to a task's prompt.

    What an answer conveys: `expression` the expression alone; `au_detection` and `au_description`
    all present units with their intensity; `analysis` both; `expression_description`, `reasoning`
    and `conversation` the expression and those units that the text names.

    Args:
        task: what was asked.
        expression: any word that names an expression, or None where unknown.
        units: present units with intensity in (0, 5] or None ungraded; None where unknown.
        rng: chooses the wording; the same state gives the same text.

    Raises:
        ValueError: if the task is unknown or cannot be answered from these labels.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; tasks are {', '.join(TASKS)}")
    if expression is None and task in _NEEDS_EXPRESSION:
        raise ValueError(f"task {task!r} needs an expression")
    if units is None and task in _NEEDS_UNITS:
        raise ValueError(f"task {task!r} needs action units")
    if expression is None and units is None:
        raise ValueError(f"task {task!r} needs an expression or action units")
    name = facs.canonical_expression(expression) if expression is not None else None
    present = checked(units) if units is not None else None
    writer = Writer(present or {}, rng)
    if task == "au_detection":
        return label_line(None, present)
    if task == "au_description":
        return f"{label_line(None, present)} {writer.movements()}"
    if task == "analysis":
        return f"{label_line(name, present)}\n{_why(writer, name, present)}"
    if task == "conversation":
        return _overview(writer, name, present, rng)
    assert name is not None  # the tasks left all need an expression
    label = f"{capital(name)}."
    if task == "expression":
        return f"{label} {writer.impression(name)}" if rng.random() < 0.25 else label
    if task == "expression_description":
        return f"{label} {writer.description(name)}"
    return f"{label} {writer.reasons(name)}"


def _why(writer: Writer, name: str | None, present: Mapping[int, float | None] | None) -> str:
    if name is None:
        return writer.movements()
    return writer.impression(name) if present is None else writer.reasons(name)


def _overview(
    writer: Writer, name: str | None, present: Mapping[int, float | None] | None, rng: random.Random
) -> str:
    if name is None:
        return writer.movements() if present else label_line(None, {})
    label = f"{capital(name)}."
    if not present:
        return f"{label} {writer.impression(name)}"
    return f"{label} {writer.movements() if rng.random() < 0.5 else writer.description(name)}"
