"""What the Trainer draws from: rows by index; whole batches are made in the collators."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


class Rows(torch.utils.data.Dataset[tuple[int, bool]]):
    """Row numbers, each with whether its batch is to be augmented.

    Args:
        indices: rows of `Faces`.
        train: augment.
    """

    def __init__(self, indices: NDArray[np.int64], *, train: bool):
        self.indices, self.train = indices, train

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> tuple[int, bool]:
        return int(self.indices[i]), self.train
