"""Scores of action unit detection: per-unit F1 over frames, its means, AUC and a baseline.

A label of NaN is unknown and stays out of that unit's counts. An answer of NaN could not be had and
is wrong: a miss where the unit is present, a false alarm where it is absent. A unit that is never
present in the truth has no F1: it is NaN, stays out of the mean and is listed in `undefined`.
Macro- and micro-F1 are different numbers, and so are F1 of pooled folds and the mean over folds.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class UnitCounts:
    """Counts of each unit.

    Attributes:
        units: the A action units, in order.
        hits, false_alarms, misses, rejections: (A,) true and false positives, false and true
            negatives.
        unanswered: (A,) known labels without an answer; each is also a miss or a false alarm.
    """

    units: tuple[int, ...]
    hits: NDArray[np.int64]
    false_alarms: NDArray[np.int64]
    misses: NDArray[np.int64]
    rejections: NDArray[np.int64]
    unanswered: NDArray[np.int64]

    @property
    def support(self) -> NDArray[np.int64]:
        """(A,) frames where the unit is present."""
        return self.hits + self.misses

    @property
    def known(self) -> NDArray[np.int64]:
        """(A,) frames where the label is known."""
        return self.support + self.false_alarms + self.rejections

    @property
    def undefined(self) -> tuple[int, ...]:
        """Units that are never present in the truth, which macro-F1 therefore leaves out."""
        return tuple(u for u, n in zip(self.units, self.support, strict=True) if n == 0)

    @property
    def answer_rate(self) -> float:
        """Share of known labels that got an answer; NaN without labels."""
        total = int(self.known.sum())
        return 1 - float(self.unanswered.sum() / total) if total else float("nan")


def count_units(truth: ArrayLike, predicted: ArrayLike, units: Sequence[int]) -> UnitCounts:
    """Counts hits and errors of each unit.

    Args:
        truth: (N, A) 1 present, 0 absent, NaN unknown.
        predicted: (N, A) 1 present, 0 absent, NaN where there is no answer.
        units: the A action units.

    Raises:
        ValueError: if shapes do not fit, units repeat, or a value is not 0, 1 or NaN.
    """
    t, p = _table("truth", truth, units), _table("predicted", predicted, units)
    if t.shape != p.shape:
        raise ValueError(f"truth has shape {t.shape}, but predicted {p.shape}")
    for name, values in (("truth", t), ("predicted", p)):
        bad = values[~np.isnan(values) & (values != 0) & (values != 1)]
        if bad.size:
            raise ValueError(f"{name} holds {bad[0]:g}; it must be 0, 1 or NaN (threshold first)")
    none = np.isnan(p)
    counts = (
        (t == 1) & (p == 1),
        (t == 0) & ((p == 1) | none),
        (t == 1) & ((p == 0) | none),
        (t == 0) & (p == 0),
        ~np.isnan(t) & none,
    )
    return UnitCounts(tuple(units), *(c.sum(axis=0).astype(np.int64) for c in counts))


def unit_f1(counts: UnitCounts) -> dict[int, float]:
    """F1 of each unit, 2TP / (2TP + FP + FN); NaN where the unit is never present."""
    f1 = _f1(counts.hits, counts.false_alarms, counts.misses)
    return dict(zip(counts.units, f1.tolist(), strict=True))


def unit_macro_f1(counts: UnitCounts) -> float:
    """Unweighted mean of F1 over the units that occur; NaN if none does."""
    return _mean(np.array(list(unit_f1(counts).values())))


def unit_micro_f1(counts: UnitCounts) -> float:
    """F1 of the counts summed over units; NaN if no unit is ever present."""
    sums = (counts.hits.sum(), counts.false_alarms.sum(), counts.misses.sum())
    return float(_f1(*(np.array([s]) for s in sums))[0])


def always_on_f1(counts: UnitCounts) -> dict[int, float]:
    """F1 of always answering "present", 2p / (1 + p) at base rate p; NaN where never present."""
    f1 = _f1(counts.support, counts.known - counts.support, np.zeros_like(counts.support))
    return dict(zip(counts.units, f1.tolist(), strict=True))


def fold_mean_f1(
    truth: ArrayLike, predicted: ArrayLike, units: Sequence[int], folds: Sequence[Hashable]
) -> dict[int, float]:
    """Mean over folds of each unit's F1, over the folds in which it occurs.

    To be reported beside the F1 of the pooled folds, from which it can differ much.

    Args:
        truth, predicted, units: as for `count_units`.
        folds: (N,) fold of each frame.

    Raises:
        ValueError: as `count_units`, or if folds do not have N entries.
    """
    t, p = _table("truth", truth, units), _table("predicted", predicted, units)
    if len(folds) != len(t):
        raise ValueError(f"{len(folds)} folds for {len(t)} frames")
    rows: dict[Hashable, list[int]] = {}
    for row, fold in enumerate(folds):
        rows.setdefault(fold, []).append(row)
    per_fold = [unit_f1(count_units(t[r], p[r], units)) for r in rows.values()]
    return {u: _mean(np.array([f1[u] for f1 in per_fold], np.float64)) for u in units}


def unit_auc(truth: ArrayLike, scores: ArrayLike, units: Sequence[int]) -> dict[int, float]:
    """Area under the ROC curve of each unit, by ranks; a tie counts half.

    Args:
        truth: (N, A) 1 present, 0 absent, NaN unknown.
        scores: (N, A), higher where present; a NaN loses each of its comparisons.
        units: the A action units.

    Returns:
        Share of (present, absent) pairs in the right order; NaN where one of the two never occurs.

    Raises:
        ValueError: if shapes do not fit or units repeat.
    """
    t, s = _table("truth", truth, units), _table("scores", scores, units)
    if t.shape != s.shape:
        raise ValueError(f"truth has shape {t.shape}, but scores {s.shape}")
    return {unit: _auc(t[:, k], s[:, k]) for k, unit in enumerate(units)}


def _auc(truth: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    pairs = int((truth == 1).sum()) * int((truth == 0).sum())
    if not pairs:
        return float("nan")
    scored = ~np.isnan(scores)
    present, absent = scores[scored & (truth == 1)], np.sort(scores[scored & (truth == 0)])
    below = np.searchsorted(absent, present, side="left")
    not_above = np.searchsorted(absent, present, side="right")
    return float((below + not_above).sum() / 2 / pairs)


def _f1(hits: NDArray, false_alarms: NDArray, misses: NDArray) -> NDArray[np.float64]:
    nan = np.full(len(hits), np.nan)
    return np.divide(2 * hits, 2 * hits + false_alarms + misses, out=nan, where=hits + misses > 0)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _table(name: str, values: ArrayLike, units: Sequence[int]) -> NDArray[np.float64]:
    """(N, A) floats."""
    table = np.asarray(values, np.float64)
    if len(set(units)) != len(units):
        raise ValueError(f"units repeat: {list(units)}")
    if table.ndim != 2 or table.shape[1] != len(units):
        raise ValueError(f"{name} has shape {table.shape}, not (N, {len(units)})")
    return table
