"""Rewards of answers about faces, in the form that TRL's trainers take as `reward_funcs`.

Each function takes the answers and columns of the dataset as keywords, and gives one number in
[0, 1] per answer: 0 where the answer cannot be read, None where the labels do not say. Facial-R1
(arXiv 2511.10254) and UniFER (arXiv 2511.00389) learn from such rewards. `columns_of` makes the
columns from a row of `mien data build`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mien.language import check_reasons, label_line, parse
from mien.language.parse import Parsed
from mien.metrics import score_rationale

Completion = str | Sequence[Mapping[str, Any]]
"""An answer as TRL hands it over: a text, or the messages of a conversation."""

CHECKED: dict[str, frozenset[str]] = {
    "analysis": frozenset({"units", "expression", "reasons"}),
    "category": frozenset({"expression"}),
    "expression": frozenset({"expression"}),
    "expression_description": frozenset({"expression", "reasons"}),
    "au_detection": frozenset({"units"}),
    "au_description": frozenset({"units", "reasons"}),
    "reasoning": frozenset({"expression", "reasons"}),
    "conversation": frozenset({"expression"}),
}
"""What is checked beside the form of an answer to each task; units only where all are asked for."""

LEAST_WORDS = 4
"""Words that an explanation has at least, behind the label."""


def au_f1_reward(
    completions: Sequence[Completion],
    present: Sequence[Iterable[int] | None],
    absent: Sequence[Iterable[int] | None],
    task: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    """F1 of the action units that each answer names, over the units whose label is known.

    Units without a label are neither hits nor false alarms. That there are none, where there are
    none, has 1; an answer that says nothing of units has 0, also there.

    Args:
        completions: the answers.
        present: column: numbers of the units that the face shows.
        absent: column: numbers of those that it is known not to show.
        task: column of `CHECKED`; "analysis" by default.

    Returns:
        In [0, 1]; None where no unit is known or the task does not ask for all units.
    """
    tasks = _tasks(task, completions)
    rows = zip(completions, present, absent, tasks, strict=True)
    return [
        _units(parse(text_of(answer)), there or (), gone or ()) if _asks(name, "units") else None
        for answer, there, gone, name in rows
    ]


def expression_reward(
    completions: Sequence[Completion],
    expression: Sequence[str | None],
    task: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    """Whether each answer names the expression.

    Args:
        completions: the answers.
        expression: column: canonical names.
        task: column of `CHECKED`; "analysis" by default.

    Returns:
        1 or 0; None where the expression is not known or the task does not ask for it.
    """
    tasks = _tasks(task, completions)
    return [
        float(parse(text_of(answer)).expression == label)
        if label is not None and _asks(name, "expression")
        else None
        for answer, label, name in zip(completions, expression, tasks, strict=True)
    ]


def format_reward(
    completions: Sequence[Completion],
    task: Sequence[str] | None = None,
    *,
    max_words: int = 80,
    **_: Any,
) -> list[float | None]:
    """Whether each answer has the form that mien's models are taught.

    A third each for: it can be read; it begins with the label line of its task, and the words
    behind it name no other units (a choice from a list is the label alone); it has at most
    `max_words` words and explains where it should. Where it cannot be read, nothing else counts.

    Args:
        completions: the answers.
        task: column of `CHECKED`; "analysis" by default.
        max_words: a longer answer is too long.

    Returns:
        In [0, 1].
    """
    texts, tasks = map(text_of, completions), _tasks(task, completions)
    return [_form(text, name, max_words) for text, name in zip(texts, tasks, strict=True)]


def reasons_reward(
    completions: Sequence[Completion],
    present: Sequence[Iterable[int] | None],
    absent: Sequence[Iterable[int] | None],
    task: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    """1 / (1 + faults that `mien.language.check_reasons` finds), held to the labelled units.

    The expression is the one that the answer names, for a wrong one has its own reward. Units that
    the labels do not know are given the benefit of the doubt. Reasons without a unit are none,
    unless the face shows no unit or is called neutral.

    Args:
        completions: the answers.
        present: column: numbers of the units that the face shows.
        absent: column: numbers of those that it is known not to show.
        task: column of `CHECKED`; "analysis" by default.

    Returns:
        In [0, 1]; None where no unit is known or the task asks for no reasons.
    """
    tasks = _tasks(task, completions)
    rows = zip(completions, present, absent, tasks, strict=True)
    return [
        _reasons(text_of(answer), name, frozenset(there or ()), frozenset(gone or ()))
        if _asks(name, "reasons")
        else None
        for answer, there, gone, name in rows
    ]


REWARDS: tuple[Callable[..., list[float | None]], ...] = (
    au_f1_reward,
    expression_reward,
    format_reward,
    reasons_reward,
)
"""All of them, for `reward_funcs`."""


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the rewards read, from a row of `mien data build`.

    Args:
        row: with `task` and `labels`.
    """
    units = row["labels"]["action_units"] or ()
    return {
        "task": row["task"],
        "expression": row["labels"]["expression"],
        "present": [unit["au"] for unit in units if unit["present"]],
        "absent": [unit["au"] for unit in units if unit["present"] is False],
    }


def checkable(columns: Mapping[str, Any]) -> bool:
    """Whether the labels say something of what the task asks for; else form alone is rewarded."""
    parts = CHECKED.get(columns["task"], frozenset())
    units = bool(columns["present"] or columns["absent"])
    return ("expression" in parts and columns["expression"] is not None) or (
        "units" in parts and units
    )


def text_of(completion: Completion) -> str:
    """The words of an answer, or of the last message of a conversation."""
    if isinstance(completion, str):
        return completion
    content = (completion[-1].get("content") or "") if completion else ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content)


def _tasks(task: Sequence[str] | None, completions: Sequence[Completion]) -> Sequence[str]:
    return ["analysis"] * len(completions) if task is None else task


def _asks(task: str, part: str) -> bool:
    if task not in CHECKED:
        raise ValueError(f"task is {task!r}; the tasks with rewards are {', '.join(CHECKED)}")
    return part in CHECKED[task]


def _units(said: Parsed, there: Iterable[int], gone: Iterable[int]) -> float | None:
    score = score_rationale(said.units, there, gone)
    if not (there or gone):
        return None
    if not (said.units or said.absent):
        return 0.0
    nothing = not (score.hits or score.hallucinated or score.missed)
    return 1.0 if nothing else score.f1


def _form(text: str, task: str, max_words: int) -> float:
    said = parse(text)
    _asks(task, "units")
    if said.status != "ok":
        return 0.0
    line, words = _line(said, task), len(text.split())
    if task == "category":
        labelled = said.expression == text.strip(" .").lower()
    else:
        labelled = line is not None and text.startswith(line)
    explains = CHECKED[task] & {"reasons"}
    enough = words - len((line or "").split()) >= LEAST_WORDS if explains else words >= 1
    return (1 + labelled + (enough and words <= max_words)) / 3


def _line(said: Parsed, task: str) -> str | None:
    """How the answer should begin; None where the label that is asked for is missing."""
    if task in ("au_detection", "au_description"):
        return label_line(None, said.units)
    if task == "analysis":
        return label_line(said.expression, said.units) + "\n"
    return None if said.expression is None else label_line(said.expression, None)


def _reasons(text: str, task: str, there: frozenset[int], gone: frozenset[int]) -> float | None:
    if not (there or gone):
        return None
    said = parse(text)
    if said.status != "ok" or (there and not said.units and said.expression != "neutral"):
        return 0.0
    expression = None if task == "au_description" else said.expression
    unknown = set(said.units) - there - gone
    return 1 / (1 + len(check_reasons(text, expression, there | unknown)))
