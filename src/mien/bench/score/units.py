"""Scores of action units that were read from words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mien.bench.result import Figure, UnitRow
from mien.bench.score.items import Items
from mien.bench.score.tally import Tally
from mien.bench.suite import Suite
from mien.metrics import always_on_f1, count_units, fold_mean_f1, unit_table
from mien.metrics.baselines import majority_f1, prior_random_f1
from mien.metrics.sums import unit_f1_of, unit_macro_f1_of, unit_micro_f1_of, unit_sums


def unit_tally(
    truth: NDArray[np.float64], said: NDArray[np.float64], units: Sequence[int], suite: Suite
) -> Tally:
    """Macro- and micro-F1, the mean over shared units, accuracy, and the F1 of each unit.

    An answer of NaN is wrong: a miss where the unit is present and a false alarm where it is
    absent, so that an answer that cannot be read is right nowhere, in accuracy neither.

    Args:
        truth: (N, A) 1 present, 0 absent, NaN unknown.
        said: (N, A) 1 present, 0 absent, NaN where there is no answer.
        units: the A units.
        suite: says which units are shared.
    """
    size = len(units)
    right, known = (truth == said).sum(axis=1), (~np.isnan(truth)).sum(axis=1)
    sums = np.concatenate(
        [unit_sums(truth, said), right[:, None].astype(float), known[:, None].astype(float)], axis=1
    )
    shared = [k for k, unit in enumerate(units) if unit in suite.shared_units]
    names = ["au_macro_f1", "au_micro_f1", "au_accuracy"]
    if shared:
        names.append("au_shared_f1")

    def finish(s: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = s[:, : 3 * size]
        total = s[:, -1]
        accuracy = np.divide(s[:, -2], total, out=np.full(len(s), np.nan), where=total > 0)
        columns = [unit_macro_f1_of(counts), unit_micro_f1_of(counts), accuracy]
        if shared:
            picked = [k + part * size for part in range(3) for k in shared]
            columns.append(unit_macro_f1_of(counts[:, picked]))
        return np.concatenate([np.stack(columns, axis=1), unit_f1_of(counts)], axis=1)

    return Tally((*names, *(f"au{unit}_f1" for unit in units)), sums, finish)


def unit_rows(
    items: Items,
    suite: Suite,
    figures: Mapping[str, Figure],
    numbers: Mapping[int, Mapping[str, float | None]],
) -> tuple[UnitRow, ...]:
    """A row for each unit, those that never occur included.

    Args:
        items: of the task.
        suite: says which units.
        figures: of `unit_tally`.
        numbers: unit to the scores of the model's numbers.
    """
    counts = count_units(items.units, items.said_units, suite.units)
    assert counts.known.sum() == (~np.isnan(items.units)).sum()  # every known label is counted
    folds: Mapping[int, float] = {}
    if items.folds:
        folds = fold_mean_f1(items.units, items.said_units, suite.units, items.folds)
    return tuple(
        UnitRow(
            au=row.unit,
            known=row.known,
            present=row.support,
            f1=row.f1,
            low=figures[f"au{row.unit}_f1"].low,
            high=figures[f"au{row.unit}_f1"].high,
            precision=row.precision,
            recall=row.recall,
            always_on=row.always_on,
            fold_mean=folds.get(row.unit),
            numbers=numbers.get(row.unit, {}),
        )
        for row in unit_table(counts)
    )


def unit_baselines(items: Items, suite: Suite) -> dict[str, dict[str, float]]:
    """Macro-F1 of answers that look at no face, and micro-F1 of always "present"."""
    counts = count_units(items.units, items.said_units, suite.units)
    present, known = counts.support.sum(), counts.known.sum()
    micro = float(2 * present / (present + known)) if present else float("nan")
    return {
        "always on": {"au_macro_f1": mean(always_on_f1(counts)), "au_micro_f1": micro},
        "majority": {"au_macro_f1": mean(majority_f1(counts))},
        "random": {"au_macro_f1": mean(prior_random_f1(counts))},
    }


def mean(values: Mapping[int, float]) -> float:
    """Mean of the values that are defined; NaN where none is."""
    known = [v for v in values.values() if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
