"""Figures as functions of sums over items: one form for values, intervals, groups, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.bench.result import Figure
from mien.metrics import Estimate, Resampler


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of each item, and the figures that follow from their sums.

    Attributes:
        names: of the M figures.
        sums: (N, K) counts or moments; an item that was not answered has those of a wrong answer.
        finish: sums (S, K) to figures (S, M), NaN where undefined.
    """

    names: tuple[str, ...]
    sums: NDArray[np.float64]
    finish: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def values(self, rows: NDArray[np.bool_] | None = None) -> dict[str, float]:
        """The figures over all items, or over some.

        Args:
            rows: (N,) True where an item counts.
        """
        sums = self.sums if rows is None else self.sums[rows]
        row = self.finish(sums.sum(axis=0, keepdims=True))[0]
        return dict(zip(self.names, row.tolist(), strict=True))

    def figures(self, resampler: Resampler) -> dict[str, Figure]:
        """The figures with their intervals."""
        estimates = resampler.intervals(self.sums, self.finish)
        return {n: _figure(e) for n, e in zip(self.names, estimates, strict=True)}

    def column(self, name: str) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """One figure as a function of sums, (S, K) to (S,)."""
        place = self.names.index(name)
        return lambda sums: self.finish(sums)[:, place]


def joined(*parts: Tally) -> Tally:
    """Several tallies of the same items as one.

    Raises:
        ValueError: if two have a figure of one name.
    """
    names = tuple(name for part in parts for name in part.names)
    if len(set(names)) != len(names):
        raise ValueError(f"figures repeat: {names}")
    ends = np.cumsum([part.sums.shape[1] for part in parts])[:-1]

    def finish(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        pieces = np.split(sums, ends, axis=1)
        done = [part.finish(piece) for part, piece in zip(parts, pieces, strict=True)]
        return np.concatenate(done, axis=1)

    return Tally(names, np.concatenate([part.sums for part in parts], axis=1), finish)


def _figure(estimate: Estimate) -> Figure:
    return Figure(estimate.value, estimate.low, estimate.high)
