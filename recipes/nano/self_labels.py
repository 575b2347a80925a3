"""Units of photographs as the network of stage 3 says them, where it is sure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SURE = 0.7
"""Presence probability from which a pseudo-label on a photograph counts, and below one less of
which the unit counts as absent; in between it is unknown."""


def pseudo_units(
    presence: NDArray[np.float32], intensity: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Intensities where the network is sure, 0 where it is sure of absence, else NaN.

    Args:
        presence: (N, 19) probabilities.
        intensity: (N, 19) in [0, 5].
    """
    units = np.full(presence.shape, np.nan, np.float32)
    units[presence <= 1 - SURE] = 0
    present = presence >= SURE
    units[present] = intensity[present].clip(1, 5)
    return units
