"""The order of visits, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from mien.train.items import TrainItems
from mien.train.seeding import draw

_BATCHES = 50


class VisitSampler(torch.utils.data.Sampler[int]):
    """Yields the numbers of an epoch's visits in an order that (seed, epoch) fixes.

    With a length-grouped order, visits of like length stand together: pieces of fifty batches are
    sorted, and the batches are then shuffled, the longest first, so that memory that does not
    suffice shows at once.

    Args:
        items: what is visited.
        seed: of the order.
        batch_size: visits in a batch over all devices; needed for grouping.
        group_by_length: put visits of like length together.
    """

    def __init__(
        self,
        items: TrainItems,
        *,
        seed: int = 0,
        batch_size: int = 1,
        group_by_length: bool = False,
    ) -> None:
        self.items, self.seed, self.epoch = items, seed, 0
        self.batch_size, self.group_by_length = batch_size, group_by_length

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration is of, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng(int(draw(self.seed, self.epoch, "pass")))
        order = rng.permutation(len(self.items))
        if self.group_by_length:
            order = self._grouped(order, rng)
        yield from (order + self.epoch * len(self.items)).tolist()

    def _grouped(self, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        lengths = self.items.lengths(self.epoch)
        piece = self.batch_size * _BATCHES
        batches: list[np.ndarray] = []
        for start in range(0, len(order), piece):
            part = order[start : start + piece]
            part = part[np.argsort(-lengths[part], kind="stable")]
            batches += [part[k : k + self.batch_size] for k in range(0, len(part), self.batch_size)]
        # A last batch that is not full stays the last, or the others would be cut elsewhere.
        rest = batches.pop() if len(batches[-1]) < self.batch_size else np.empty(0, order.dtype)
        if batches:
            longest = max(range(len(batches)), key=lambda k: lengths[batches[k]].max())
            first = batches.pop(longest)
            shuffled = [batches[k] for k in rng.permutation(len(batches))]
            batches = [first, *shuffled]
        return np.concatenate([*batches, rest])
