"""However much a track brings, little of it is held, and that evenly or around its peak."""

import numpy as np
import pytest

from mien.timeline.bounded_sample import EvenlyKept, KeptAroundPeak


def fed(keeper, values):
    """The keeper after all values, and the most that it ever held."""
    most = 0
    for index, value in enumerate(values):
        if keeper.wants(value):
            keeper.add(index)
        held = [v for v in vars(keeper).values() if hasattr(v, "__len__")]
        most = max(most, sum(map(len, held)))
    return keeper.kept(), most


@pytest.mark.parametrize("most", [1, 3, 8, 16])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 17, 33, 100, 1001, 9000])
def test_an_even_spread_in_bounded_room(most, count):
    kept, held = fed(EvenlyKept(most), np.zeros(count))
    assert len(kept) == min(most, count)
    assert held <= 2 * most + 1
    assert kept == sorted(set(kept))
    gaps = np.diff(kept)
    if len(gaps):
        assert gaps.max() <= 2 * gaps.min()
        # Neither the start nor the end is left out by more than two gaps.
        assert kept[0] <= 2 * gaps.max()
        assert count - 1 - kept[-1] <= 2 * gaps.max()


def test_few_are_all_kept_and_many_are_asked_for_seldom():
    assert fed(EvenlyKept(8), np.zeros(5))[0] == [0, 1, 2, 3, 4]
    assert fed(EvenlyKept(2), np.zeros(4))[0] == [1, 3]
    keeper = EvenlyKept(8)
    wanted = 0
    for index in range(10_000):
        if keeper.wants():
            wanted += 1
            keeper.add(index)
    assert wanted < 8 * 15  # grows with the logarithm of the length


@pytest.mark.parametrize(
    ("peak", "expected"), [(50, [48, 49, 50, 51]), (0, [0, 1, 2, 3]), (99, [96, 97, 98, 99])]
)
def test_around_the_peak(peak, expected):
    values = -np.abs(np.arange(100) - peak).astype(float)
    kept, held = fed(KeptAroundPeak(4), values)
    assert kept == expected
    assert held <= 16


def test_the_first_of_equal_peaks_and_unknown_strengths():
    assert fed(KeptAroundPeak(2), [0, 1, 0, 0, 1, 0])[0] == [0, 1]
    assert fed(KeptAroundPeak(2), [np.nan, np.nan, 0.5, np.nan])[0] == [1, 2]
    assert fed(KeptAroundPeak(3), [np.nan])[0] == [0]
    assert KeptAroundPeak(3).kept() == []


def test_nothing_cannot_be_asked_for():
    for keeper in (EvenlyKept, KeptAroundPeak):
        with pytest.raises(ValueError, match="at least one"):
            keeper(0)
