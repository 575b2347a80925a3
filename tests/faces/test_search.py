"""Tiles, merging and pose: numbers only."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.faces.detector import Search
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


@pytest.mark.parametrize("seen", [1.0, 0.5])
def test_what_is_seen_weakly_counts_if_most_looks_agree(seen: float) -> None:
    detector = Detector(seen)
    image = np.zeros((900, 900, 3), np.uint8)
    image[300:500, 300:500] = 255
    found = Search(detector, lambda pixels: pixels).persistent(image)
    if seen < 1:
        assert found == []
        return
    (one,) = found
    np.testing.assert_allclose(one.box, (300, 300, 500, 500), atol=20)


class Detector:
    """Takes white squares for faces, weakly, in a share of the pictures that hold one."""

    def __init__(self, share: float) -> None:
        self.share, self.count = share, 0

    def detect(self, pixels: np.ndarray) -> SimpleNamespace:
        rows, columns, _ = np.nonzero(pixels > 128)
        if not len(rows):
            return SimpleNamespace(detections=[])
        self.count += 1
        if self.share < 1 and self.count > 4 and self.count % round(1 / self.share):
            return SimpleNamespace(detections=[])
        x, y = int(columns.min()), int(rows.min())
        box = SimpleNamespace(
            origin_x=x, origin_y=y, width=int(np.ptp(columns)) + 1, height=int(np.ptp(rows)) + 1
        )
        points = [SimpleNamespace(x=0.4, y=0.4), SimpleNamespace(x=0.6, y=0.4)] * 2
        return SimpleNamespace(
            detections=[
                SimpleNamespace(
                    bounding_box=box, keypoints=points, categories=[SimpleNamespace(score=0.7)]
                )
            ]
        )
