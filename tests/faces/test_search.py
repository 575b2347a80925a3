"""Tiles, merging and pose: numbers only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.faces.pose import pose_from_matrix
from mien.faces.search import Found, hull, hull_from_detection, merge, tile_sides, tile_starts


@given(st.integers(1, 5000), st.integers(1, 600))
def test_tiles_cover_and_overlap(length: int, tile: int) -> None:
    starts = tile_starts(length, tile)
    assert starts[0] == 0
    assert length <= tile or starts[-1] == length - tile
    gaps = np.diff(starts)
    assert (gaps <= math.ceil(0.7 * tile)).all()


def test_levels() -> None:
    assert tile_sides(480, 320) == []
    assert tile_sides(640, 480) == [320, 160]
    assert tile_sides(1600, 1200) == [800, 400, 200]


def test_duplicates_merge() -> None:
    best = Found((10, 10, 50, 50), 0.9)
    part = Found((10, 10, 50, 30), 0.8)  # cut by a tile's edge
    near = Found((14, 12, 54, 50), 0.7)
    other = Found((60, 10, 100, 50), 0.6)
    assert merge([near, other, part, best]) == [best, other]


def test_hull() -> None:
    points = np.array([[1, 2, 0], [5, 9, 0]], np.float32)
    assert hull(points) == (1, 2, 5, 9)
    assert hull(points * np.float32(np.nan)) is None
    assert hull(points[:1]) is None
    x0, y0, x1, y1 = hull_from_detection((0, 0, 100, 100))
    assert x1 - x0 == pytest.approx(95.2)
    assert y1 - y0 == pytest.approx(107.9)


def turn(axis: int, degrees: float) -> np.ndarray:
    """Right-handed rotation about x, y or z in a frame with y up and z to the viewer."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = np.eye(4)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


@given(st.floats(-80, 80), st.floats(-80, 80), st.floats(-170, 170))
def test_pose_signs(yaw: float, pitch: float, roll: float) -> None:
    # In that frame: about y to the right, about x downwards, about z against the clock.
    pose = pose_from_matrix(7.0 * turn(1, yaw) @ turn(0, -pitch) @ turn(2, -roll))
    assert pose is not None
    assert (pose.yaw, pose.pitch, pose.roll) == pytest.approx((yaw, pitch, roll), abs=1e-4)


def test_pose_of_nothing() -> None:
    assert pose_from_matrix(np.zeros((4, 4))) is None
