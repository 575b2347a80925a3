"""Real and rendered faces side by side, for the multimodal stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .faces import Faces
from .joint import UnitEncoder, look
from .rendered import Rendered

SURE = 0.7
"""Presence probability from which a pseudo-label on a photograph counts, and below one less of
which the unit counts as absent; in between it is unknown."""


@dataclass(frozen=True)
class Pool:
    """Faces with what is known of each.

    Attributes:
        images: (N, 48, 48) uint8.
        labels: (N,) index into `CLASSES`, -1 where unknown.
        units: (N, 19) intensities in [0, 5], NaN where unknown.
        part: (N,) "fit", "select", ...
        real: (N,) whether the face is a photograph.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    units: NDArray[np.float32]
    part: NDArray[np.str_]
    real: NDArray[np.bool_]

    def where(self, part: str) -> NDArray[np.int64]:
        """Indices of one part."""
        return np.flatnonzero(self.part == part)


def pooled(faces: Faces, rendered: Rendered, network: UnitEncoder) -> Pool:
    """Both kinds of faces; the units of the real ones are what the network of stage 3 says."""
    _, presence, intensity = look(network, faces.images)
    return Pool(
        images=np.concatenate([faces.images, rendered.images]),
        labels=np.concatenate([faces.labels, rendered.labels]),
        units=np.concatenate([pseudo_units(presence, intensity), rendered.known()]),
        part=np.concatenate([faces.part, rendered.part]),
        real=np.arange(len(faces.images) + len(rendered.images)) < len(faces.images),
    )


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
