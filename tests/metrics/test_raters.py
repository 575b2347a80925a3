"""Agreement between raters, by hand and on published examples."""

from __future__ import annotations

import math

import pytest

from mien.metrics.raters import cohen_kappa, krippendorff_alpha


def test_kappa_by_hand() -> None:
    first = ["good"] * 25 + ["bad"] * 25
    second = ["good"] * 20 + ["bad"] * 5 + ["good"] * 10 + ["bad"] * 15
    # observed 35/50; expected 25/50 * 30/50 + 25/50 * 20/50 = 0.5
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(first, first) == 1
    assert cohen_kappa(["a", "b"], ["b", "a"]) == -1


def test_kappa_leaves_out_what_one_did_not_rate() -> None:
    assert cohen_kappa(["a", "b", None, "a"], ["a", "b", "b", None]) == 1
    assert math.isnan(cohen_kappa([None], ["a"]))
    assert math.isnan(cohen_kappa(["a", "a"], ["a", "a"]))
    with pytest.raises(ValueError, match="2 and 1 ratings"):
        cohen_kappa(["a", "b"], ["a"])


def test_alpha_of_krippendorffs_own_examples() -> None:
    """Binary data of two raters, and nominal data of four with gaps: 0.095 and 0.743."""
    one = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    two = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha([one, two]) == pytest.approx(0.095, abs=5e-4)
    ratings = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    assert krippendorff_alpha(ratings) == pytest.approx(0.743, abs=5e-4)


def test_alpha_where_it_is_not_defined() -> None:
    assert math.isnan(krippendorff_alpha([["a", "a"], ["a", "a"]]))
    assert math.isnan(krippendorff_alpha([["a", None], [None, "b"]]))
    assert krippendorff_alpha([["a", "b"], ["a", "b"]]) == 1
    with pytest.raises(ValueError, match="all raters need the same items"):
        krippendorff_alpha([["a"], ["a", "b"]])
