"""Head pose from the finder's transformation matrix."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mien.schema import Pose


def pose_from_matrix(matrix: NDArray[np.floating]) -> Pose | None:
    """Yaw, pitch and roll of the face's own axes.

    Yaw and pitch are the direction in which the nose points, roll is the turn about it.

    Args:
        matrix: (4, 4), canonical face to camera; x to the right, y up, z towards the camera.

    Returns:
        Degrees with the signs of `Pose`; None where the matrix holds no rotation.
    """
    rotation = np.asarray(matrix, dtype=np.float64)[:3, :3]
    norms = np.linalg.norm(rotation, axis=0)
    if not np.isfinite(rotation).all() or norms.min() < 1e-6:
        return None
    rotation = rotation / norms
    x, y, z = rotation[:, 2]  # where the nose points
    yaw = math.atan2(x, z)
    pitch = math.asin(min(1.0, max(-1.0, y)))
    roll = math.atan2(-rotation[1, 0], rotation[1, 1])
    return Pose(yaw=math.degrees(yaw), pitch=math.degrees(pitch), roll=math.degrees(roll))
