"""Scores of descriptions and rationales: overlap with the reference, and what they claim."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.bench.score.items import Items
from mien.bench.score.reading import Overlap
from mien.bench.score.tally import Tally
from mien.bench.suite import Suite
from mien.metrics import score_rationale, wording
from mien.metrics.bleu import bleu_of
from mien.metrics.rationale import RATES, rationale_rates, rationale_sums
from mien.metrics.sums import mean_of, mean_sums

_RATIONALE = {
    "precision": "rationale_precision",
    "recall": "rationale_recall",
    "f1": "rationale_f1",
    "hallucination": "hallucination",
    "fabricating": "fabricating",
    "match": "expression_match",
    "consistency": "consistency",
}


def text_tally(overlaps: Sequence[Overlap]) -> Tally:
    """ROUGE-L, corpus BLEU and words per answer; a missing answer overlaps in nothing."""
    rouge = mean_sums([o.rouge for o in overlaps])
    length = mean_sums([float(o.length) for o in overlaps])
    bleu = np.stack([o.bleu for o in overlaps])

    def finish(s: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([mean_of(s[:, :2]), bleu_of(s[:, 4:]), mean_of(s[:, 2:4])], axis=1)

    return Tally(("rouge_l", "bleu", "words"), np.concatenate([rouge, length, bleu], 1), finish)


def rege_tally(recognition: Tally, figure: str, overlaps: Sequence[Overlap]) -> Tally:
    """REGE: 100 x recognition + 100 x ROUGE-L by the rule of its publication, from 0 to 200.

    An answer that was not given scores 0 in both parts; one that has no score by that rule is left
    out of the second part, as there.

    Args:
        recognition: the tally that holds `figure`.
        figure: "war" for the emotion task, "au_macro_f1" for that of action units.
        overlaps: of the N answers.
    """
    scores = [0.0 if o.length == 0 else o.emola for o in overlaps]
    generation = mean_sums(scores)
    recognize = recognition.column(figure)
    width = recognition.sums.shape[1]

    def finish(s: NDArray[np.float64]) -> NDArray[np.float64]:
        return (100 * (recognize(s[:, :width]) + mean_of(s[:, width:])))[:, None]

    return Tally(("rege",), np.concatenate([recognition.sums, generation], axis=1), finish)


def rationale_tally(items: Items, suite: Suite) -> Tally:
    """How far the units of a rationale are there, and fit the expression that it names."""
    scores = []
    for row in range(len(items)):
        said = items.said_units[row]
        named = None
        if items.statuses[row] == "ok":
            named = [u for u, value in zip(suite.units, said, strict=True) if value == 1]
        truth = items.units[row]
        scores.append(
            score_rationale(
                named,
                [u for u, value in zip(suite.units, truth, strict=True) if value == 1],
                [u for u, value in zip(suite.units, truth, strict=True) if value == 0],
                says=items.said_expression[row],
                expression=items.expressions[row],
            )
        )
    return Tally(tuple(_RATIONALE[name] for name in RATES), rationale_sums(scores), rationale_rates)


def variety(items: Items) -> dict[str, float]:
    """Distinct-1 and distinct-2 of all answers together, which have no interval."""
    found = wording(items.texts)
    return {"distinct_1": found.distinct_1, "distinct_2": found.distinct_2}
