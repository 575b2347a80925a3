"""Answers whose words are held to the model's own numbers, for each of mien's prompts."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from mien.language import TASKS, Task, check_reasons, describe, label_line, parse, prompts
from mien.schema import ActionUnit, Expression, Status

UNITS_ALONE: tuple[Task, ...] = ("au_detection", "au_description")
"""Tasks whose answers name no expression."""


def task_of(prompt: str) -> Task | None:
    """The task that a prompt is a wording of; None for any other words.

    Instructions for other models may stand behind the question, on lines of their own.
    """
    first = prompt.strip().split("\n", 1)[0].strip()
    return next((task for task in TASKS if first in prompts(task)), None)


def offered_expression(prompt: str, expression: Expression) -> str:
    """The likeliest expression among those that a prompt's list offers, or of all without a list.

    A list is two or more of the expression's names on the lines behind the question, as the suites
    of benchmarks have it: a model with eight classes does not answer "contempt" where seven stand.
    """
    assert expression.scores is not None  # a model of mien gives them
    behind = prompt.strip().partition("\n")[2].lower()
    named = [name for name in expression.scores if re.search(rf"\b{name}\b", behind)]
    choice = named if len(named) > 1 else list(expression.scores)
    return max(choice, key=expression.scores.__getitem__)


def present_units(units: Sequence[ActionUnit]) -> dict[int, float | None]:
    """Present units with their intensity."""
    return {u.au: u.intensity for u in units if u.present}


def answer_start(task: Task, expression: str, present: Mapping[int, float | None]) -> str:
    """How the answer to a task begins, given the labels (see `mien.language.describe`)."""
    if task == "analysis":
        return label_line(expression, present) + "\n"
    if task in UNITS_ALONE:
        return label_line(None, present)
    return label_line(expression, None)


def hold_to_numbers(
    task: Task, text: str, expression: str, present: Mapping[int, float | None]
) -> tuple[str, Status, tuple[str, ...]]:
    """The text if it is true to the labels, else one that is made from them.

    Returns:
        Text, status ("ok" or "unparsed", and then the text is as it was) and warnings.
    """
    parsed = parse(text)
    if parsed.status != "ok":
        return text, "unparsed", (f"the text could not be parsed: {parsed.reason}",)
    said = None if task in UNITS_ALONE else expression
    faults = check_reasons(text, said, present)
    if faults:
        text = describe(task, expression=expression, units=present, rng=random.Random(0))
        warning = (
            f"the model's words were not true to its numbers ({'; '.join(faults)});"
            " the text was written from the numbers instead"
        )
        return text, "ok", (warning,)
    if said is not None and parsed.expression != said:
        return text, "ok", (f"the text says {parsed.expression}, the numbers {said}",)
    return text, "ok", ()
