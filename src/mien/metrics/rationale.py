"""Scores of a rationale that need no judge: are the units that it names there, and do they fit?

The caller reads a text into sets of units and an expression; these functions compare them with the
labels, and with the combinations of `facs` where no label is needed. A text that could not be read
names nothing: it has no hits, misses all that is there, and is not consistent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien import facs


@dataclass(frozen=True, slots=True)
class RationaleScore:
    """One rationale against the labels of its face.

    Attributes:
        hits: units that it names and that are present.
        hallucinated: units that it names and that are labelled absent.
        unknown: units that it names and whose label is unknown; they count nowhere.
        missed: units that are present and that it does not name.
        match: whether it names the labelled expression; None where there is no such label.
        consistent: whether its units fit its own expression; None where that cannot be said.
    """

    hits: int
    hallucinated: int
    unknown: int
    missed: int
    match: bool | None
    consistent: bool | None

    @property
    def precision(self) -> float:
        """Share of the named units with a label that are present; NaN where none is named."""
        named = self.hits + self.hallucinated
        return self.hits / named if named else float("nan")

    @property
    def recall(self) -> float:
        """Share of the present units that it names; NaN where none is present."""
        present = self.hits + self.missed
        return self.hits / present if present else float("nan")

    @property
    def f1(self) -> float:
        """2 hits / (2 hits + hallucinated + missed); NaN where no unit is present or named."""
        total = 2 * self.hits + self.hallucinated + self.missed
        return 2 * self.hits / total if total else float("nan")


def score_rationale(
    named: Iterable[int] | None,
    present: Iterable[int],
    absent: Iterable[int],
    *,
    says: str | None = None,
    expression: str | None = None,
) -> RationaleScore:
    """Compares what a text says with the labels.

    Args:
        named: units that the text affirms; None where it could not be read.
        present, absent: units that the labels affirm and deny; all others are unknown.
        says: expression that the text names, canonical; None where it names none.
        expression: the labelled one, canonical; None where unknown.

    Raises:
        ValueError: if a unit is labelled both present and absent.
    """
    there, gone = frozenset(present), frozenset(absent)
    if both := sorted(there & gone):
        raise ValueError(f"AU{both[0]} is labelled both present and absent")
    units = frozenset(named or ())
    return RationaleScore(
        hits=len(units & there),
        hallucinated=len(units & gone),
        unknown=len(units - there - gone),
        missed=len(there - units),
        match=None if expression is None else named is not None and says == expression,
        consistent=False if named is None else consistent(says, units),
    )


def consistent(expression: str | None, named: Iterable[int]) -> bool | None:
    """Whether the units that a text names fit the expression that it names, by `facs` alone.

    They fit if some of them speak for it (`facs.supporting_units`) and none against it
    (`facs.units_against`); for "neutral" it is enough that none speaks against it. No label is
    needed, so a model may be consistent and wrong.

    Returns:
        None for an expression of which the sources give no signs, such as "other". False where no
        expression is named, or no unit that could be a sign: silence is not consistency.
    """
    units = frozenset(named)
    if expression is None:
        return False
    if units & facs.units_against(expression):
        return False
    if expression == "neutral":
        return True
    if not facs.prototypes_of(expression):
        return None
    return bool(facs.supporting_units(expression, units).units)


COLUMNS = (
    "hits", "hallucinated", "unknown", "missed", "fabricating", "matches", "matchable",
    "consistent", "judged", "texts",
)  # fmt: skip
"""Columns of `rationale_sums`."""


def rationale_sums(scores: Sequence[RationaleScore]) -> NDArray[np.float64]:
    """(N, 10) counts of each rationale, in the order of `COLUMNS`, for `Resampler`."""
    rows = [
        (
            s.hits,
            s.hallucinated,
            s.unknown,
            s.missed,
            s.hallucinated > 0,
            s.match is True,
            s.match is not None,
            s.consistent is True,
            s.consistent is not None,
            1,
        )
        for s in scores
    ]
    return np.array(rows, np.float64).reshape(-1, len(COLUMNS))


RATES = ("precision", "recall", "f1", "hallucination", "fabricating", "match", "consistency")
"""Columns of `rationale_rates`."""


def rationale_rates(sums: ArrayLike) -> NDArray[np.float64]:
    """Rates of summed counts.

    Args:
        sums: (S, 10), S sums of rows of `rationale_sums`.

    Returns:
        (S, 7) in [0, 1] in the order of `RATES`, NaN where undefined. Precision, recall and F1 are
        of all units of all texts; hallucination is 1 - precision; fabricating is the share of
        texts with at least one hallucinated unit.
    """
    column = dict(zip(COLUMNS, np.asarray(sums, np.float64).T, strict=True))
    hits, wrong, missed = column["hits"], column["hallucinated"], column["missed"]
    pairs = (
        (hits, hits + wrong),
        (hits, hits + missed),
        (2 * hits, 2 * hits + wrong + missed),
        (wrong, hits + wrong),
        (column["fabricating"], column["texts"]),
        (column["matches"], column["matchable"]),
        (column["consistent"], column["judged"]),
    )
    nan = np.full(len(hits), np.nan)
    return np.stack([np.divide(a, b, out=nan.copy(), where=b > 0) for a, b in pairs], axis=1)


@dataclass(frozen=True, slots=True)
class RationaleSummary:
    """A set of rationales.

    Attributes:
        precision, recall, f1, hallucination, fabricating, match, consistency: see
            `rationale_rates`.
        texts: all rationales.
        named: units named with a known label, over which precision is taken.
        present: labelled units, over which recall is taken.
        unknown: units named whose label is unknown.
        matchable, judged: rationales over which `match` and `consistency` are taken.
    """

    precision: float
    recall: float
    f1: float
    hallucination: float
    fabricating: float
    match: float
    consistency: float
    texts: int
    named: int
    present: int
    unknown: int
    matchable: int
    judged: int


def summarize_rationales(scores: Sequence[RationaleScore]) -> RationaleSummary:
    """Rates of a set of rationales, with the counts they are taken over."""
    sums = rationale_sums(scores).sum(axis=0)
    count = dict(zip(COLUMNS, sums.astype(int).tolist(), strict=True))
    rate = dict(zip(RATES, rationale_rates(sums[None])[0].tolist(), strict=True))
    return RationaleSummary(
        precision=rate["precision"],
        recall=rate["recall"],
        f1=rate["f1"],
        hallucination=rate["hallucination"],
        fabricating=rate["fabricating"],
        match=rate["match"],
        consistency=rate["consistency"],
        texts=count["texts"],
        named=count["hits"] + count["hallucinated"],
        present=count["hits"] + count["missed"],
        unknown=count["unknown"],
        matchable=count["matchable"],
        judged=count["judged"],
    )
