"""Batches of which nothing is left: no face was found, or every conversation is too long.

Their step goes on without them. All processes must go through the model alike, or those that share
it out would wait for each other for ever; so another batch is computed in their place, its loss
counts as nothing, and its targets are in no mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mien.train.rows import RowsError

LEFT_OUT = "left_out"
"""Key of a batch that is to be left out; it says why."""
NO_FACE = "no face is found in a whole batch; is `faces: find` right for these pictures?"
_TRIES = 1000


def nothing(why: str) -> dict[str, Any]:
    """What a collator gives where no item is left."""
    return {LEFT_OUT: why}


class StandIn:
    """Puts a batch in the place of those of which nothing is left.

    It is the first of some drawn visits of which something is left, as often as a batch is large: a
    function of data and seed alone, so that a run that goes on computes with the same.

    Args:
        items: what is visited.
        collator: items to a batch.
        size: items of a batch.
        seed: of the draw.
    """

    def __init__(
        self, items: Any, collator: Callable[[list[Any]], dict[str, Any]], *, size: int, seed: int
    ) -> None:
        self.items, self.collator, self.size, self.seed = items, collator, size, seed
        self._found: dict[str, Any] | None = None

    def __call__(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """A batch as it is, or another one, which is marked as left out.

        Raises:
            RowsError: if nothing is left of any visit that was tried.
        """
        why = batch.get(LEFT_OUT)
        if why is None:
            return batch
        if self._found is None:
            self._found = self._find(why)
        return {**self._found, LEFT_OUT: why}

    def _find(self, why: str) -> dict[str, Any]:
        order = np.random.default_rng(self.seed).permutation(len(self.items))[:_TRIES]
        for n in order.tolist():
            batch = self.collator([self.items[n]] * self.size)
            if LEFT_OUT not in batch:
                return batch
        raise RowsError(f"{why} ({len(order)} visits that were drawn are no better)")
