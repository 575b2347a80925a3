"""Units that a face cannot show together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import arkit, facs
from mien.synth.conflicts import CONFLICTS, DRAWN, EXTRAS, UNITS, conflicts_in, settle

strengths = st.dictionaries(st.sampled_from(UNITS), st.floats(0.5, 5), max_size=8)


def test_the_table_is_sound() -> None:
    pairs = [frozenset((c.first, c.second)) for c in CONFLICTS]
    assert len(set(pairs)) == len(pairs)
    for conflict in CONFLICTS:
        assert {conflict.first, conflict.second} <= set(UNITS)
        assert conflict.reason
        for limit, rest in zip(conflict.limits, conflict.yields_to, strict=True):
            assert rest <= limit, "a unit that gives way must be out of the conflict"


def test_units_and_extras_are_known() -> None:
    assert set(UNITS) <= set(facs.ACTION_UNITS)
    assert set(UNITS) - set(DRAWN) == {25}
    moved = {row.action for row in arkit.ACTION_ROWS if row.au in UNITS}
    for name, against in EXTRAS.items():
        assert name in arkit.ARKIT_ACTIONS
        assert name not in moved, "an extra must not show a unit that is labelled"
        assert against <= set(UNITS)


@pytest.mark.parametrize(
    ("strength", "number"),
    [
        ({24: 2.0, 26: 1.0}, 1),
        ({43: 5.0, 5: 0.6}, 1),
        ({18: 1.0, 12: 1.0}, 1),
        ({12: 2.0, 15: 4.0}, 0),
        ({12: 3.0, 15: 4.0}, 1),
        ({5: 5.0, 7: 3.0}, 0),
        ({5: 1.0, 7: 4.0}, 1),
        ({24: 3.0, 18: 2.0}, 0),
        ({24: 3.0, 18: 4.0}, 1),
        ({1: 5.0, 2: 5.0, 4: 5.0, 6: 5.0, 12: 5.0}, 0),
    ],
)
def test_what_is_a_conflict(strength: dict[int, float], number: int) -> None:
    assert len(conflicts_in(strength)) == number


@given(strengths, st.integers(0, 2**32 - 1))
def test_settling_leaves_no_conflict(strength: dict[int, float], seed: int) -> None:
    before = dict(strength)
    settle(np.random.default_rng(seed), strength)
    assert not conflicts_in(strength)
    assert all(strength[au] <= before[au] for au in strength)


def test_the_weaker_unit_gives_way_more_often() -> None:
    rng = np.random.default_rng(0)
    left = []
    for _ in range(400):
        strength = {24: 4.0, 26: 1.0}
        settle(rng, strength)
        left.extend(strength)
    assert set(left) == {24, 26}
    assert 280 <= left.count(24) <= 360  # 4 of 5


def test_what_must_be_kept_is_kept() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        strength = {24: 1.0, 26: 5.0}
        settle(rng, strength, frozenset({24}))
        assert strength == {24: 1.0}
        strength = {5: 1.0, 7: 5.0}
        settle(rng, strength, frozenset({5, 7}))
        assert strength[5] == 1.0
        assert 2 < strength[7] < 3.5
