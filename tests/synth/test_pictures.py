"""What ends up in a picture, and what is measured of it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.synth.draw_scene import belongs_to, draw_scene
from mien.synth.finish import background, compose, finished, occluded
from mien.synth.layout import Layout
from mien.synth.measure import MEASURED_UNITS, Measured, posed_weights
from mien.synth.renderer import Camera, Light, Look, Renderer, rotation
from mien.synth.scene import Finish, Occluder
from mien.synth.studio import Studio, to_sample
from mien.synth.texture import SIZE, paint_skin
from tests.synth.made_up import MadeUpFace

PLAIN = Finish(None, 0, 1, 1, 1, (1.0, 1.0, 1.0), 0, None, 0)


@pytest.fixture(scope="module")
def face():
    return MadeUpFace()


@pytest.fixture(scope="module")
def studio(face):
    pytest.importorskip("moderngl")
    made = Studio(face, 96)
    yield made
    made.close()


def scene_of(face, index=0, **changes):
    scene = draw_scene(index, seed=0, split="train", model=face)
    return dataclasses.replace(scene, finish=PLAIN, occluder=None, **changes)


@given(st.integers(0, 10**6), st.integers(0, 1000), st.sampled_from(["train", "test"]))
@settings(max_examples=150, deadline=None)
def test_train_and_test_share_no_person_skin_light_or_larger_combination(index, seed, split):
    face = MadeUpFace()
    scene = draw_scene(index, seed=seed, split=split, model=face)
    assert all(belongs_to(scene))
    other = dataclasses.replace(scene, split="train" if split == "test" else "test")
    assert not any(belongs_to(other)[:3])


def test_a_scene_depends_on_its_number_alone(face):
    first = draw_scene(5, seed=1, split="train", model=face)
    assert first == draw_scene(5, seed=1, split="train", model=face)
    assert first != draw_scene(6, seed=1, split="train", model=face)
    assert first != draw_scene(5, seed=2, split="train", model=face)


def test_rotation_has_the_signs_of_pose():
    nose, top = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert (rotation(30, 0, 0) @ nose)[0] > 0.4  # to the right edge
    assert (rotation(0, 20, 0) @ nose)[1] > 0.3  # up
    assert (rotation(0, 0, 25) @ top)[0] > 0.4  # clockwise
    np.testing.assert_allclose(rotation(10, 20, 30).T @ rotation(10, 20, 30), np.eye(3), atol=1e-6)


def test_projection_agrees_with_the_rendered_pixels(face):
    pytest.importorskip("moderngl")
    renderer = Renderer(face.mesh, Layout.of(face.mesh), 96)
    skin = np.full((8, 8, 3), 200, np.uint8)
    grey = (0.5, 0.5, 0.5)
    look = Look(skin, grey, grey, grey, grey, grey, np.array([[0, 0, 1.0]] * 2, np.float32))
    rest = face.at_rest(face.person(1))
    for pose in (rotation(0, 0, 0), rotation(25, -10, 15)):
        shot = renderer(rest, look, pose, Camera(height=40, shift=(0.05, 0.02)), Light())
        places = shot.project(rest)
        columns = np.flatnonzero((shot.colour[..., 3] > 127).any(0))
        rows = np.flatnonzero((shot.colour[..., 3] > 127).any(1))
        assert columns[0] == pytest.approx(places[:, 0].min(), abs=2)
        assert columns[-1] + 1 == pytest.approx(places[:, 0].max(), abs=2)
        assert rows[0] == pytest.approx(places[:, 1].min(), abs=2)
        assert shot.depth.shape == (192, 192)
    renderer.close()


def test_a_unit_behind_a_bar_is_hidden_and_its_absence_unknown(studio, face):
    scene = scene_of(face, units={(12, "both"): 4.0}, extras={}, parting=0.0)
    scene = dataclasses.replace(scene, pose=dataclasses.replace(scene.pose, yaw=0.0))
    seen = {unit.au: unit for unit in studio(scene).units}
    assert seen[12].present is True
    everything = Occluder("bar", (0.0, 0.0, 1.0, 1.0), 0.0, (0, 0, 0))
    hidden = {
        unit.au: unit for unit in studio(dataclasses.replace(scene, occluder=everything)).units
    }
    assert hidden[12].present is None
    assert hidden[12].intensity == 4.0
    assert hidden[4].present is None


def test_the_jaw_is_measured_and_not_asked(studio, face):
    still = {u.au: u for u in studio(scene_of(face, units={}, extras={}, parting=0.0)).units}
    assert still[26].intensity == 0
    assert still[26].present is False
    dropped = {
        u.au: u for u in studio(scene_of(face, units={(26, "both"): 5.0}, parting=0.0)).units
    }
    assert dropped[26].intensity > 1.5


def test_traces_are_neither_present_nor_absent():
    assert Measured(12, 1.0, 1.0, 1.0, visible=True).present is None
    assert Measured(12, 1.5, 1.5, 1.5, visible=True).present is True
    assert Measured(12, 0.4, 0.4, 0.4, visible=True).present is False
    assert Measured(12, 0.0, 0.0, 0.0, visible=False).present is None


def test_a_wish_for_parted_lips_opens_the_jaw_a_little(face):
    scene = scene_of(face, units={(25, "both"): 3.0}, extras={"cheekPuff": 0.4}, parting=0.1)
    assert posed_weights(scene) == {"cheekPuff": 0.4, "jawOpen": 0.1}


def test_a_sample_says_all_of_its_picture(studio, face):
    shot = studio(scene_of(face, units={(4, "left"): 3.0, (4, "right"): 1.0}))
    sample = to_sample(shot, name="a", image="a.webp", dataset="d", licence="CC0")
    units = {unit.au: unit for unit in sample.action_units}
    assert set(units) == set(MEASURED_UNITS)
    assert units[4].side == "left"
    assert "4:3/1" in sample.attributes["unit_sides"]
    assert {"yaw", "light_azimuth", "skin_tone", "hair", "occluder"} <= set(sample.attributes)
    assert shot.box[2] > shot.box[0] >= 0


def test_units_fold_painted_skin(face):
    scene = scene_of(face)
    landmarks = Layout.of(face.mesh).landmarks
    paint = dataclasses.replace(scene.paint, lines=0.9)
    smooth = paint_skin(paint, landmarks, {})
    folded = paint_skin(paint, landmarks, {4: 5.0, 9: 5.0, 12: 5.0})
    assert smooth.shape == (SIZE, SIZE, 3)
    changed = folded.astype(int) - smooth.astype(int)
    assert changed.min() < -15  # the folds are darker
    assert (changed > 15).mean() < 0.01
    np.testing.assert_array_equal(smooth, paint_skin(paint, landmarks, {}))


def test_finish_of_nothing_changes_nothing_and_grey_is_grey():
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    assert np.abs(finished(image, PLAIN).astype(int) - image).max() <= 1
    grey = finished(image, dataclasses.replace(PLAIN, saturation=0.0, noise=10.0))
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1
    small = finished(image, dataclasses.replace(PLAIN, native=8))
    assert small.shape == image.shape
    assert small.std() < image.std() / 2
    again = dataclasses.replace(PLAIN, noise=5.0, jpeg=60)
    np.testing.assert_array_equal(finished(image, again), finished(image, again))


@pytest.mark.parametrize("kind", ["plain", "gradient", "blotches", "shapes"])
def test_backgrounds_repeat_and_fill(kind):
    image = background(kind, 3, 40)
    assert image.shape == (40, 40, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, background(kind, 3, 40))


def test_composition_and_occlusion_by_hand():
    behind = np.full((4, 4, 3), 100, np.uint8)
    head = np.zeros((4, 4, 4), np.uint8)
    head[0, 0] = (200, 0, 50, 255)
    head[1, 1] = (200, 0, 50, 51)  # a fifth
    mixed = compose(head, behind)
    assert mixed[0, 0].tolist() == [200, 0, 50]
    assert mixed[1, 1].tolist() == [120, 80, 90]
    assert mixed[3, 3].tolist() == [100, 100, 100]
    image, covered = occluded(mixed, Occluder("bar", (0.0, 0.0, 0.5, 1.0), 0.0, (1, 2, 3)))
    assert covered[:, 0].all()
    assert not covered[:, 3].any()
    assert image[2, 0].tolist() == [1, 2, 3]
