"""The protocol of a face finder, and the finders by name."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mien.schema import Face

FINDERS = ("mediapipe", "whole")


class FinderError(RuntimeError):
    """A face finder cannot start; the message names the remedy."""


@runtime_checkable
class Finder(Protocol):
    """Finds the faces of a picture.

    Attributes:
        name: as in `make_finder`.
    """

    name: str

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces of an upright RGB picture, (H, W, 3) uint8, largest first."""
        ...

    def close(self) -> None:
        """Frees what the finder holds; may be called twice."""
        ...


def make_finder(name: str) -> Finder:
    """Makes a finder by name.

    Args:
        name: "mediapipe", or "whole" for pictures that are one face crop each.

    Raises:
        ValueError: on another name.
        FinderError: if the finder cannot start.
        mien.weights.WeightsError: if its weights are missing or damaged.
    """
    from mien.faces.landmarker import MediaPipeFinder
    from mien.faces.whole import WholeFinder

    if name == "mediapipe":
        return MediaPipeFinder()
    if name == "whole":
        return WholeFinder()
    raise ValueError(f"unknown face finder {name!r}; known: {', '.join(FINDERS)}")


def check_image(image: NDArray[np.uint8]) -> None:
    """Raises a ValueError unless `image` is (H, W, 3) uint8 with pixels in it."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(
            f"image is {image.dtype} of shape {image.shape}, not uint8 (height, width, 3)"
        )
