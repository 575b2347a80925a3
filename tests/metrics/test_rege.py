import math

import pytest

from mien.metrics import confusion, count_units, rege_emotion, rege_units


def test_emotion_by_hand():
    counts = confusion(["a", "a", "b", "b"], ["a", "a", "b", None], ("a", "b"))
    found = rege_emotion(counts, [0.5, 0.3, 0.1, 0.0])
    assert found.recognition == pytest.approx(75)
    assert found.generation == pytest.approx(22.5)
    assert found.total == pytest.approx(97.5)
    assert found.unscored == 0


def test_units_by_hand_with_a_unit_that_never_occurs():
    counts = count_units([[1, 0], [1, 0]], [[1, 0], [0, 1]], (6, 12))
    found = rege_units(counts, [0.4, math.nan])
    assert found.recognition == pytest.approx(100 * 2 / 3)
    assert (found.generation, found.unscored) == (pytest.approx(40), 1)


def test_the_range_ends_at_200_and_nothing_is_nan():
    counts = confusion(["a"], ["a"], ("a", "b"))
    assert rege_emotion(counts, [1.0]).total == 200
    assert math.isnan(rege_emotion(counts, [math.nan]).total)
    assert math.isnan(rege_emotion(counts, []).total)
    with pytest.raises(ValueError, match="not in percent"):
        rege_emotion(counts, [35.2])
