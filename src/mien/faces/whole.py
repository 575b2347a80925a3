"""The finder for pictures that are one face crop, such as those of FER2013 or RAF-DB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.faces.base import check_image
from mien.schema import Face

# Crops of faces are small and about square: those of public sets have 48 to 640 pixels.
_MOST_SIDE, _MOST_RATIO = 1024, 1.6


def can_be_whole(height: int, width: int) -> bool:
    """Whether a picture of this size may be one face crop."""
    short, long = sorted((height, width))
    return long <= _MOST_SIDE and long <= _MOST_RATIO * short


class WholeFinder:
    """Takes each picture as one face, without looking."""

    name = "whole"

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """One face whose box is the whole picture, (H, W, 3) uint8; `crop_face` knows it."""
        check_image(image)
        height, width = image.shape[:2]
        return [Face(box=(0.0, 0.0, float(width), float(height)), detection=None)]

    def close(self) -> None:
        """Holds nothing."""
