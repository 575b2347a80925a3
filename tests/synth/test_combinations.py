"""Which units a rendered face is to show: balance, conflicts, and what is held out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import arkit, facs
from mien.schema import SIDES
from mien.synth.combinations import Pattern, draw_pattern, is_held_out, shown, strengths
from mien.synth.conflicts import DRAWN, EXTRAS, MIDLINE, UNITS, conflicts_in
from mien.synth.signs import SIGNS, signals

NUMBER = 20_000


@pytest.fixture(scope="module")
def patterns() -> list[Pattern]:
    rng = np.random.default_rng(0)
    return [draw_pattern(rng) for _ in range(NUMBER)]


@pytest.fixture(scope="module")
def held_out() -> list[Pattern]:
    rng = np.random.default_rng(1)
    return [draw_pattern(rng, held_out=True) for _ in range(2_000)]


# -------------------------------------------------------------------------------------- one pattern


@settings(max_examples=300)
@given(st.integers(0, 2**63), st.booleans())
def test_every_pattern_is_sound(seed: int, hold: bool) -> None:
    pattern = draw_pattern(np.random.default_rng(seed), held_out=hold)
    assert not conflicts_in(strengths(pattern.units))
    sides: dict[int, set[str]] = {}
    for (au, side), intensity in pattern.units.items():
        assert au in UNITS
        assert side in SIDES
        assert 0.5 <= intensity <= 5
        sides.setdefault(au, set()).add(side)
    for au, found in sides.items():
        assert found == {"both"} or (found <= {"left", "right"} and au not in MIDLINE)
    for name, weight in pattern.extras.items():
        assert 0 < weight <= 1
        assert not EXTRAS[name] & {au for au, _ in pattern.units}
    weights = arkit.action_weights(pattern.units)
    assert set(arkit.units_of_actions(weights)) == {au for au in strengths(pattern.units)} - {25}


@given(st.integers(0, 2**63), st.booleans())
def test_same_seed_same_pattern(seed: int, hold: bool) -> None:
    first, second = (
        [draw_pattern(rng, held_out=hold) for _ in range(3)]
        for rng in (np.random.default_rng(seed), np.random.default_rng(seed))
    )
    assert first == second


def test_a_labelled_face_shows_its_expression(patterns: list[Pattern]) -> None:
    for pattern in patterns:
        if pattern.expression == "neutral":
            assert pattern.origin == "neutral"
            assert not shown(pattern.units)
        elif pattern.expression:
            assert pattern.origin in ("prototype", "variant")
            visible = shown(pattern.units)
            assert signals(pattern.expression, visible), pattern
            own = {au for sign in SIGNS[pattern.expression] for au in sign.units}
            assert not visible & facs.units_against(pattern.expression) - own, pattern
        else:
            assert pattern.origin in ("variant", "cooccurrence", "random", "single")


def test_contempt_is_on_one_side(patterns: list[Pattern]) -> None:
    faces = [p for p in patterns if p.expression == "contempt"]
    for pattern in faces:
        assert len({side for au, side in pattern.units if au in (12, 14)}) == 1
        assert (14, "both") not in pattern.units
    assert {side for p in faces for au, side in p.units if au == 14} == {"left", "right"}


def test_every_combination_is_drawn(patterns: list[Pattern]) -> None:
    drawn = {
        (p.expression, frozenset(au for au, _ in p.units))
        for p in patterns
        if p.origin == "prototype"
    }
    drawn |= {
        (p.expression, frozenset(au for au, _ in p.units))
        for p in (draw_pattern(np.random.default_rng(s), held_out=True) for s in range(3_000))
        if p.origin == "prototype"
    }
    for name, signs in SIGNS.items():
        for sign in signs:
            assert (name, frozenset(sign.units)) in drawn, f"{name} {sorted(sign.units)}"


def test_a_strong_expression_is_strong_in_all_units(patterns: list[Pattern]) -> None:
    pairs = [
        (s[1], s[2])
        for s in (strengths(p.units) for p in patterns if p.origin == "prototype")
        if {1, 2} <= s.keys() and min(s[1], s[2]) >= 1.5
    ]
    assert np.corrcoef(np.array(pairs).T)[0, 1] > 0.7


# ------------------------------------------------------------------------------------------ balance


@pytest.mark.parametrize("au", DRAWN)
def test_each_unit_is_shown_often_enough_and_not_too_often(
    au: int, patterns: list[Pattern]
) -> None:
    values = [strengths(p.units).get(au, 0.0) for p in patterns]
    share = sum(v >= 1.5 for v in values) / NUMBER
    traces = sum(0.5 <= v < 1.5 for v in values) / NUMBER
    assert 0.09 <= share <= 0.21
    assert 0.02 <= traces <= 0.07
    letters = Counter(facs.intensity_letter(v) for v in values if v >= 1.5)
    assert set(letters) == set("BCDE")
    assert min(letters.values()) > 0.1 * sum(letters.values())


def test_expressions_are_balanced(patterns: list[Pattern]) -> None:
    counts = Counter(p.expression for p in patterns)
    for name in facs.LABEL_SETS["basic7"]:
        assert 0.06 <= counts[name] / NUMBER <= 0.09, name
    assert 0.02 <= counts["contempt"] / NUMBER <= 0.03


def test_every_origin_and_every_extra_is_drawn(patterns: list[Pattern]) -> None:
    assert {p.origin for p in patterns} == {
        "prototype",
        "variant",
        "cooccurrence",
        "random",
        "single",
        "neutral",
    }
    assert {name for p in patterns for name in p.extras} == set(EXTRAS)
    assert sum(bool(p.extras) for p in patterns) < 0.1 * NUMBER
    assert any(p.origin == "variant" and p.expression is None for p in patterns), "blends"


def test_a_single_unit_is_alone_and_of_any_strength(patterns: list[Pattern]) -> None:
    faces = [strengths(p.units) for p in patterns if p.origin == "single"]
    assert all(len(s) == 1 for s in faces)
    assert {au for s in faces for au in s} == set(DRAWN)
    letters = Counter(facs.intensity_letter(v) for s in faces for v in s.values())
    assert set(letters) == set(facs.INTENSITIES)
    assert all(0.15 < n / len(faces) < 0.25 for n in letters.values())


def test_some_faces_are_asymmetric(patterns: list[Pattern]) -> None:
    faces = [p for p in patterns if p.units and p.expression != "contempt"]
    uneven = [p for p in faces if any(side != "both" for _, side in p.units)]
    assert 0.1 < len(uneven) / len(faces) < 0.2


# ----------------------------------------------------------------------------------------- held out


def test_held_out_combinations_are_drawn_in_one_half_only(
    patterns: list[Pattern], held_out: list[Pattern]
) -> None:
    def large(faces: list[Pattern]) -> set[frozenset[int]]:
        sets = (shown(p.units) - {25} for p in faces)
        return {s for s in sets if len(s) >= 3}

    assert not any(is_held_out(p.units) for p in patterns)
    assert not large(patterns) & large(held_out)
    assert len(large(held_out)) > 100
    assert all(is_held_out({(au, "both"): 3.0 for au in s}) for s in large(held_out))
    small = [len(shown(p.units) - {25}) < 3 for p in held_out]
    usual = [len(shown(p.units) - {25}) < 3 for p in patterns]
    assert np.mean(small) == pytest.approx(np.mean(usual), abs=0.04)


def test_a_fifth_of_the_combinations_is_held_out() -> None:
    sets = [(a, b, c) for a in DRAWN for b in DRAWN for c in DRAWN if a < b < c]
    share = np.mean([is_held_out({(au, "both"): 2.0 for au in s}) for s in sets])
    assert 0.16 < share < 0.24


def test_what_decides_over_holding_out() -> None:
    held = next(
        (a, b, c)
        for a in DRAWN
        for b in DRAWN
        for c in DRAWN
        if a < b < c and is_held_out({(a, "both"): 2.0, (b, "both"): 2.0, (c, "both"): 2.0})
    )
    assert held == (1, 2, 10), "the hash must be the same on every machine"
    a, b, c = held
    assert is_held_out({(c, "left"): 5.0, (a, "both"): 1.5, (b, "right"): 2.0})
    assert is_held_out({(a, "both"): 2.0, (b, "both"): 2.0, (c, "both"): 2.0, (25, "both"): 3.0})
    assert not is_held_out({(a, "both"): 1.4, (b, "both"): 2.0, (c, "both"): 2.0}), "1.4 is a trace"
    assert not is_held_out({})
    assert not is_held_out({(6, "both"): 3.0, (12, "both"): 3.0})
