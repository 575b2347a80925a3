"""Bootstrap intervals of statistics that are functions of sums, for many items at once.

A draw with replacement is a weighting of the items by how often each was drawn, so a statistic
that depends on sums over items (accuracy, F1, correlations from moments, means) needs one matrix
product for all draws. `sums` has such sums for mien's metrics. The draws are those of `bootstrap`
for the same seed, so both give the same interval.

Groups (subjects, clips) are drawn whole, for frames of one person are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK = 4_000_000  # weights at a time, 32 MB as float64
_KEPT = 100_000_000  # draws that are kept for the next statistic, one byte each

Finish = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Sums (S, K) to a statistic (S,), or to M of them (S, M)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its percentile interval; both ends NaN where no draw defines it.

    Attributes:
        value: of the items as they are; NaN where undefined.
        low, high: ends of the interval.
        dropped: draws in which the statistic is undefined, left out of the interval.
        samples: all draws.
    """

    value: float
    low: float
    high: float
    dropped: int
    samples: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of one statistic between two sets of answers to the same items, first - second.

    Attributes:
        value, low, high, dropped, samples: as in `Estimate`.
        above: share of the defined draws in which it is above 0.
    """

    value: float
    low: float
    high: float
    dropped: int
    samples: int
    above: float


class Resampler:
    """Draws items, or groups of them, and computes statistics under all draws.

    Args:
        count: number of items N.
        groups: (N,) group of each item, drawn together; None draws items.
        samples: number of draws S.
        level: coverage in (0, 1).
        seed: the same seed gives the same draws.

    Raises:
        ValueError: without items, or if groups do not have N entries or one is None.
    """

    def __init__(
        self,
        count: int,
        *,
        groups: Sequence[Hashable] | NDArray | None = None,
        samples: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        if count < 1:
            raise ValueError("a bootstrap needs at least one sample")
        if groups is not None and len(groups) != count:
            raise ValueError(f"{len(groups)} groups for {count} samples")
        if groups is not None and any(g is None for g in groups):
            raise ValueError("a group is None; give each sample without one a group of its own")
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; it must lie between 0 and 1")
        self.count, self.samples, self.level, self.seed = count, samples, level, seed
        self._group: NDArray[np.int64] | None = None
        if groups is not None:
            _, self._group = np.unique(np.asarray(groups), return_inverse=True)
        self.groups = count if self._group is None else int(self._group.max()) + 1
        self._drawn: list[NDArray] | None = None

    def sums(self, stats: ArrayLike) -> NDArray[np.float64]:
        """Sums of the items' statistics under each draw.

        Args:
            stats: (N, K) or (N,); what is unknown must be 0 and be counted by another column.

        Returns:
            (S, K).

        Raises:
            ValueError: if there are not N rows, or a value is NaN or infinite.
        """
        by_group = self._by_group(stats)  # (G, K)
        sums = np.empty((self.samples, by_group.shape[1]))
        row = 0
        for drawn in self._draws():
            sums[row : row + len(drawn)] = drawn.astype(np.float64) @ by_group
            row += len(drawn)
        return sums

    def interval(self, stats: ArrayLike, finish: Finish) -> Estimate:
        """Value and interval of one statistic; `finish` maps (S, K) to (S,)."""
        return self.intervals(stats, lambda s: finish(s)[:, None])[0]

    def intervals(self, stats: ArrayLike, finish: Finish) -> list[Estimate]:
        """Values and intervals of M statistics of the same sums; `finish` maps (S, K) to (S, M)."""
        return self._estimates(finish(self._total(stats))[0], finish(self.sums(stats)))

    def difference(self, first: ArrayLike, second: ArrayLike, finish: Finish) -> Difference:
        """Interval of a difference on the same draws, which is paired: shared luck cancels.

        Args:
            first, second: (N, K) of the two models, row by row of the same items.
            finish: maps (S, K) to (S,).
        """
        value = finish(self._total(first))[0] - finish(self._total(second))[0]
        draws = finish(self.sums(first)) - finish(self.sums(second))
        return _difference(self._estimates(np.array([value]), draws[:, None])[0], draws)

    def weighted(self, statistic: Callable[[NDArray[np.float64]], NDArray]) -> Estimate:
        """Value and interval of a statistic of item weights, such as `weighted_auc(...)`.

        Its cost grows with items times draws, so take fewer draws for many items.

        Args:
            statistic: weights (B, N) to (B,).
        """
        draws = []
        for drawn in self._draws():
            step = max(1, _BLOCK // 4 // self.count)  # the statistic needs room of its own
            for start in range(0, len(drawn), step):
                part = drawn[start : start + step]
                spread = part if self._group is None else part[:, self._group]
                draws.append(statistic(spread.astype(np.float64)))
        value = statistic(np.ones((1, self.count)))
        return self._estimates(value, np.concatenate(draws)[:, None])[0]

    def _draws(self) -> Iterator[NDArray]:
        """Blocks (B, G) of how often each group is drawn, S rows in all."""
        if self._drawn is not None:
            yield from self._drawn
            return
        keep: list[NDArray] = []
        rng = np.random.default_rng(self.seed)
        step = max(1, _BLOCK // self.groups)
        for start in range(0, self.samples, step):
            rows = min(step, self.samples - start)
            block = np.empty((rows, self.groups), np.int32)
            for row in block:
                drawn = rng.integers(0, self.groups, self.groups)
                row[:] = np.bincount(drawn, minlength=self.groups)
            small = block.astype(np.uint8) if block.max() < 256 else block
            if self.samples * self.groups <= _KEPT:
                keep.append(small)
            yield small
        if keep:
            self._drawn = keep

    def _by_group(self, stats: ArrayLike) -> NDArray[np.float64]:
        """(G, K) sums within each group."""
        s = np.asarray(stats, np.float64)
        s = s[:, None] if s.ndim == 1 else s
        if s.ndim != 2 or len(s) != self.count:
            raise ValueError(f"stats have shape {s.shape}, not ({self.count}, K)")
        if not np.isfinite(s).all():
            raise ValueError("stats hold NaN or infinity; give 0 there and count it in a column")
        if self._group is None:
            return s
        return np.stack(
            [np.bincount(self._group, column, minlength=self.groups) for column in s.T], axis=1
        )

    def _total(self, stats: ArrayLike) -> NDArray[np.float64]:
        return self._by_group(stats).sum(axis=0, keepdims=True)

    def _estimates(self, values: NDArray, draws: NDArray) -> list[Estimate]:
        """An estimate for each of M values (M,) and its draws (S, M)."""
        tail = (1 - self.level) / 2
        found = []
        for value, column in zip(values.tolist(), draws.T, strict=True):
            known = column[~np.isnan(column)]
            low, high = np.quantile(known, (tail, 1 - tail)) if known.size else (np.nan, np.nan)
            dropped = len(column) - len(known)
            found.append(Estimate(value, float(low), float(high), dropped, len(column)))
        return found


def _difference(estimate: Estimate, draws: NDArray) -> Difference:
    known = draws[~np.isnan(draws)]
    above = float((known > 0).mean()) if known.size else float("nan")
    return Difference(
        estimate.value, estimate.low, estimate.high, estimate.dropped, estimate.samples, above
    )
