"""The crop: framing, turning, resampling, and a pinned picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mien.faces import CropSpec, WholeFinder, crop_face
from mien.faces.crop import crop_square
from mien.schema import Face, Pose

SPEC = CropSpec(64)


def scene(height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    """A smooth picture whose every pixel follows from a formula."""
    y, x = np.mgrid[:height, :width] + 0.5
    return (
        np.stack([value(x, y), value(y, x), value(x + y, x - y)], axis=-1).round().astype(np.uint8)
    )


def value(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return 127.5 + 80 * np.sin(x / 23) + 40 * np.cos(y / 31)


def face_at(x: float, y: float, w: float, h: float, roll: float = 0.0) -> Face:
    """A face whose 478 landmarks fill a turned rectangle."""
    rng = np.random.default_rng(0)
    local = rng.uniform(-0.5, 0.5, (478, 2)) * [w, h]
    local[:4] = np.array([[-w, -h], [w, -h], [-w, h], [w, h]]) / 2
    local[33], local[263] = (-0.4 * w, -0.2 * h), (0.4 * w, -0.2 * h)
    cos, sin = math.cos(roll), math.sin(roll)
    points = local @ np.array([[cos, sin], [-sin, cos]]) + [x, y]
    box = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    marks = np.column_stack([points, np.zeros(478)]).astype(np.float32)
    return Face(box=box, detection=0.9, landmarks=marks)


@pytest.mark.parametrize("roll", [0.0, 0.3, -0.5, 2.5])
@pytest.mark.parametrize("size", [24, 64, 200])
def test_golden_against_the_formula(roll: float, size: int) -> None:
    """Each pixel of the crop equals the scene's formula at the documented place."""
    face, spec = face_at(160, 120, 60, 80, roll), CropSpec(size)
    crop = crop_face(scene(), face, spec)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    side = 1.07 * 80
    grid = ((np.arange(size) + 0.5) / size - 0.5) * side
    u, v = np.meshgrid(grid, grid - 0.055 * side)
    x = 160 + u * math.cos(roll) - v * math.sin(roll)
    y = 120 + u * math.sin(roll) + v * math.cos(roll)
    want = np.stack([value(x, y), value(y, x), value(x + y, x - y)], axis=-1)
    difference = np.abs(crop - want)[2:-2, 2:-2]
    assert difference.mean() < 1.0
    assert difference.max() < 6.0


def test_pinned_values() -> None:
    """A model trained on these crops must get the same ones from a later version."""
    crop = crop_face(scene(), face_at(100, 90, 50, 64, 0.2), CropSpec(4))
    want = [[89, 44, 32, 60], [80, 32, 15, 38], [80, 32, 8, 24], [95, 42, 14, 26]]
    np.testing.assert_allclose(crop[..., 0], want, atol=2)


def test_whole_picture_is_kept() -> None:
    picture = scene(64, 64)
    (face,) = WholeFinder().find(picture)
    np.testing.assert_array_equal(crop_face(picture, face, SPEC), picture)


def test_whole_picture_is_squared_by_its_edge() -> None:
    picture = scene(64, 32)
    (face,) = WholeFinder().find(picture)
    crop = crop_face(picture, face, SPEC)
    np.testing.assert_array_equal(crop[:, 16:48], picture)
    np.testing.assert_array_equal(crop[:, :16], np.repeat(picture[:, :1], 16, axis=1))


def test_shrinking_does_not_alias() -> None:
    lines = np.zeros((800, 800, 3), np.uint8)
    lines[:, ::2] = 255  # any picking of pixels would give stripes
    for roll in (0.0, 0.4):
        crop = crop_face(lines, face_at(400, 420, 500, 600, roll), SPEC)
        assert crop[4:-4, 4:-4].std() < 12
        assert abs(crop.mean() - 127.5) < 4


def test_outside_goes_on_as_the_edge() -> None:
    picture = np.full((100, 100, 3), (10, 200, 90), np.uint8)
    for roll in (0.0, 0.7):
        crop = crop_face(picture, face_at(5, 95, 80, 80, roll), SPEC)
        assert (np.abs(crop.astype(int) - (10, 200, 90)) <= 1).all()


def test_no_alignment() -> None:
    turned = face_at(160, 120, 60, 80, 0.4)
    square = crop_square(turned, CropSpec(64, align=False), height=240, width=320)
    assert square.roll == 0
    x0, y0, x1, y1 = turned.box
    assert square.side == pytest.approx(1.07 * max(x1 - x0, y1 - y0))


def test_pose_turns_where_there_are_no_landmarks() -> None:
    face = Face(box=(10, 10, 50, 50), detection=0.9, pose=Pose(0, 0, 30))
    assert crop_square(face, SPEC, height=99, width=99).roll == pytest.approx(math.radians(30))


def test_bad_input() -> None:
    face = face_at(50, 50, 20, 20)
    with pytest.raises(ValueError, match="not uint8"):
        crop_face(np.zeros((9, 9), np.uint8), face, SPEC)
    with pytest.raises(ValueError, match="does not fit"):
        crop_face(scene(), Face(box=(5000, 5000, 5010, 5010), detection=0.5), SPEC)
    for wrong in ({"size": 0}, {"size": 9, "scale": 0.0}, {"size": 9, "shift": math.nan}):
        with pytest.raises(ValueError, match="crop"):
            CropSpec(**wrong)


def test_input_is_not_changed() -> None:
    picture = scene()
    before = picture.copy()
    crop_face(picture, face_at(160, 120, 60, 80, 0.3), SPEC)[:] = 0
    np.testing.assert_array_equal(picture, before)
    assert isinstance(Image.fromarray(picture), Image.Image)
