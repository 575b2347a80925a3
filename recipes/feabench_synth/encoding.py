"""How the benchmark's pictures are compressed, and how near to the render they stay."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.synth.feabench import decode_picture

QUALITIES = (75, 80, 85, 90, 95)
NEAR = 36.5
"""Decibels of PSNR that each stored picture keeps at least to its render."""
STEP = 13
"""Grey levels between the values of a picture that is kept without further loss."""


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two pictures in decibels; infinite where they are equal.

    Args:
        first, second: (H, W, 3) uint8.
    """
    if first.shape != second.shape:
        raise ValueError(f"pictures of shapes {first.shape} and {second.shape} cannot be compared")
    error = float(np.square(first.astype(np.float64) - second).mean())
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def encode(image: NDArray[np.uint8]) -> bytes:
    """WebP of the lowest quality that keeps `NEAR`.

    No quality keeps the coloured noise of some pictures, for WebP halves the resolution of colour.
    Those are rounded to every thirteenth grey level, which is above `NEAR`, and compressed without
    loss.
    """
    for quality in QUALITIES:
        data = _webp(image, quality=quality)
        if psnr(decode_picture(data), image) >= NEAR:
            return data
    rounded = np.round(image.astype(np.float32) / STEP) * STEP
    return _webp(rounded.clip(0, 255).astype(np.uint8), lossless=True, quality=100)


def _webp(image: NDArray[np.uint8], **options: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, "WEBP", method=4, **options)
    return data.getvalue()
