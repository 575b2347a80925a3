"""Pictures on their way to a model that is not mien's: how they are cut and how they are sent."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.faces import CropSpec
from mien.faces.base import check_image

SURROUNDED = CropSpec(size=336, scale=1.35)
"""Crop for models that learned on whole photos: the head with some surroundings, upright, at the
side that common vision encoders take (CLIP ViT-L/14 at 336; multiples of 14 and of 28)."""


def png_base64(image: NDArray[np.uint8]) -> str:
    """A picture as PNG, which changes no pixel, in base64.

    Args:
        image: (H, W, 3) uint8, RGB.
    """
    check_image(image)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=3)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
