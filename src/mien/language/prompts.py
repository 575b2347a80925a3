"""The questions that mien asks about a face: several wordings per task, in `prompts.json`."""

from __future__ import annotations

import random
from typing import Literal, get_args

from mien.language.words import load

Task = Literal[
    "expression",
    "expression_description",
    "au_detection",
    "au_description",
    "reasoning",
    "conversation",
    "analysis",
]

TASKS: tuple[Task, ...] = get_args(Task)


def prompts(task: Task) -> tuple[str, ...]:
    """All wordings of a task's prompt; the first is the canonical one.

    Raises:
        ValueError: if there is no such task.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; tasks are {', '.join(TASKS)}")
    return tuple(load("prompts.json")[task])


def prompt_for(task: Task, rng: random.Random | None = None) -> str:
    """A wording of a task's prompt: the canonical one, or a random one where `rng` is given."""
    wordings = prompts(task)
    return wordings[0] if rng is None else rng.choice(wordings)
