"""What the losses of one optimiser step average over, on all devices and in all micro-batches.

A mean of means is not the mean: devices and micro-batches hold unequal numbers of answer tokens,
known expressions and known units. So the targets of a whole step are counted first, and every
batch divides its sums by these. Then N devices, or N micro-batches, learn what one large batch
would teach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer

COUNTED = ("text", "faces", "units", "soft_faces", "soft_units")
"""Order of the counts: learned tokens, faces, known units, and what a teacher speaks of."""


def count_targets(batch: Mapping[str, Any]) -> Tensor:
    """(5,) float32: how many targets of each kind a batch has.

    Args:
        batch: as `mien.train.collate` makes it: `labels` (T, L) with -100 where nothing is to be
            learned, `expression_targets` (B, E), `unit_targets` (B, U) NaN where unknown,
            `soft_expression` (B, E) and `soft_presence` (B, U) likewise. What is absent counts 0.
    """
    labels, faces = batch.get("labels"), batch.get("expression_targets")
    soft = batch.get("soft_expression")
    counts = [
        None if labels is None else labels[:, 1:] != -100,
        None if faces is None else torch.ones_like(faces[:, 0]),
        _known(batch.get("unit_targets")),
        None if soft is None else ~soft.isnan().any(-1),
        _known(batch.get("soft_presence")),
    ]
    device = next((count.device for count in counts if count is not None), None)
    zero = torch.zeros((), device=device)
    return torch.stack([zero if count is None else count.float().sum() for count in counts])


def _known(values: Tensor | None) -> Tensor | None:
    return None if values is None else ~values.isnan()


class CountingTrainer(Trainer):
    """A Trainer that hands its model the counts of a whole step as `num_items_in_batch`.

    The model divides its sums by them; Trainer multiplies the loss by the number of devices, whose
    gradients are averaged afterwards.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = True

    def _get_num_items_in_batch(
        self, batch_samples: Sequence[Mapping[str, Any]], device: torch.device
    ) -> Tensor:
        """(5,) the counts of these batches, summed over devices."""
        counts = torch.stack([count_targets(b).to(device) for b in batch_samples]).sum(0)
        if self.args.world_size > 1:
            counts = self.accelerator.reduce(counts, reduction="sum")
        return counts
