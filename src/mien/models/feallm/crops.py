"""The 16 fixed regions of the face that the Local Clue Aggregator looks at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Box = tuple[float, float, float, float]


def face_regions() -> list[Box]:
    """The 16 regions of FEALLM's architecture figure as (x0, y0, x1, y1), fractions of the face.

    Three of them are drawn with numbers in the figure: 1 = upper half, 2 = upper three quarters,
    16 = lower left quadrant. The other 13 are the completion that contains these three:
    {top, bottom, left, right} x {1/2, 3/4} and the four corners x {3/4, 1/2}. The order is ours; it
    puts the three drawn regions at their drawn numbers::

        1-8    top 1/2, 3/4;  bottom 1/2, 3/4;  left 1/2, 3/4;  right 1/2, 3/4
        9-12   corners of 3/4:  top left, top right, bottom right, bottom left
        13-16  corners of 1/2:  top left, top right, bottom right, bottom left
    """
    sides: list[Box] = []
    for s in (0.5, 0.75):
        sides += [(0, 0, 1, s), (0, 1 - s, 1, 1), (0, 0, s, 1), (1 - s, 0, 1, 1)]
    sides = [sides[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]  # 1/2 and 3/4 of a side are neighbours
    corners: list[Box] = []
    for s in (0.75, 0.5):
        corners += [(0, 0, s, s), (1 - s, 0, 1, s), (1 - s, 1 - s, 1, 1), (0, 1 - s, s, 1)]
    return [tuple(float(v) for v in box) for box in sides + corners]  # type: ignore[misc]


def crop_regions(pixel_values: Tensor, boxes: Sequence[Sequence[float]], *, size: int) -> Tensor:
    """Cut the regions out of the face picture and bring all to one size.

    Args:
        pixel_values: (B, 3, H, W).
        boxes: R boxes (x0, y0, x1, y1) as fractions of width and height.
        size: side of the resized crops in pixels.

    Returns:
        (B, R, 3, size, size), in the dtype of ``pixel_values``.
    """
    height, width = pixel_values.shape[-2:]
    picture = pixel_values.float()  # antialiased resizing is not there for every half type
    crops = []
    for x0, y0, x1, y1 in boxes:
        rows = slice(round(y0 * height), round(y1 * height))
        columns = slice(round(x0 * width), round(x1 * width))
        region = picture[:, :, rows, columns]  # (B, 3, h, w)
        crops.append(
            F.interpolate(
                region, size=(size, size), mode="bilinear", antialias=True, align_corners=False
            )
        )
    return torch.stack(crops, dim=1).to(pixel_values.dtype)  # (B, R, 3, size, size)
