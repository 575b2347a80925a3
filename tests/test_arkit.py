"""ARKit facial actions: names, weights, and the way back to action units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import arkit, facs
from mien.schema import SIDES, Side

AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 26, 28, 43)
MIDLINE = {17, 18, 22, 26, 28}

intensities = st.floats(0.01, 5)
sides = st.one_of(
    st.fixed_dictionaries({"both": intensities}),
    st.fixed_dictionaries({"left": intensities}),
    st.fixed_dictionaries({"right": intensities}),
    st.fixed_dictionaries({"left": intensities, "right": intensities}).filter(
        lambda v: v["left"] != v["right"]
    ),
)
midline = st.fixed_dictionaries({"both": intensities})
units = st.fixed_dictionaries({}, optional={au: midline if au in MIDLINE else sides for au in AUS})


def test_there_are_52_actions_each_once() -> None:
    assert len(set(arkit.ARKIT_ACTIONS)) == len(arkit.ARKIT_ACTIONS) == 52
    assert {arkit.canonical(name) for name in arkit.ARKIT_ACTIONS} == set(arkit.ARKIT_ACTIONS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("browDown_L", "browDownLeft"),
        ("browDownLeft", "browDownLeft"),
        ("eyeWide_R", "eyeWideRight"),
        ("browInnerUp", "browInnerUp"),
        ("browInnerUp_L", "browInnerUpLeft"),
        ("browInnerUpRight", "browInnerUpRight"),
        ("cheekPuff_R", "cheekPuffRight"),
        ("jawLeft", "jawLeft"),
        ("mouthRight", "mouthRight"),
    ],
)
def test_every_spelling_has_one_name(name: str, expected: str) -> None:
    assert arkit.canonical(name) == expected


@pytest.mark.parametrize("name", ["", "browDown", "jaw_L", "mouth_R", "BrowDownLeft", "_neutral"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown facial action"):
        arkit.canonical(name)


def test_the_table_has_every_unit_and_only_real_actions() -> None:
    assert sorted({row.au for row in arkit.ACTION_ROWS}) == list(AUS)
    for row in arkit.ACTION_ROWS:
        assert row.au in facs.ACTION_UNITS
        assert 0 < row.weight <= 1
        assert row.source
        names = (row.action + "Left", row.action + "Right") if row.sided else (row.action,)
        assert {arkit.canonical(name) for name in names} == set(names)
    actions = [row.action for row in arkit.ACTION_ROWS]
    assert len(set(actions)) == len(actions)
    assert not arkit.WITHOUT_ACTION & set(AUS)


def test_weights_of_a_face() -> None:
    given_units: dict[tuple[int, Side], float] = {
        (1, "left"): 5,
        (12, "both"): 2.5,
        (17, "both"): 5,
        (18, "left"): 4,
        (25, "both"): 3,
        (26, "both"): 5,
    }
    assert arkit.action_weights(given_units) == pytest.approx(
        {
            "browInnerUpLeft": 1,
            "mouthSmileLeft": 0.5,
            "mouthSmileRight": 0.5,
            "mouthShrugLower": 1,
            "mouthPucker": 0.4,
            "jawOpen": 0.6,
        }
    )
    assert arkit.action_weights({}) == {}
    assert arkit.action_weights({(12, "both"): 0.0}) == {}


def test_left_is_kept_from_right() -> None:
    assert arkit.action_weights({(43, "right"): 5.0}) == {"eyeBlinkRight": 1.0}
    assert arkit.units_of_actions({"eyeBlink_R": 1.0}) == {43: {"right": 5.0}}


@pytest.mark.parametrize("au", [3, 11, 13, 23, 27, 45])
def test_units_without_an_action_are_refused(au: int) -> None:
    with pytest.raises(ValueError, match=f"AU{au} has no facial action"):
        arkit.action_weights({(au, "both"): 2.0})


def test_impossible_units_and_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        arkit.action_weights({(12, "both"): 5.1})
    with pytest.raises(ValueError, match="as well"):
        arkit.action_weights({(12, "both"): 2.0, (12, "left"): 3.0})
    with pytest.raises(ValueError, match="outside"):
        arkit.units_of_actions({"jawOpen": 1.2})


def test_units_of_a_tracker() -> None:
    found = arkit.units_of_actions(
        {"browInnerUp": 0.4, "mouthSmile_L": 0.6, "jawOpen": 1.0, "cheekPuff": 0.7, "jawLeft": 0.2}
    )
    assert set(found) == {1, 12, 26}
    assert found[1] == pytest.approx({"both": 2.0})
    assert found[12] == pytest.approx({"left": 3.0})
    assert found[26] == {"both": 5.0}
    assert arkit.units_of_actions({"mouthRollLower": 0.4})[28] == pytest.approx({"both": 1.0})


@given(units)
def test_there_and_back(wanted: dict[int, dict[Side, float]]) -> None:
    flat = {(au, side): v for au, values in wanted.items() for side, v in values.items()}
    weights = arkit.action_weights(flat)
    assert all(0 < w <= 1 for w in weights.values())
    found = arkit.units_of_actions(weights)
    assert set(found) == set(wanted)
    for au, values in wanted.items():
        assert set(found[au]) <= set(SIDES)
        for side in ("left", "right"):
            before = values.get(side, values.get("both", 0.0))
            after = found[au].get(side, found[au].get("both", 0.0))
            assert after == pytest.approx(before)


@given(units)
def test_spelling_does_not_matter(wanted: dict[int, dict[Side, float]]) -> None:
    flat = {(au, side): v for au, values in wanted.items() for side, v in values.items()}
    weights = arkit.action_weights(flat)
    short = {
        n.removesuffix("Left") + "_L" if n.endswith("Left") else n: w for n, w in weights.items()
    }
    assert arkit.units_of_actions(short) == arkit.units_of_actions(weights)
