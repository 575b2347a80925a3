import math

import numpy as np
import pytest

from mien.metrics import binary_calibration_error


def test_by_hand_leaving_out_the_unknown():
    # Two at 0.1 of which one is present, two at 0.8 of which both are.
    p = np.array([0.1, 0.1, 0.8, 0.8, 0.5, np.nan])
    truth = np.array([0, 1, 1, 1, np.nan, 1])
    expected = 0.5 * abs(0.1 - 0.5) + 0.5 * abs(0.8 - 1)
    assert binary_calibration_error(p, truth) == pytest.approx(expected)


def test_sure_and_right_is_zero_and_empty_is_nan():
    assert binary_calibration_error(np.array([0.0, 1.0]), np.array([0, 1])) == 0
    assert math.isnan(binary_calibration_error(np.zeros(0), np.zeros(0)))
    with pytest.raises(ValueError, match=r"\(N,\)"):
        binary_calibration_error(np.zeros(2), np.zeros(3))
