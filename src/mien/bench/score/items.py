"""A folder of answers put beside the labels: what each task's figures are computed from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.bench.answer_log import Record, StoreError, read_header, read_records
from mien.bench.run import RUN_FILE, item_id
from mien.bench.source import SAMPLES_FILE
from mien.bench.suite import ASKS_EXPRESSION, ASKS_UNITS, Suite, SuiteError, TaskSpec
from mien.bench.task_labels import (
    Labels,
    carries,
    cluster_of,
    fold_of,
    group_value,
    labels_of,
    reference_of,
)
from mien.sample import Sample
from mien.untrusted import read_json_object

STATUSES = ("ok", "unparsed", "failed", "no_face", "unreadable", "missing")


@dataclass(eq=False)
class Items:
    """The N items of one task with their answers, row by row.

    Attributes:
        task: what was asked.
        ids: of the items.
        texts: raw answers, empty where there is none.
        statuses: of `STATUSES`; "unparsed" is set when the texts are read.
        references: texts to compare with, None where the task has none.
        expressions: true labels, None where the task needs none.
        units: (N, A) 1 present, 0 absent, NaN unknown.
        intensities: (N, A) in [0, 5], NaN where unknown.
        va: (N, 2) true valence and arousal, NaN where unknown.
        folds: (N,) of each item, empty where the suite has none.
        said_expression: read labels, or None.
        said_units: (N, A) 1 present, 0 not, NaN where the answer says nothing about units.
        said_va: (N, 2), NaN where there is no answer.
        score_expression: class to probability of the model's numbers, or None.
        score_units: (N, A) probability of the model's numbers, NaN where it gives none.
        score_intensity: (N, A) likewise, in [0, 5].
        clusters: what the intervals draw, None for the items themselves.
        groups: attribute to the group of each item.
    """

    task: TaskSpec
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    references: list[str | None] = field(default_factory=list)
    expressions: list[str | None] = field(default_factory=list)
    folds: list[str] = field(default_factory=list)
    said_expression: list[str | None] = field(default_factory=list)
    score_expression: list[Mapping[str, float] | None] = field(default_factory=list)
    clusters: list[str] | None = None
    groups: dict[str, list[str | None]] = field(default_factory=dict)
    units: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    intensities: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    va: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    said_units: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    said_va: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    score_units: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    score_intensity: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ok(self) -> NDArray[np.bool_]:
        """(N,) True where the answer could be read."""
        return np.array([status == "ok" for status in self.statuses], bool)

    @property
    def asks_expression(self) -> bool:
        return self.task.kind in ASKS_EXPRESSION

    @property
    def asks_units(self) -> bool:
        return self.task.kind in ASKS_UNITS

    @property
    def has_numbers(self) -> bool:
        """Whether the model gave numbers beside its words, for at least one item."""
        some = bool(np.isfinite(self.score_units).any())
        return some or any(scores is not None for scores in self.score_expression)

    def count(self) -> dict[str, int]:
        """Status to number of items, in the order of `STATUSES`."""
        counts = Counter(self.statuses)
        return {status: counts[status] for status in STATUSES}


@dataclass(frozen=True)
class Run:
    """Everything that a folder of answers holds.

    Attributes:
        folder: where it is.
        header: of the answers.
        info: of `run.json`.
        suite: that was asked.
        samples: that were asked about.
        tasks: items of each task that has any.
        cluster: what intervals draw: "subject", "clip" or "item".
    """

    folder: Path
    header: dict[str, Any]
    info: dict[str, Any]
    suite: Suite
    samples: list[Sample]
    tasks: list[Items]
    cluster: str


def load_run(folder: Path) -> Run:
    """Reads a folder that `run_model` wrote.

    Raises:
        StoreError: if a file is missing or damaged.
    """
    header = _checked_header(folder)
    info = _read_json(folder / RUN_FILE)
    try:
        suite = Suite.from_dict(info["suite"])
        for name in ("settings", "versions", "data"):
            if not isinstance(info[name], dict):
                raise TypeError(f"{name} is no object")
    except (SuiteError, KeyError, TypeError) as error:
        raise StoreError(f"{folder / RUN_FILE}: damaged ({error}); run the suite again") from error
    if suite.hash() != header["suite"]["hash"]:
        raise StoreError(
            f"{folder / RUN_FILE}: its suite is not the one of the answers; run the suite again"
            " into another --out"
        )
    samples = _read_samples(folder / SAMPLES_FILE)
    records = {record.id: record for record in read_records(folder)}
    cluster, clusters = _clusters(samples)
    labels = [labels_of(sample, suite) for sample in samples]
    tasks = [
        items
        for task in suite.tasks
        if len(items := _items(task, suite, samples, labels, records, clusters, header["scoring"]))
    ]
    return Run(folder, header, info, suite, samples, tasks, cluster)


def _items(
    task: TaskSpec,
    suite: Suite,
    samples: list[Sample],
    labels: list[Labels],
    records: Mapping[str, Record],
    clusters: list[str] | None,
    scoring: str,
) -> Items:
    rows = [i for i, sample in enumerate(samples) if carries(task, sample, labels[i])]
    items = Items(task)
    truth, grades, va, given, strength = [], [], [], [], []
    for sample, truth_of in ((samples[i], labels[i]) for i in rows):
        key = item_id(sample, task)
        record = records.get(key) or Record(key, "failed", error="missing")
        items.ids.append(key)
        items.texts.append(_text(record, suite.options_of(task, scoring)))
        items.statuses.append("missing" if key not in records else record.status)
        items.references.append(reference_of(task, sample, truth_of, key))
        items.expressions.append(truth_of.expression)
        items.score_expression.append(record.expression)
        if suite.folds:
            items.folds.append(fold_of(sample, suite.folds))
        truth.append(truth_of.units)
        grades.append(truth_of.intensities)
        va.append([_known(sample.valence), _known(sample.arousal)])
        numbers = [(record.units or {}).get(str(u)) or (None, None) for u in suite.units]
        given.append([_known(n[0]) for n in numbers])
        strength.append([_known(n[1]) for n in numbers])
    shape = (len(rows), len(suite.units))
    items.units = np.array(truth, float).reshape(shape)
    items.intensities = np.array(grades, float).reshape(shape)
    items.va = np.array(va, float).reshape(-1, 2)
    items.score_units = np.array(given, float).reshape(shape)
    items.score_intensity = np.array(strength, float).reshape(shape)
    items.clusters = None if clusters is None else [clusters[i] for i in rows]
    items.groups = {
        name: [group_value(name, samples[i].attributes) for i in rows] for name in suite.groups
    }
    return items


def _text(record: Record, options: tuple[str, ...]) -> str:
    """The words of an answer; of scored options the likeliest one is what the model says."""
    if options and record.option_scores and set(record.option_scores) == set(options):
        best = max(record.option_scores.values())
        likeliest = [name for name, score in record.option_scores.items() if score == best]
        return likeliest[0] if len(likeliest) == 1 else ""
    return record.text or ""


def _clusters(samples: list[Sample]) -> tuple[str, list[str] | None]:
    """What intervals draw: subjects where all are known, else clips, else the items themselves."""
    pairs = [cluster_of(sample) for sample in samples]
    for place, name in enumerate(("subject", "clip")):
        known = [pair[place] for pair in pairs]
        if all(value is not None for value in known):
            return name, [str(value) for value in known]
    return "item", None


def _checked_header(folder: Path) -> dict[str, Any]:
    header = read_header(folder)
    kinds = {"suite": dict, "model": str, "identity": dict, "crop": dict}
    wrong = [name for name, kind in kinds.items() if not isinstance(header.get(name), kind)]
    if wrong or not isinstance(header["suite"].get("hash"), str):
        raise StoreError(
            f"{folder}: the first line of its answers has no sound {wrong[0] if wrong else 'hash'};"
            " run the suite again into another --out"
        )
    return header


def _read_samples(path: Path) -> list[Sample]:
    try:
        with path.open(encoding="utf-8") as file:
            return [Sample.from_json(line) for line in file]
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); run the suite again") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path, remedy="run the suite again")
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); run the suite again") from error


def _known(value: float | None) -> float:
    return math.nan if value is None else value
