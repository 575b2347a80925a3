"""Hard cuts of a video, found on colour histograms of small pictures."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

SMALL = (64, 36)  # width and height of the pictures that are compared
_BLOCKS = 3
_BINS = 16
# Of 299 cuts between pictures of one face each, 97 % differ by more; pans by a twentieth of the
# width a frame, zooms, noise and light that changes by 5 % reach 0.22 on photographs.
LEAST = 0.35
OVER_RECENT = 3.0
_MEMORY = 8


class CutDetector:
    """Says of each frame whether it follows a hard cut.

    A frame follows a cut where its histograms differ from the last frame's by at least `LEAST` and
    by `OVER_RECENT` times what the frames before it differed. Fades, dissolves and cuts between two
    views of the same colours are not found; a flash of light that fills the picture is taken for a
    cut.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._recent: deque[float] = deque(maxlen=_MEMORY)

    def step(self, small: NDArray[np.uint8]) -> bool:
        """Looks at the next frame.

        Args:
            small: (h, w, 3) uint8, the frame made small; any three channels, the same every time.
        """
        seen = _histograms(small)
        last, self._last = self._last, seen
        if last is None or last.shape != seen.shape:
            return False
        change = difference(last, seen)
        usual = float(np.mean(self._recent)) if self._recent else 0.0
        self._recent.append(change)
        cut = change >= max(LEAST, OVER_RECENT * usual)
        if cut:
            self._recent.clear()
        return cut


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Median over blocks of the share of pixels that changed their bin, in [0, 1]."""
    moved = np.abs(a - b).sum(-1) / 2  # (blocks, channels)
    return float(np.median(moved.max(-1)))


def _histograms(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(9, 3, 16): smoothed histograms of each channel in three by three blocks."""
    height, width = small.shape[:2]
    rows = np.linspace(0, height, _BLOCKS + 1).astype(int)
    columns = np.linspace(0, width, _BLOCKS + 1).astype(int)
    counts = np.zeros((_BLOCKS * _BLOCKS, 3, _BINS), np.float32)
    bins = small >> 4
    for block in range(_BLOCKS * _BLOCKS):
        y, x = divmod(block, _BLOCKS)
        part = bins[rows[y] : rows[y + 1], columns[x] : columns[x + 1]].reshape(-1, 3)
        for channel in range(3):
            counts[block, channel] = np.bincount(part[:, channel], minlength=_BINS)
    # Smoothed over neighbouring bins, so that a little more light does not move whole areas.
    wide = np.pad(counts, ((0, 0), (0, 0), (1, 1)), mode="edge")
    smooth = (wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]) / 4
    shares = smooth / np.maximum(smooth.sum(-1, keepdims=True), 1)
    return np.asarray(shares, np.float32)
