"""Scores of single-label classification, over the fixed classes of the dataset.

An answer that could not be parsed is wrong, is counted, and is never left out: dropping it would
raise every score. A class that never occurs in the truth has no recall: it is NaN, stays out of
the mean and is listed in `Confusion.absent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of truth against prediction.

    Attributes:
        labels: the K classes, in order.
        matrix: (K, K) counts; rows are truth, columns are predictions.
        unparsed: (K,) answers by true class that name none of the K classes.
    """

    labels: tuple[str | int, ...]
    matrix: NDArray[np.int64]
    unparsed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        size = len(self.labels)
        if self.matrix.shape != (size, size):
            raise ValueError(f"matrix has shape {self.matrix.shape}, but there are {size} labels")
        if self.unparsed.size == 0:
            object.__setattr__(self, "unparsed", np.zeros(size, np.int64))
        if self.unparsed.shape != (size,):
            raise ValueError(f"unparsed has shape {self.unparsed.shape}, not ({size},)")

    @property
    def support(self) -> NDArray[np.int64]:
        """(K,) samples of each true class, parsed or not."""
        return self.matrix.sum(axis=1) + self.unparsed

    @property
    def absent(self) -> tuple[str | int, ...]:
        """Classes that never occur in the truth, which UAR and macro-F1 therefore leave out."""
        pairs = zip(self.labels, self.support, strict=True)
        return tuple(label for label, count in pairs if count == 0)

    @property
    def parse_rate(self) -> float:
        """Share of answers that name one of the classes; NaN without samples."""
        total = int(self.support.sum())
        return float(self.matrix.sum() / total) if total else float("nan")

    def parsed_only(self) -> Confusion:
        """The same counts without the unparsed answers, to be shown beside the strict ones."""
        return Confusion(self.labels, self.matrix)


def confusion(
    truth: Sequence[str | int] | NDArray,
    predicted: Sequence[str | int | None] | NDArray,
    labels: Sequence[str | int],
) -> Confusion:
    """Counts truth against predictions.

    Args:
        truth: N true classes, each one of `labels`.
        predicted: N answers; None, and whatever is not one of `labels`, is unparsed.
        labels: the dataset's K classes.

    Raises:
        ValueError: if lengths differ, labels repeat, or a true class is not one of the labels.
    """
    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} true classes, but {len(predicted)} predictions")
    index = {label: k for k, label in enumerate(labels)}
    if len(index) != len(labels):
        raise ValueError(f"labels repeat: {list(labels)}")
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    unparsed = np.zeros(len(labels), np.int64)
    for t, p in zip(_plain(truth), _plain(predicted), strict=True):
        if t not in index:
            raise ValueError(f"true class {t!r} is not one of {list(labels)}")
        row = index[t]
        if p in index:
            matrix[row, index[p]] += 1
        else:
            unparsed[row] += 1
    return Confusion(tuple(labels), matrix, unparsed)


def war(counts: Confusion) -> float:
    """Accuracy (weighted average recall) over all samples; NaN without samples."""
    total = int(counts.support.sum())
    return float(np.trace(counts.matrix) / total) if total else float("nan")


def uar(counts: Confusion) -> float:
    """Unweighted average recall over the classes that occur in the truth; NaN without samples."""
    return _mean(_recall(counts))


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one class; recall and F1 are NaN where the class never occurs in the truth."""

    recall: float
    precision: float
    f1: float
    support: int


def per_class(counts: Confusion) -> dict[str | int, ClassScores]:
    """Recall, precision, F1 and support of each class, in the order of the labels.

    Precision is NaN where the class was never predicted.
    """
    hits = np.diag(counts.matrix).astype(float)
    precision = _ratio(hits, counts.matrix.sum(axis=0))
    recall, f1 = _recall(counts), _f1(counts)
    return {
        label: ClassScores(
            float(recall[k]), float(precision[k]), float(f1[k]), int(counts.support[k])
        )
        for k, label in enumerate(counts.labels)
    }


def macro_f1(counts: Confusion) -> float:
    """Unweighted mean of F1 over the classes that occur in the truth; NaN without samples."""
    return _mean(_f1(counts))


def weighted_f1(counts: Confusion) -> float:
    """Mean of F1 weighted by support, as some papers report it; NaN without samples.

    It follows the frequent classes, so it stands beside macro-F1 and never in its place.
    """
    f1, support = _f1(counts), counts.support
    total = int(support.sum())
    return float(np.nansum(f1 * support) / total) if total else float("nan")


def majority_baseline(counts: Confusion) -> float:
    """Accuracy of always answering the most frequent true class; NaN without samples."""
    total = int(counts.support.sum())
    return float(counts.support.max() / total) if total else float("nan")


def _recall(counts: Confusion) -> NDArray[np.float64]:
    return _ratio(np.diag(counts.matrix), counts.support)


def _f1(counts: Confusion) -> NDArray[np.float64]:
    """(K,) 2TP / (2TP + FP + FN), which is 0 and not NaN where a true class is never predicted."""
    denominator = counts.support + counts.matrix.sum(axis=0)
    f1 = _ratio(2 * np.diag(counts.matrix), denominator)
    f1[counts.support == 0] = np.nan
    return f1


def _ratio(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    nan = np.full(len(numerator), np.nan)
    return np.divide(numerator, denominator, out=nan, where=np.asarray(denominator) > 0)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _plain(values: Sequence | NDArray) -> list:
    """Python values, so that a NumPy integer or string finds its label."""
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
