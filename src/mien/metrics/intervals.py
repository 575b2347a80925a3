"""Bootstrap intervals, over samples or over the groups (subjects, clips) that they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Interval(NamedTuple):
    """A percentile interval."""

    low: float
    high: float


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    count: int,
    *,
    groups: Sequence[str | int] | None = None,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of a statistic.

    Args:
        statistic: of an array of sample indices (with repeats).
        count: number of samples N.
        groups: (N,) whose samples are drawn together, for frames of one clip or subject.
        samples: bootstrap draws.
        level: coverage in (0, 1).
        seed: the same seed gives the same interval.

    Raises:
        ValueError: without samples, or if groups do not have N entries.
    """
    if count < 1:
        raise ValueError("a bootstrap needs at least one sample")
    if groups is None:
        members = [np.array([i]) for i in range(count)]
    else:
        if len(groups) != count:
            raise ValueError(f"{len(groups)} groups for {count} samples")
        _, inverse = np.unique(np.asarray(groups), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        members = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    rng = np.random.default_rng(seed)
    values = np.empty(samples)
    for k in range(samples):
        drawn = rng.integers(0, len(members), len(members))
        rows = drawn if groups is None else np.concatenate([members[i] for i in drawn])
        values[k] = statistic(rows)
    tail = (1 - level) / 2
    return Interval(float(np.nanquantile(values, tail)), float(np.nanquantile(values, 1 - tail)))
