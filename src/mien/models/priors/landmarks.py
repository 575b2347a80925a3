"""Landmarks grouped by facial region, and landmarks in the face's own frame.

Two layouts are known: the 478 points of MediaPipe's face mesh, and the 68 points of iBUG 300-W
that dlib and FaceXFormer give. Of a pair, the subject's own right side comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Regions = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class LandmarkLayout:
    """What the points of a landmark model are.

    Attributes:
        count: number of points.
        regions: name of a facial region to its points.
        right_eye, left_eye: corners of the subject's right and left eye.
        anchors: points that expressions hardly move (eye corners, bridge of the nose), from which
            the face's position and size are taken.
    """

    count: int
    regions: Regions
    right_eye: tuple[int, int]
    left_eye: tuple[int, int]
    anchors: tuple[int, ...]


# The regions in which Face-LLaVA (arXiv 2504.07198) groups 68 points.
_IBUG68 = LandmarkLayout(
    count=68,
    regions={
        "contour": tuple(range(17)),
        "right_brow": tuple(range(17, 22)),
        "left_brow": tuple(range(22, 27)),
        "nose": tuple(range(27, 31)),
        "nostrils": tuple(range(31, 36)),
        "right_eye": tuple(range(36, 42)),
        "left_eye": tuple(range(42, 48)),
        "lips": tuple(range(48, 60)),
        "inner_mouth": tuple(range(60, 68)),
    },
    right_eye=(36, 39),
    left_eye=(42, 45),
    anchors=(36, 39, 42, 45, 27, 28, 29, 30),
)

# The same regions in MediaPipe's mesh, which also has irises (with the eyes) and cheeks.
_MEDIAPIPE478 = LandmarkLayout(
    count=478,
    regions={
        "contour": (
            *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400),
            *(377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103),
            *(67, 109),
        ),
        "right_brow": (46, 53, 52, 65, 55, 70, 63, 105, 66, 107),
        "left_brow": (276, 283, 282, 295, 285, 300, 293, 334, 296, 336),
        "nose": (168, 6, 197, 195, 5, 4, 1),
        "nostrils": (
            *(19, 94, 2, 98, 97, 326, 327, 294, 278, 344, 440, 275, 45, 220, 115, 48, 64),
        ),
        "right_eye": (
            *(33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
            *(468, 469, 470, 471, 472),
        ),
        "left_eye": (
            *(263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
            *(473, 474, 475, 476, 477),
        ),
        "right_cheek": (116, 117, 118, 119, 100, 36, 205, 187, 123),
        "left_cheek": (345, 346, 347, 348, 329, 266, 425, 411, 352),
        "lips": (
            *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269),
            *(270, 409),
        ),
        "inner_mouth": (
            *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311),
            *(310, 415),
        ),
    },
    right_eye=(33, 133),
    left_eye=(362, 263),
    anchors=(33, 133, 362, 263, 168, 6, 195, 4),
)

LAYOUTS: dict[str, LandmarkLayout] = {"mediapipe478": _MEDIAPIPE478, "ibug68": _IBUG68}


def layout(name: str) -> LandmarkLayout:
    """The layout of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in LAYOUTS:
        raise ValueError(f"landmark layout {name!r} is not one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def in_face_frame(points: NDArray[np.floating], name: str) -> NDArray[np.float32] | None:
    """Landmarks without the face's place, size and roll.

    The origin is the mean of the anchors, the unit their root mean square distance from it, and the
    line from the right to the left eye points along x. Yaw and pitch stay in: they deform the face
    in the picture, and the head's pose is a prior of its own.

    Args:
        points: (P, 2 or 3) in any unit in which x and y are alike; x to the right of the picture, y
            down.
        name: of the layout.

    Returns:
        (P, 2 or 3); ``None`` where the points give no such frame: one is not finite, or all lie on
        one spot.

    Raises:
        ValueError: if the layout has another number of points.
    """
    marks = layout(name)
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != marks.count or array.shape[1] not in (2, 3):
        raise ValueError(
            f"landmarks have shape {array.shape}; layout {name!r} needs ({marks.count}, 2 or 3)"
        )
    if not np.isfinite(array).all():
        return None
    anchors = array[list(marks.anchors), :2]
    centre = anchors.mean(0)
    unit = float(np.sqrt(np.square(anchors - centre).sum(1).mean()))
    right, left = (array[list(eye), :2].mean(0) for eye in (marks.right_eye, marks.left_eye))
    across = left - right
    length = float(np.hypot(*across))
    if unit <= 0 or length <= 1e-6 * unit:
        return None
    cos, sin = across / length
    moved = array.copy()
    moved[:, :2] -= centre
    moved[:, :2] = moved[:, :2] @ np.array([[cos, -sin], [sin, cos]])
    return (moved / unit).astype(np.float32)
