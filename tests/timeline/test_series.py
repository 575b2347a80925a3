"""Smoothing, onset, apex and offset by hand."""

import numpy as np
import pytest

from mien.timeline import course_of, resting_level, smooth

NAN = float("nan")


def test_smoothing_is_a_mean_weighted_by_a_triangle():
    times = np.array([0.0, 0.1, 0.2, 0.9])
    # Weights at 0.1 s are 2/3 of the middle one, at 0.2 s 1/3; 0.7 s is too far.
    found = smooth(times, np.array([0.0, 3.0, 0.0, 4.0]), window=0.3)
    np.testing.assert_allclose(found, [2 / 2, 3 / (1 + 4 / 3), 2 / 2, 4.0])


def test_unknown_values_have_no_weight():
    times = np.array([0.0, 0.1, 5.0])
    found = smooth(times, np.array([1.0, NAN, NAN]))
    np.testing.assert_allclose(found, [1.0, 1.0, NAN])
    assert np.isnan(smooth(times, np.full(3, NAN))).all()


def test_smoothing_stays_in_range():
    times = np.arange(50) / 25
    assert smooth(times, np.full(50, 0.1 + 0.2)).max() <= 0.1 + 0.2


def test_rise_and_fall():
    # From 0 up to 5 at 1.0 s, down to 0 at 2.0 s; a fifth of the way is 1.
    times = np.arange(0, 3.01, 0.5)
    values = np.array([0.0, 2.5, 5.0, 2.5, 0.0, 0.0, 0.0])
    rise = course_of(times, values, least=1.0)
    assert (rise.peak, rise.index, rise.apex) == (5.0, 2, 1.0)
    assert rise.onset == pytest.approx(0.2)
    assert rise.offset == pytest.approx(1.8)


def test_base_above_zero_and_an_earlier_lower_rise():
    times = np.arange(7.0)
    values = np.array([1.0, 3.0, 1.0, 1.0, 6.0, 6.0, 1.0])
    rise = course_of(times, values, least=1.0)
    assert rise.apex == 4.0
    assert rise.onset == pytest.approx(3.2)  # from 1 to 6, through 2
    assert rise.offset == pytest.approx(5.8)


def test_beginning_and_end_out_of_sight_are_unknown():
    times = np.arange(4.0)
    rise = course_of(times, np.array([4.0, 5.0, 3.0, 0.0]), least=1.0)
    assert rise.onset is None
    assert rise.offset == pytest.approx(2 + 2 / 3)
    rise = course_of(times, np.array([0.0, 5.0, 5.0, 4.0]), least=1.0)
    assert (rise.onset, rise.offset) == (pytest.approx(0.2), None)


def test_what_hardly_moves_has_no_onset():
    rise = course_of(np.arange(3.0), np.array([2.0, 2.5, 2.0]), least=1.0)
    assert (rise.apex, rise.peak, rise.onset, rise.offset) == (1.0, 2.5, None, None)


def test_unknown_places_are_passed_over_but_counted():
    rise = course_of(np.arange(5.0), np.array([NAN, 0.0, NAN, 4.0, 0.0]), least=1.0)
    assert (rise.index, rise.apex) == (3, 3.0)
    assert rise.onset == pytest.approx(1 + 2 * 0.2)
    assert course_of(np.arange(2.0), np.full(2, NAN), least=1.0) is None


def test_the_resting_level_is_what_a_tenth_does_not_exceed():
    times = np.arange(41) / 10  # 4 s
    values = np.arange(41) / 10  # a tenth of the 40 steps lies below 0.4
    values[7] = np.nan
    known = np.delete(values, 7)
    assert resting_level(times, values) == pytest.approx(np.quantile(known, 0.1))
    assert resting_level(times, np.delete(values, 7)[[0] * 41]) == 0.0


def test_speech_leaves_the_resting_level_alone():
    times = np.arange(100) / 25
    open_and_shut = np.where(np.arange(100) // 4 % 2, 3.0, 0.2)  # a mouth that opens half the time
    assert resting_level(times, open_and_shut) == pytest.approx(0.2)


@pytest.mark.parametrize(("count", "rate"), [(19, 5), (49, 25)])
def test_a_short_track_has_no_resting_level(count, rate):
    assert resting_level(np.arange(count) / rate, np.ones(count)) is None
