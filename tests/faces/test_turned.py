"""Faces that lie on their side or upside down are found as upright ones are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mien.faces import CropSpec, MediaPipeFinder, crop_face
from mien.faces.pose import clockwise, pose_from_matrix, roll_beside, rotation_of
from mien.faces.search import Found, hull_from_detection
from mien.faces.turned import found_back, points_back, righted, tilt_of, turn_of, turns_to_try
from mien.schema import Face, Pose

PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def finder() -> Iterator[MediaPipeFinder]:
    with MediaPipeFinder() as made:
        yield made


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(PHOTO).convert("RGB").crop((30, 0, 420, 390))


def apart(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)


@pytest.mark.parametrize("angle", [90, 180, 270, 60, 135, 210, 345])
def test_face_of_a_turned_picture(finder: MediaPipeFinder, photo: Image.Image, angle: int) -> None:
    (upright,) = finder.find(np.array(photo))
    image = np.array(photo.rotate(-angle, Image.Resampling.BICUBIC, expand=True))
    (face,) = finder.find(image)
    assert face.pose is not None
    assert upright.pose is not None
    assert apart(face.pose.roll, upright.pose.roll + angle) < 6
    assert face.landmarks is not None
    assert upright.landmarks is not None
    centre = np.array([photo.width, photo.height]) / 2
    beside = np.array(image.shape[1::-1]) / 2
    back = (face.landmarks[:, :2] - beside) @ clockwise(-angle)[:2, :2] + centre
    far = np.abs(back - upright.landmarks[:, :2]).max()
    assert far < 0.05 * (upright.box[2] - upright.box[0])
    spec = CropSpec(48)
    a, b = crop_face(np.array(photo), upright, spec), crop_face(image, face, spec)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


def test_people_who_stand_and_one_who_hangs(finder: MediaPipeFinder, photo: Image.Image) -> None:
    frame = Image.new("RGB", (900, 500), (90, 100, 90))
    small = photo.resize((260, 260))
    frame.paste(small, (50, 100))
    frame.paste(small.rotate(180), (500, 120))
    turns = {f.box[0] > 450: turn_of(f) for f in finder.find(np.array(frame))}
    assert turns == {False: 0, True: 2}


def test_a_better_look_counts_and_an_equal_one_does_not() -> None:
    box = (10.0, 10.0, 30.0, 30.0)
    unsure = Found(box, 0.66, 10.0)
    looks = {0: [], 1: [Found(box, 0.67, 0.0, 1)], 2: [Found(box, 0.92, 3.0, 2)], 3: []}
    assert righted(unsure, looks.__getitem__).turn == 2
    looks[2] = [Found((200.0, 10.0, 220.0, 30.0), 0.92, 3.0, 2)]  # a neighbour
    assert righted(unsure, looks.__getitem__) is unsure


def test_sure_upright_faces_are_not_looked_at_again() -> None:
    box = (10.0, 10.0, 30.0, 30.0)
    assert turns_to_try(Found(box, 0.9, 20.0)) == ()
    assert turns_to_try(Found(box, 0.82, 20.0)) == (2,)
    assert turns_to_try(Found(box, 0.9, 50.0)) == (1,)
    assert turns_to_try(Found(box, 0.9, -50.0)) == (3,)
    assert turns_to_try(Found(box, 0.6, 0.0)) == (1, 2, 3)


@pytest.mark.parametrize("turn", range(4))
def test_places_come_back(turn: int) -> None:
    image = np.zeros((30, 50, 3), np.uint8)
    image[4:8, 10:20] = 255
    rows, columns, _ = np.nonzero(np.rot90(image, turn))
    box = (float(columns.min()), float(rows.min()), columns.max() + 1.0, rows.max() + 1.0)
    assert found_back(Found(box, 0.9), turn, 50, 30).box == (10.0, 4.0, 20.0, 8.0)
    assert found_back(Found(box, 0.9), turn, 50, 30).turn == turn
    down = np.array([[0, 0, 0], [0, 1, 0]], np.float32)  # from brow to chin, as it stands upright
    (ax, ay, _), (bx, by, _) = points_back(down, turn, 50, 30).tolist()
    assert apart(tilt_of((ax, ay), (bx, by)), 90 * turn) < 1e-3


@pytest.mark.parametrize("turn", range(4))
def test_hull_turns_with_the_face(turn: int) -> None:
    upright = hull_from_detection((0.0, 0.0, 100.0, 100.0))
    turned: NDArray[np.float32] = np.array([upright[:2], upright[2:]], np.float32)
    corners = points_back(turned, turn, 100, 100)
    want = (*corners.min(axis=0), *corners.max(axis=0))
    np.testing.assert_allclose(hull_from_detection((0, 0, 100, 100), turn), want, atol=1e-3)


def test_pose_and_its_matrix_agree() -> None:
    pose = Pose(yaw=30, pitch=-20, roll=130)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_of(pose)
    back = pose_from_matrix(matrix)
    assert back is not None
    np.testing.assert_allclose((back.yaw, back.pitch, back.roll), (30, -20, 130))


def test_roll_of_a_lying_profile_is_as_of_the_standing_one() -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_of(Pose(yaw=80, pitch=12, roll=5))
    lying = pose_from_matrix(matrix, 90)
    assert lying is not None
    assert lying.roll != pytest.approx(95, abs=30)  # the nose points down
    assert roll_beside(lying, 1) == pytest.approx(95)


def test_turn_of_a_face_without_landmarks_is_not_known() -> None:
    assert turn_of(Face(box=(0, 0, 9, 9), pose=Pose(0, 0, 170))) == 0
