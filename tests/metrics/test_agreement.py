import math

import numpy as np
import pytest

from mien.metrics import agreement, ccc, icc_2_1, icc_3_1, pcc, rmse, sagr

LEVELS = np.array([0.0, 1, 2, 3, 4])  # population variance 2, sample variance 2.5


def test_an_offset_of_one():
    assert pcc(LEVELS, LEVELS + 1) == pytest.approx(1)
    assert icc_3_1(LEVELS, LEVELS + 1) == pytest.approx(1)
    # MSR 5, MSE 0, MSC 5 / 2
    assert icc_2_1(LEVELS, LEVELS + 1) == pytest.approx(5 / (5 + 2 * 2.5 / 5))
    assert ccc(LEVELS, LEVELS + 1) == pytest.approx(4 / (2 + 2 + 1))
    assert rmse(LEVELS, LEVELS + 1) == pytest.approx(1)


def test_an_offset_of_one_over_the_six_levels_of_many_frames():
    truth = np.tile(np.arange(6.0), 2000)  # population variance 35 / 12
    assert ccc(truth, truth + 1) == pytest.approx(0.854, abs=5e-4)
    assert icc_2_1(truth, truth + 1) == pytest.approx(0.854, abs=5e-4)
    assert icc_3_1(truth, truth + 1) == pytest.approx(1)


def test_a_probability_in_place_of_an_intensity():
    truth = np.tile(np.arange(6.0), 2000)
    assert pcc(truth, truth / 5) == pytest.approx(1)
    assert icc_3_1(truth, truth / 5) == pytest.approx(0.385, abs=5e-4)
    variance = 35 / 12
    by_hand = 2 * variance / 5 / (variance + variance / 25 + (2.5 - 0.5) ** 2)
    assert ccc(truth, truth / 5) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.166, abs=5e-4)


def test_icc_2_1_of_shrout_and_fleiss_for_two_of_their_raters():
    # Raters 1 and 4: between 7.2, residual 4/3, raters 12 * (50/6 - 38/6)^2 / 4 = 12.
    first, fourth = [9, 6, 8, 7, 10, 6], [8, 2, 6, 6, 9, 7]
    raters = 6 * (46 / 6 - 38 / 6) ** 2 / 2
    expected = (7.2 - 4 / 3) / (7.2 + 4 / 3 + 2 * (raters - 4 / 3) / 6)
    assert icc_2_1(first, fourth) == pytest.approx(expected)


def test_ccc_uses_the_variance_of_the_population():
    # With the sample variance it would be 1 / (0.5 + 0.5 + 0.25) * ... = 0.8.
    assert ccc([0, 1], [0.5, 1.5]) == pytest.approx(2 * 0.25 / (0.25 + 0.25 + 0.25))


def test_degenerate_is_nan_and_a_constant_answer_is_zero():
    assert math.isnan(ccc([0.3, 0.3], [0.1, 0.3]))
    assert ccc([0.1, 0.3], [0.2, 0.2]) == 0
    assert math.isnan(icc_2_1([1, 1], [1, 2]))
    for metric in (ccc, icc_2_1, rmse, sagr):
        assert math.isnan(metric([], []))


def test_signs_agree_and_zero_has_its_own():
    assert sagr([-0.5, 0.5, 0, 0.2], [-0.1, -0.1, 0, 0]) == pytest.approx(2 / 4)


def test_unknown_labels_and_missing_answers_are_counted():
    truth = [np.nan, 0.0, 0.5, 1.0, -1.0]
    scores = agreement(truth, [0.1, 0.0, 0.5, 1.0, np.nan])
    assert (scores.support, scores.answered) == (4, 3)
    assert (scores.ccc, scores.pcc, scores.rmse, scores.sagr) == pytest.approx((1, 1, 0, 1))
    with pytest.raises(ValueError, match=r"\(N,\)"):
        agreement([0.1], [0.1, 0.2])
