import numpy as np
import pytest

from mien.engines.numbers import Candidates, read_expression, read_unit, softmax
from mien.facs import LABEL_SETS


def test_candidates_are_one_group_per_question():
    groups = Candidates(("happiness", "neutral"), (12,)).texts()
    assert groups == [
        ["Happiness", "Neutral"],
        ["AU12 absent", "AU12 A", "AU12 B", "AU12 C", "AU12 D", "AU12 E"],
    ]


def test_unit_by_hand():
    scores = np.log([0.2, 0.1, 0.1, 0.3, 0.2, 0.1])
    unit = read_unit(scores, 12, {})
    assert unit.probability == pytest.approx(0.8)
    assert unit.intensity == pytest.approx(0.1 + 0.2 + 0.9 + 0.8 + 0.5)
    assert unit.present is True


def test_present_unit_never_rounds_to_intensity_zero():
    unit = read_unit(np.log([0.5, 0.5, 1e-9, 1e-9, 1e-9, 1e-9]), 4, {})
    assert unit.present
    assert unit.intensity >= 0.5 - 1e-6


def test_temperature_softens_but_keeps_the_order():
    names = LABEL_SETS["basic7"]
    scores = np.arange(7.0)
    sharp = read_expression(scores, names, {})
    soft = read_expression(scores, names, {"expression": 4.0})
    assert sharp.label == soft.label == "anger"
    assert soft.scores["anger"] < sharp.scores["anger"]


def test_softmax_of_large_numbers_is_finite():
    assert softmax(np.array([1e4, 1e4])).tolist() == [0.5, 0.5]


def test_the_shift_of_absence_moves_the_threshold_and_nothing_else():
    scores = np.log([0.6, 0.1, 0.1, 0.1, 0.05, 0.05])
    assert read_unit(scores, 12, {}).present is False
    shifted = read_unit(scores, 12, {"absence": {"12": -np.log(3)}})  # 0.6 becomes 0.2
    assert shifted.present is True
    assert shifted.probability == pytest.approx(0.4 / 0.6)
    assert shifted.intensity == pytest.approx((0.1 + 0.2 + 0.3 + 0.2 + 0.25) / 0.6)
    assert read_unit(scores, 4, {"absence": {"12": 5.0}}) == read_unit(scores, 4, {})
