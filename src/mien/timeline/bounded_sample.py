"""A few of the things that a track brings, however long it is: evenly over it, or around its peak.

What is kept may be large (pictures of faces), so memory is bounded by `most` items a track.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Keeper(Protocol[Item]):
    """Keeps some of what it is given."""

    def wants(self, strength: float) -> bool:
        """Whether the next item would be kept; to be asked before each, once."""
        ...

    def add(self, item: Item) -> None:
        """Takes the item that was asked about."""
        ...

    def kept(self) -> list[Item]:
        """The items, in their order."""
        ...


class EvenlyKept(Keeper[Item]):
    """Items spread evenly over all that came.

    One of every so many is kept; when `2 * most` are there, every second one is dropped, and from
    then on one of twice as many is kept. Out of those the middles of `most` equal parts are given.
    However many came, the largest gap between two that are given is at most twice the smallest.

    Args:
        most: items to be given.

    Raises:
        ValueError: if `most` is below 1.
    """

    def __init__(self, most: int) -> None:
        self.most = _checked(most)
        self._items: list[Item] = []
        self._stride, self._seen = 1, 0

    def wants(self, strength: float = 0.0) -> bool:
        """Whether the next item would be kept; the strength does not matter."""
        self._seen += 1
        return (self._seen - 1) % self._stride == 0

    def add(self, item: Item) -> None:
        self._items.append(item)
        if len(self._items) > 2 * self.most:
            self._items = self._items[::2]
            self._stride *= 2

    def kept(self) -> list[Item]:
        """`most` items, or all where there are fewer, in their order."""
        count = len(self._items)
        if count <= self.most:
            return list(self._items)
        return [self._items[(2 * k + 1) * count // (2 * self.most)] for k in range(self.most)]


class KeptAroundPeak(Keeper[Item]):
    """Items in a row around the strongest: half of them before it, the others from it on.

    Where it stands near the start or the end, more are taken on its other side.

    Args:
        most: items to be given.

    Raises:
        ValueError: if `most` is below 1.
    """

    def __init__(self, most: int) -> None:
        self.most = _checked(most)
        self._last: deque[Item] = deque(maxlen=2 * most)
        self._around: list[Item] = []  # up to `most` before the peak, the peak, those behind it
        self._peak, self._place = -math.inf, 0
        self._strength = 0.0

    def wants(self, strength: float) -> bool:
        """True for every item, since the next may be the peak."""
        self._strength = -math.inf if math.isnan(strength) else strength
        return True

    def add(self, item: Item) -> None:
        self._last.append(item)
        if self._strength > self._peak or not self._around:
            self._peak = self._strength
            self._around = list(self._last)[-self.most - 1 :]
            self._place = len(self._around) - 1
        elif len(self._around) < self._place + self.most:
            self._around.append(item)

    def kept(self) -> list[Item]:
        """`most` items, or all where there are fewer, in their order."""
        start = max(0, self._place - self.most // 2)
        start = max(0, min(start, len(self._around) - self.most))
        return self._around[start : start + self.most]


def _checked(most: int) -> int:
    if most < 1:
        raise ValueError(f"{most} items are to be kept; ask for at least one")
    return most
