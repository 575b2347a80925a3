"""What a person looks like from frame to frame: colours of hair, face and collar, no identity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.faces.crop import cut
from mien.schema import Box

# Room around the face's box for hair and collar, over its width and height.
_SIDE, _ABOVE, _BELOW = 0.15, 0.35, 0.6
_GRID = (16, 24)
_ZONES = 3  # hair, face, collar
_LEVELS = 6


def appearance(image: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
    """Smoothed colour histograms of three zones around a face, as a vector of length 1.

    Good for telling the few people of one scene apart for some seconds, in the same light; it says
    nothing of who they are.

    Args:
        image: (H, W, 3) uint8, RGB.
        box: of the face, in pixels.
    """
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    left, top = round(x0 - _SIDE * w), round(y0 - _ABOVE * h)
    right, bottom = round(x1 + _SIDE * w), round(y1 + _BELOW * h)
    part = cut(image, left, top, max(right, left + 1), max(bottom, top + 1))
    small = np.asarray(Image.fromarray(part).resize(_GRID, Image.Resampling.BOX))
    pixels = small.reshape(_ZONES, -1, 3).astype(np.float32)  # (3, 128, 3)
    # Each value is shared by the two levels next to it, so that a little more light changes little.
    place = pixels / 255 * (_LEVELS - 1)
    low = np.minimum(place.astype(int), _LEVELS - 2)
    share = place - low
    found = np.zeros((_ZONES, 3, _LEVELS), np.float32)
    zone, _, channel = np.indices(low.shape)
    np.add.at(found, (zone, channel, low), 1 - share)
    np.add.at(found, (zone, channel, low + 1), share)
    return np.sqrt(found / found.sum()).ravel()


def unlikeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Hellinger distance of two appearances, in [0, 1]."""
    return float(np.sqrt(max(0.0, 1.0 - float(a @ b))))
