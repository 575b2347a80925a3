"""What a sample's labels say about a suite's tasks: what may be asked, and what is true."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mien import facs
from mien.bench.suite import ASKS_EXPRESSION, ASKS_UNITS, Suite, TaskSpec
from mien.data.folds import BP4D_PARTS, DISFA_PARTS
from mien.language import describe
from mien.sample import Sample
from mien.schema import ActionUnit


@dataclass(frozen=True, slots=True)
class Labels:
    """What is true of one sample, as far as a suite scores it.

    Attributes:
        expression: the label, if it is one of the suite's; else None.
        units: 1 present, 0 absent, NaN unknown, for each unit of the suite.
        intensities: in [0, 5], NaN where unknown, for each unit of the suite.
        present: units that are present, with their intensity where it is graded.
    """

    expression: str | None
    units: list[float]
    intensities: list[float]
    present: dict[int, float | None]

    @property
    def knows_units(self) -> bool:
        """Whether at least one unit is known."""
        return any(value == value for value in self.units)


def labels_of(sample: Sample, suite: Suite) -> Labels:
    """The labels of a sample that a suite scores."""
    truth = true_units(sample, suite.units, suite.threshold)
    grades = true_intensities(sample, suite.units)
    present = {
        unit: grade if grade > 0 else None
        for unit, is_there, grade in zip(suite.units, truth, grades, strict=True)
        if is_there == 1
    }
    return Labels(true_expression(sample, suite), truth, grades, present)


def true_expression(sample: Sample, suite: Suite) -> str | None:
    """The label, if it is one of the suite's; else None."""
    label = sample.expression.label if sample.expression is not None else None
    return label if label in facs.LABEL_SETS[suite.label_set] else None


def tasks_for(sample: Sample, suite: Suite) -> list[TaskSpec]:
    """The tasks for which the sample carries the labels that answers are held against."""
    labels = labels_of(sample, suite)
    return [task for task in suite.tasks if carries(task, sample, labels)]


def may_ask(task: TaskSpec, sample: Sample, suite: Suite) -> bool:
    """Whether the sample carries the labels that this task's answer is held against."""
    return carries(task, sample, labels_of(sample, suite))


def carries(task: TaskSpec, sample: Sample, labels: Labels) -> bool:
    """As `may_ask`, where the labels are at hand."""
    if task.kind == "valence_arousal":
        return sample.valence is not None and sample.arousal is not None
    if task.kind in ASKS_EXPRESSION and labels.expression is None:
        return False
    return labels.knows_units or task.kind not in (*ASKS_UNITS, "reasoning")


def true_units(sample: Sample, units: Sequence[int], threshold: float | None) -> list[float]:
    """1 present, 0 absent, NaN unknown, for each unit.

    A unit that is coded by side is present where one side shows it, and absent where both sides do
    not.

    Args:
        sample: with its labels.
        units: FACS numbers.
        threshold: intensity from which on a graded unit counts as present; None takes `present`.
    """
    by_unit: dict[int, list[ActionUnit]] = {}
    for unit in sample.action_units or ():
        by_unit.setdefault(unit.au, []).append(unit)
    return [_presence(by_unit.get(unit, []), threshold) for unit in units]


def true_intensities(sample: Sample, units: Sequence[int]) -> list[float]:
    """Intensity in [0, 5] of the stronger side, NaN where unknown, for each unit."""
    known: dict[int, float] = {}
    for unit in sample.action_units or ():
        if unit.intensity is not None:
            known[unit.au] = max(unit.intensity, known.get(unit.au, 0.0))
    return [known.get(unit, math.nan) for unit in units]


def reference_text(task: TaskSpec, sample: Sample, suite: Suite, item_id: str) -> str | None:
    """The text that an answer is compared with; see `reference_of`."""
    return reference_of(task, sample, labels_of(sample, suite), item_id)


def reference_of(task: TaskSpec, sample: Sample, labels: Labels, item_id: str) -> str | None:
    """The text that an answer is compared with; None for tasks without one.

    The dataset's own where it brings one (attribute "description"), else one that `describe` makes
    from the labels, the same for the same item on every machine.
    """
    if task.kind not in ("expression_description", "au_description", "reasoning"):
        return None
    own = sample.attributes.get("description")
    if isinstance(own, str) and own.strip():
        return own
    return describe(
        task.kind,
        expression=labels.expression,
        units=labels.present,
        rng=random.Random(item_id),
    )


def cluster_of(sample: Sample) -> tuple[str | None, str | None]:
    """Subject and clip of a sample, each None where the dataset does not say it."""
    clip = sample.attributes.get("clip") or sample.attributes.get("video")
    return sample.subject, str(clip) if clip is not None else None


def fold_of(sample: Sample, folds: str) -> str:
    """The fold of a sample; empty where it is in none.

    Args:
        sample: with its split and subject.
        folds: as in `Suite`.
    """
    if folds == "split":
        return sample.split or ""
    parts = {"bp4d": BP4D_PARTS, "disfa": DISFA_PARTS}.get(folds, ())
    places = (k for k, people in enumerate(parts, 1) if sample.subject in people)
    return next((f"part {k}" for k in places), "")


def group_value(attribute: str, attributes: Mapping[str, str | float]) -> str | None:
    """The group that a sample belongs to; ages and shares are put into bands; None if unlabelled.

    Ages are banded by decade pairs (0-19, 20-39, 40-59, 60+), other numbers by fifths of [0, 1].
    """
    value = attributes.get(attribute)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return None
    if attribute == "age":
        low = min(int(value) // 20 * 20, 60)
        return "60 and older" if low == 60 else f"{low} to {low + 19}"
    if 0 <= value <= 1 and not float(value).is_integer():
        fifth = min(int(value * 5), 4)
        return f"{fifth / 5:.1f} to {(fifth + 1) / 5:.1f}"
    return f"{value:g}"


def _presence(units: Sequence[ActionUnit], threshold: float | None) -> float:
    if len(units) == 1 and units[0].side == "both":  # as nearly all are
        return _side(units[0], threshold)
    sides = {unit.side: _side(unit, threshold) for unit in units}
    if any(value == 1 for value in sides.values()):
        return 1.0
    whole = "both" in sides or {"left", "right"} <= set(sides)
    return 0.0 if whole and all(value == 0 for value in sides.values()) else math.nan


def _side(unit: ActionUnit, threshold: float | None) -> float:
    if threshold is not None and unit.intensity is not None:
        return float(unit.intensity >= threshold)
    return math.nan if unit.present is None else float(unit.present)
