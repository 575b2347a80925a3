"""Scores of expressions that were read from words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mien.bench.result import ClassRow, ConfusionTable
from mien.bench.score.items import Items
from mien.bench.score.tally import Tally
from mien.metrics import confusion, majority_class, per_class, prior_random_class
from mien.metrics.sums import class_sums, macro_f1_of, uar_of, war_of


def expression_tally(
    truth: Sequence[str | None], said: Sequence[str | None], labels: Sequence[str]
) -> Tally:
    """WAR, UAR and macro-F1; an answer of None is wrong.

    Args:
        truth: N true labels.
        said: N answers.
        labels: the suite's K classes.
    """
    sums = class_sums([str(t) for t in truth], list(said), list(labels))

    def finish(s: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([war_of(s), uar_of(s), macro_f1_of(s)], axis=1)

    return Tally(("war", "uar", "macro_f1"), sums, finish)


def expression_tables(
    items: Items, labels: Sequence[str]
) -> tuple[tuple[ClassRow, ...], ConfusionTable, tuple[str, ...], dict[str, Mapping[str, float]]]:
    """Per-class rows, the confusion, classes that never occur, and the baselines."""
    counts = confusion([str(t) for t in items.expressions], items.said_expression, list(labels))
    assert counts.support.sum() == len(items)  # nothing may leave the denominator
    rows = tuple(
        ClassRow(str(label), s.support, s.recall, s.precision, s.f1)
        for label, s in per_class(counts).items()
    )
    table = ConfusionTable(
        tuple(str(label) for label in counts.labels),
        tuple(tuple(row) for row in counts.matrix.tolist()),
        tuple(counts.unparsed.tolist()),
    )
    baselines: dict[str, Mapping[str, float]] = {}
    for name, b in (("majority", majority_class(counts)), ("random", prior_random_class(counts))):
        baselines[name] = {"war": b.war, "uar": b.uar, "macro_f1": b.macro_f1}
    return rows, table, tuple(str(label) for label in counts.absent), baselines
