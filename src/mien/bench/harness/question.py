"""One question of a suite about one sample, with what is true: all that a score needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mien.bench.suite import ASKS_EXPRESSION, ASKS_UNITS, Kind, Suite, TaskSpec
from mien.bench.task_labels import (
    cluster_of,
    fold_of,
    may_ask,
    reference_text,
    true_expression,
    true_units,
)
from mien.language import label_line
from mien.sample import Sample
from mien.untrusted import json_value


class QuestionError(ValueError):
    """A row holds no question of this mien; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and the labels that its answer is held against.

    Attributes:
        id: of the sample and the task.
        suite, version, task, kind: where it comes from.
        prompt: the words that are sent, instructions first.
        prompt_hash: of the task, as `mien bench` reports it.
        first: labels are read from the answer's first sentence or line alone.
        label_set: key of `facs.LABEL_SETS`.
        expression: the true label; None where unlabelled.
        units: action units of the suite, in order.
        present: for each of them 1 present, 0 absent, None unknown.
        shared_units: those whose mean stands beside the full one; may be empty.
        metrics: figures that the task is scored by.
        reference: text to compare with, or None.
        valence, arousal: in [-1, 1], or None.
        cluster: subject, else clip, by which errors go together; None where unknown.
        fold: of cross-validation, or None.
    """

    id: str
    suite: str
    version: int
    task: str
    kind: Kind
    prompt: str
    prompt_hash: str
    first: bool
    label_set: str
    expression: str | None
    units: tuple[int, ...]
    present: tuple[int | None, ...]
    shared_units: tuple[int, ...]
    metrics: tuple[str, ...]
    reference: str | None
    valence: float | None
    arousal: float | None
    cluster: str | None
    fold: str | None

    @property
    def target(self) -> str:
        """The answer that a harness shows as the right one."""
        if self.kind == "expression":
            return self.expression or ""
        if self.kind == "au_detection":
            pairs = zip(self.units, self.present, strict=True)
            return label_line(None, {unit: None for unit, there in pairs if there})
        if self.kind == "valence_arousal":
            return f"valence {self.valence:g}, arousal {self.arousal:g}"
        return self.reference or ""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Question:
        """Reads what `to_json` wrote.

        Raises:
            QuestionError: if it is something else.
        """
        try:
            data = json_value(line)
            names = {f.name for f in fields(cls)}
            if set(data) != names:
                raise ValueError(f"it has the fields {sorted(data)}")
        except (TypeError, ValueError) as error:
            raise QuestionError(
                f"a row holds no question of this mien ({error}); write the data again with"
                " `python -m mien.bench.harness`"
            ) from None
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
        }
        return cls(**values)


_USUAL: Mapping[str, tuple[str, ...]] = {
    "expression": ("uar", "war", "macro_f1"),
    "au_detection": ("au_macro_f1", "au_micro_f1", "au_accuracy"),
    "expression_description": ("uar", "war", "rouge_l", "bleu"),
    "au_description": ("au_macro_f1", "au_micro_f1", "rouge_l", "bleu"),
    "reasoning": (
        *("uar", "war", "rationale_precision", "rationale_recall", "rationale_f1"),
        *("expression_match", "consistency", "rouge_l", "bleu"),
    ),
    "valence_arousal": ("ccc_valence", "ccc_arousal", "rmse_valence", "rmse_arousal"),
}


def metrics_of(task: TaskSpec, suite: Suite) -> tuple[str, ...]:
    """Figures of a task in a harness: the usual ones of its kind, and what its suite adds."""
    names = list(_USUAL[task.kind])
    if task.kind in ASKS_UNITS and suite.shared_units:
        names.append("au_shared_f1")
    if task.kind in ASKS_UNITS and suite.folds:
        names.append("au_fold_f1")
    if task.kind in ASKS_EXPRESSION and suite.folds:
        names += ["war_fold_mean", "uar_fold_mean"]
    if "rege" in task.metrics:
        names.append("rege")
    return (*names, "parse_rate")


def questions(sample: Sample, suite: Suite) -> dict[str, Question]:
    """Task to question, for the tasks whose labels the sample carries."""
    return {
        task.name: _question(task, sample, suite)
        for task in suite.tasks
        if may_ask(task, sample, suite)
    }


def _question(task: TaskSpec, sample: Sample, suite: Suite) -> Question:
    key = f"{sample.id}#{task.name}"
    truth = true_units(sample, suite.units, suite.threshold)
    subject, clip = cluster_of(sample)
    words = task.question(sample.attributes)
    return Question(
        id=key,
        suite=suite.name,
        version=suite.version,
        task=task.name,
        kind=task.kind,
        prompt=words if task.system is None else f"{task.system}\n\n{words}",
        prompt_hash=task.prompt_hash(),
        first=task.read == "first",
        label_set=suite.label_set,
        expression=true_expression(sample, suite),
        units=suite.units,
        present=tuple(None if there != there else int(there) for there in truth),
        shared_units=suite.shared_units,
        metrics=metrics_of(task, suite),
        reference=reference_text(task, sample, suite, key),
        valence=sample.valence,
        arousal=sample.arousal,
        cluster=subject if subject is not None else clip,
        fold=fold_of(sample, suite.folds) if suite.folds else None,
    )
