"""Scores of valence and arousal that were read from words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.bench.score.items import Items
from mien.bench.score.tally import Tally
from mien.metrics.sums import ccc_of, moment_sums, rmse_of


def valence_tally(items: Items) -> Tally:
    """CCC and RMSE of both, in which an answer that cannot be read stands for (0, 0).

    There is no distance to a missing answer. Left out, it would raise the score; the middle of the
    scale is what a model says that knows nothing, and gains no agreement.
    """
    said = np.where(np.isnan(items.said_va), 0.0, items.said_va)
    sums = np.concatenate([moment_sums(items.va[:, k], said[:, k]) for k in (0, 1)], axis=1)

    def finish(s: NDArray[np.float64]) -> NDArray[np.float64]:
        halves = s[:, :7], s[:, 7:]
        return np.stack([*(ccc_of(h) for h in halves), *(rmse_of(h) for h in halves)], axis=1)

    return Tally(("ccc_valence", "ccc_arousal", "rmse_valence", "rmse_arousal"), sums, finish)
