"""Head pose from the finder's transformation matrix."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mien.schema import Pose


def pose_from_matrix(matrix: NDArray[np.floating], roll: float = 0.0) -> Pose | None:
    """Yaw, pitch and roll of the face's own axes.

    Yaw and pitch are the direction in which the nose points, roll is the turn about it.

    Args:
        matrix: (4, 4), canonical face to camera; x to the right, y up, z towards the camera.
        roll: degrees, clockwise, of the picture against the one that the matrix is of.

    Returns:
        Degrees with the signs of `Pose`; None where the matrix holds no rotation.
    """
    rotation = np.asarray(matrix, dtype=np.float64)[:3, :3]
    norms = np.linalg.norm(rotation, axis=0)
    if not np.isfinite(rotation).all() or norms.min() < 1e-6:
        return None
    return _pose(clockwise(roll) @ (rotation / norms))


def roll_beside(pose: Pose, turn: int) -> float:
    """Roll as it is of the same head in a picture that is turned back by quarter turns, and those.

    Of a head seen from the side, whose nose points up or down in the picture, the roll about the
    nose says nothing of how the head stands; taken in the picture turned back it does.

    Args:
        pose: of the head in the picture.
        turn: quarter turns, clockwise.

    Returns:
        Degrees.
    """
    if not turn % 4:
        return pose.roll
    return _pose(clockwise(-90.0 * turn) @ rotation_of(pose)).roll + 90 * turn


def _pose(rotation: NDArray[np.float64]) -> Pose:
    x, y, z = rotation[:, 2]  # where the nose points
    yaw = math.atan2(x, z)
    pitch = math.asin(min(1.0, max(-1.0, y)))
    roll = math.atan2(-rotation[1, 0], rotation[1, 1])
    return Pose(yaw=math.degrees(yaw), pitch=math.degrees(pitch), roll=math.degrees(roll))


def rotation_of(pose: Pose) -> NDArray[np.float64]:
    """(3, 3), from which `pose_from_matrix` gives the pose back."""
    yaw, pitch, roll = (math.radians(v) for v in (pose.yaw, pose.pitch, pose.roll))
    about_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    about_x = [
        [1, 0, 0],
        [0, math.cos(pitch), math.sin(pitch)],
        [0, -math.sin(pitch), math.cos(pitch)],
    ]
    about_z = [[math.cos(roll), math.sin(roll), 0], [-math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    return np.array(about_y) @ np.array(about_x) @ np.array(about_z)


def clockwise(degrees: float) -> NDArray[np.float64]:
    """(3, 3): turns the picture."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
