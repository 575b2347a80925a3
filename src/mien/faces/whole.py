"""The finder for pictures that are one face crop, such as those of FER2013 or RAF-DB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.faces.base import check_image
from mien.schema import Face


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
