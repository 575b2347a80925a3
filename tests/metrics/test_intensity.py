import math

import numpy as np
import pytest

from mien.metrics.intensity import icc_3_1, mae, mean_over_units, pcc, unit_intensity

LEVELS = np.array([0.0, 1, 2, 3, 4])


def test_an_offset_is_forgiven_and_another_scale_is_not():
    assert pcc(LEVELS, LEVELS + 1) == pytest.approx(1)
    assert icc_3_1(LEVELS, LEVELS + 1) == pytest.approx(1)
    assert mae(LEVELS, LEVELS + 1) == pytest.approx(1)
    assert pcc(LEVELS, LEVELS / 5) == pytest.approx(1)
    assert icc_3_1(LEVELS, LEVELS / 5) == pytest.approx(0.4 / 1.04)


def test_icc_of_shrout_and_fleiss_for_two_of_their_raters():
    # Raters 1 and 4 of their table 2: mean squares 7.2 between and 4/3 within.
    first, fourth = [9, 6, 8, 7, 10, 6], [8, 2, 6, 6, 9, 7]
    assert icc_3_1(first, fourth) == pytest.approx((7.2 - 4 / 3) / (7.2 + 4 / 3))
    # For two raters this is 2 cov / (var + var).
    cov = np.cov(first, fourth)
    assert icc_3_1(first, fourth) == pytest.approx(2 * cov[0, 1] / np.trace(cov))


def test_degenerate_is_nan_not_zero():
    assert math.isnan(pcc([1, 1, 1], [1, 2, 3]))
    assert math.isnan(pcc([1, 2, 3], [1, 1, 1]))
    assert math.isnan(icc_3_1([1, 1, 1], [1, 2, 3]))
    assert icc_3_1([1, 2, 3], [1, 1, 1]) == pytest.approx(0)
    assert math.isnan(mae([], []))


def test_pcc_agrees_with_numpy():
    rng = np.random.default_rng(0)
    x = rng.random(50)
    y = x + rng.random(50)
    assert pcc(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_units_mask_the_unknown_and_mean_lists_the_undefined():
    truth = np.stack([LEVELS, np.zeros(5)], axis=1)
    truth[0, 0] = np.nan
    answers = np.stack([LEVELS + 0.5, LEVELS], axis=1)
    answers[4, 0] = np.nan
    scores = unit_intensity(truth, answers, (4, 12))
    assert (scores[4].support, scores[4].answered) == (4, 3)
    assert scores[4].icc == pytest.approx(1)
    assert scores[12].mae == pytest.approx(2)
    mean, undefined = mean_over_units(scores, lambda s: s.icc)
    assert mean == pytest.approx(1)
    assert undefined == (12,)


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match="outside"):
        unit_intensity([[6]], [[1]], [12])
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        unit_intensity([[1]], [[1]], [4, 12])
    with pytest.raises(ValueError, match=r"\(N,\) and"):
        pcc([1, 2], [1])
