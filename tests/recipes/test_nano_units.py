import numpy as np
import pytest
from recipes.nano.rendered import UNITS, Rendered, presence
from recipes.nano.ridge_baseline import Regressor, features
from recipes.nano.score_units import (
    best_thresholds,
    blendshape_scores,
    geometry,
    spearman,
    unit_table,
)
from recipes.nano.self_labels import pseudo_units
from recipes.nano.words import present_units


def rendered(count: int = 60, *, seed: int = 0) -> Rendered:
    """Faces whose landmarks say how strong the first unit is."""
    rng = np.random.default_rng(seed)
    intensities = np.zeros((count, len(UNITS)), np.float32)
    intensities[:, 0] = rng.uniform(0, 5, count)
    landmarks = rng.normal(0, 1e-3, (count, 478, 3)).astype(np.float32)
    landmarks[:, 33], landmarks[:, 263] = (-0.5, 0, 0), (0.5, 0, 0)
    landmarks[:, 300:400, 1] += intensities[:, :1] / 10
    return Rendered(
        images=rng.integers(0, 255, (count, 48, 48), np.uint8),
        intensities=intensities,
        visible=np.ones((count, len(UNITS)), bool),
        labels=np.full(count, -1),
        landmarks=landmarks,
        blendshapes=rng.normal(0, 1e-3, (count, 3)).astype(np.float32),
        face_model=np.full(count, "anny"),
        people=np.arange(count),
        part=np.full(count, "fit"),
    )


def test_presence_masks_traces_and_what_is_unknown():
    given = np.array([[0.0, 0.4, 0.5, 1.4, 1.5, 5.0, np.nan]])
    np.testing.assert_equal(presence(given), [[0, 0, np.nan, np.nan, 1, 1, np.nan]])


def test_present_units_of_rendered_faces_need_sight():
    faces = rendered(2)
    faces.intensities[:] = 0
    faces.intensities[0, :3] = (3.0, 1.0, 2.0)
    faces.visible[0, 2] = False
    np.testing.assert_equal(faces.present()[0, :4], [1, np.nan, np.nan, 0])


def test_pseudo_labels_are_kept_only_where_the_network_is_sure():
    found = pseudo_units(np.array([[0.1, 0.5, 0.9, 0.9]]), np.array([[0.2, 2.0, 3.0, 0.4]]))
    np.testing.assert_allclose(found, [[0, np.nan, 3, 1]])


def test_units_out_of_sight_are_not_spoken_of():
    row = np.full(len(UNITS), np.nan, np.float32)
    assert present_units(row) is None
    row[0], row[1], row[2] = 2.6, 0.2, np.nan
    assert present_units(row) == {UNITS[0]: 3.0}


def test_features_do_not_change_with_place_size_and_roll():
    faces = rendered(5)
    turn = np.deg2rad(30)
    turned = faces.landmarks.copy()
    x, y = faces.landmarks[..., 0], faces.landmarks[..., 1]
    turned[..., 0] = x * np.cos(turn) - y * np.sin(turn)
    turned[..., 1] = x * np.sin(turn) + y * np.cos(turn)
    moved = 7 * turned + np.array([3, 4, 5], np.float32)
    np.testing.assert_allclose(
        features(moved, faces.blendshapes), features(faces.landmarks, faces.blendshapes), atol=1e-4
    )


def test_the_regressor_reads_what_the_landmarks_say():
    faces = rendered(200)
    regressor = Regressor(faces, np.arange(150))
    found = regressor(faces.landmarks[150:], faces.blendshapes[150:])
    assert np.corrcoef(found[:, 0], faces.intensities[150:, 0])[0, 1] > 0.9
    assert np.abs(found[:, 1:]).max() < 1e-3  # units that were never present
    assert np.isnan(regressor(np.full((1, 478, 3), np.nan), np.zeros((1, 3)))).all()


def test_best_thresholds_separate_what_can_be_separated():
    truth = np.tile(np.array([[0.0], [0.0], [1.0], [np.nan]]), (1, len(UNITS)))
    scores = np.tile(np.array([[0.1], [0.2], [0.9], [0.95]]), (1, len(UNITS)))
    found = best_thresholds(truth, scores)
    assert ((found > 0.2) & (found <= 0.9)).all()


def test_unit_table_counts_a_missing_answer_as_wrong():
    truth = np.tile(np.array([[1.0], [1.0], [0.0]]), (1, len(UNITS)))
    called = np.tile(np.array([[1.0], [np.nan], [0.0]]), (1, len(UNITS)))
    found = unit_table(truth, called, called)
    assert found["macro_f1"] == pytest.approx(2 / 3, abs=1e-4)  # one hit, one miss
    assert found["units"]["12"]["present"] == 2
    assert found["always_on_f1"] == pytest.approx(0.8)


def test_blendshape_scores_take_the_actions_of_a_unit():
    names = ["mouthSmileLeft", "mouthSmileRight", "jawOpen"]
    others = [n for n in _all_names() if n not in names]
    values = np.array([[0.8, 0.4, 0.3, *[0.0] * len(others)]])
    found = blendshape_scores(values, [*names, *others])[0]
    assert found[UNITS.index(12)] == pytest.approx(0.6)
    assert found[UNITS.index(26)] == pytest.approx(0.3)
    assert found[UNITS.index(25)] == pytest.approx(0.3)


def _all_names() -> list[str]:
    from mien.arkit import ARKIT_ACTIONS

    return list(ARKIT_ACTIONS)


def test_geometry_and_rank_correlation_by_hand():
    points = np.zeros((478, 3))
    points[33], points[263] = (-1, 0, 0), (1, 0, 0)
    points[133], points[362] = (-0.4, 0, 0), (0.4, 0, 0)
    points[14] = (0, 0.5, 0)
    points[152] = (0, 2, 0)
    points[168] = (0, -0.6, -0.8)  # a nose of length 1 that stands off the face
    points[159], points[386] = (-0.7, -0.3, 0), (0.7, -0.3, 0)
    points[145], points[374] = (-0.7, 0, 0), (0.7, 0, 0)
    gap, lip, chin, closure = geometry(points)
    assert (gap, lip, chin) == pytest.approx((0.25, 0.5, 2.0))
    assert closure == pytest.approx(0.5)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 90.0])) == 1.0
    assert spearman(np.array([1.0, 1.0, 2.0]), np.array([3.0, 3.0, 1.0])) == -1.0
