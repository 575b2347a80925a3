"""How good an answer is, checked against the labels of its face: the reward of GRPO.

Facial-R1 (arXiv 2511.10254) rewards action units, expression and format; UniFER (arXiv
2511.00389) expression and format. Answers are read here by `mien.language.parse`. Facial-R1 gives
2 F1 - 1 for units, -1 where none is named and 0 where the face shows none, even to an answer that
names some. Here every part is in [0, 1], and an answer about a face without units is right if it
says that there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from mien.language import Task, check_reasons, label_line, parse
from mien.language.parse import Parsed

RewardTask = Task | Literal["category"]
"""The tasks of `mien.language`, and a choice from a closed list."""

PARTS: dict[RewardTask, tuple[str, ...]] = {
    "analysis": ("units", "expression", "format", "reasons"),
    "category": ("expression", "format"),
    "expression": ("expression", "format"),
    "expression_description": ("expression", "format", "reasons"),
    "au_detection": ("units", "format"),
    "au_description": ("units", "format", "reasons"),
    "reasoning": ("expression", "format", "reasons"),
    "conversation": ("expression", "format"),
}
"""What is checked of the answer to each task. Units are checked only where all are asked for."""

LEAST_WORDS = 4
"""Words that an explanation has at least, behind the label."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a face.

    Attributes:
        expression: canonical name; None where unknown.
        units: whether each known unit is present; unknown units are left out.
    """

    expression: str | None
    units: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """How much each part counts; the reward is their weighted mean over the parts that apply.

    Attributes:
        units: F1 of the named units.
        expression: whether the expression is right.
        format: whether the answer can be read, begins with its label and ends in time.
        reasons: whether what the words say about the units is true; 0 leaves it out.
    """

    units: float = 1.0
    expression: float = 1.0
    format: float = 0.5
    reasons: float = 0.0

    def __post_init__(self) -> None:
        weights = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"rewards.{name} is {weight}; give a weight of 0 or more")
        if not any(weights.values()):
            raise ValueError("all weights in rewards are 0; give at least one part a weight")


@dataclass(frozen=True, slots=True)
class Reward:
    """Reward of one answer.

    Attributes:
        total: in [0, 1]; None where nothing that the task asks for is known or has a weight.
        parts: each part that applies, in [0, 1].
    """

    total: float | None
    parts: Mapping[str, float]


def reward(
    text: str,
    task: RewardTask,
    truth: Truth,
    weights: RewardWeights,
    *,
    finished: bool = True,
    max_words: int = 80,
) -> Reward:
    """Reward of an answer.

    Args:
        text: the answer, all of it written by the model.
        task: what was asked.
        truth: labels of the face.
        weights: of the parts. A part of weight 0 is given too, but does not count.
        finished: whether the model ended its answer itself.
        max_words: a longer answer is too long.
    """
    parsed = parse(text)
    parts: dict[str, float] = {}
    for name in PARTS[task]:
        value: float | None
        if name == "units":
            value = units_reward(parsed, truth)
        elif name == "expression":
            value = expression_reward(parsed, truth)
        elif name == "reasons":
            value = reasons_reward(text, parsed, task, truth)
        else:
            value = format_reward(text, parsed, task, finished=finished, max_words=max_words)
        if value is not None:
            parts[name] = value
    counted = {name: getattr(weights, name) for name in parts if getattr(weights, name) > 0}
    checked = {name for name in PARTS[task] if getattr(weights, name) > 0} - {"format"}
    if not counted or (checked and not checked & set(counted)):
        return Reward(None, parts)  # of a face without labels, only form could be learned
    total = sum(counted.values())
    return Reward(sum(parts[name] * w for name, w in counted.items()) / total, parts)


def units_reward(parsed: Parsed, truth: Truth) -> float | None:
    """F1 of the set of named units over the units whose label is known.

    Units without a label are neither hits nor false alarms. An answer that says nothing of units
    has 0, also where the face shows none; one that rightly says that there are none has 1.

    Returns:
        In [0, 1]; None where no unit is known.
    """
    if not truth.units:
        return None
    if parsed.status != "ok" or not (parsed.units or parsed.absent):
        return 0.0
    named = set(parsed.units) & set(truth.units)
    present = {unit for unit, there in truth.units.items() if there}
    if not named and not present:
        return 1.0
    return 2 * len(named & present) / (len(named) + len(present))


def expression_reward(parsed: Parsed, truth: Truth) -> float | None:
    """1 if the answer names the expression, 0 if not or if it cannot be read; None if unknown."""
    if truth.expression is None:
        return None
    return float(parsed.status == "ok" and parsed.expression == truth.expression)


def format_reward(
    text: str, parsed: Parsed, task: RewardTask, *, finished: bool, max_words: int
) -> float:
    """Mean of three things that are each 0 or 1: it parses, begins with its label, has its length.

    The label is the line that `mien.language.describe` begins the task's answers with, made from
    what the whole answer says; so a unit that only the explanation names is a fault too. A choice
    from a list is the label alone.
    """
    if parsed.status != "ok":
        return _length(text, "", task, finished, max_words) / 3
    line = _line(parsed, task)
    if task == "category":
        labelled = parsed.expression == text.strip(" .").lower()
    else:
        labelled = line is not None and text.startswith(line)
    return (1.0 + float(labelled) + _length(text, line or "", task, finished, max_words)) / 3


def reasons_reward(text: str, parsed: Parsed, task: RewardTask, truth: Truth) -> float | None:
    """1 / (1 + faults) of `check_reasons`, held to the units of the labels.

    The expression is the one that the answer names, for a wrong one has its own part. Units that
    the labels do not know are given the benefit of the doubt. Reasons without a unit are none,
    unless the face shows no unit or is called neutral.

    Returns:
        In [0, 1]; None where no unit is known.
    """
    if not truth.units:
        return None
    if parsed.status != "ok":
        return 0.0
    present = {unit for unit, there in truth.units.items() if there}
    if present and not parsed.units and parsed.expression != "neutral":
        return 0.0
    expression = None if task in ("au_detection", "au_description") else parsed.expression
    unknown = set(parsed.units) - set(truth.units)
    return 1 / (1 + len(check_reasons(text, expression, present | unknown)))


def _line(parsed: Parsed, task: RewardTask) -> str | None:
    """How the answer should begin; None where the label that is asked for is missing."""
    if task in ("au_detection", "au_description"):
        return label_line(None, parsed.units)
    if task == "analysis":
        return label_line(parsed.expression, parsed.units) + "\n"
    return None if parsed.expression is None else label_line(parsed.expression, None)


def _length(text: str, line: str, task: RewardTask, finished: bool, max_words: int) -> float:
    """1 if the answer ends by itself, is not too long and explains where it should."""
    words = len(text.split())
    if task in ("category", "expression", "au_detection", "conversation"):
        explained = words >= 1
    else:
        explained = words - len(line.split()) >= LEAST_WORDS
    return float(finished and words <= max_words and explained)
