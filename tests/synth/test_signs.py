"""The combinations of expressions in units that are drawn."""

from __future__ import annotations

import pytest

from mien import facs
from mien.synth.conflicts import UNITS
from mien.synth.signs import SIGNS, may_join, sign_of, signals

LOST = {(9, 10, 24), (4, 5, 7, 10, 23), (4, 7, 10, 23)}
"""Prototypes with 10 and a 24 (as such or for 23), which exclude each other."""


@pytest.mark.parametrize(
    "prototype",
    facs.PROTOTYPES,
    ids=lambda p: f"{p.expression}-{'+'.join(map(str, sorted(p.units)))}",
)
def test_each_prototype_is_drawn_or_left_out_knowingly(prototype: facs.Prototype) -> None:
    sign = sign_of(prototype)
    if sign is None:
        assert tuple(sorted(prototype.units)) in LOST
        return
    assert set(sign.units) <= set(UNITS)
    assert sign.unilateral == prototype.unilateral
    assert any(set(s.units) == set(sign.units) for s in SIGNS[prototype.expression])
    for low, high in sign.units.values():
        assert 0.5 <= low < high <= 5


def test_units_that_are_not_drawn_have_a_stand_in() -> None:
    wide = sign_of(facs.Prototype("surprise", frozenset({1, 2, 5, 27}), "EMFACS"))
    assert wide is not None
    assert wide.units[26] == (3.6, 5.0)
    weak = sign_of(facs.Prototype("sadness", frozenset({1, 4, 11}), "EMFACS"))
    assert weak is not None
    assert weak.units[10] == (0.5, 2.0)
    assert sign_of(facs.Prototype("surprise", frozenset({28}), "EMFACS")) is None


def test_every_basic_expression_has_combinations() -> None:
    assert set(SIGNS) == set(facs.LABEL_SETS["basic8"]) - {"neutral"}
    assert all(len({frozenset(s.units) for s in signs}) == len(signs) for signs in SIGNS.values())


def test_signals() -> None:
    assert signals("happiness", {6, 12})
    assert not signals("happiness", {6})
    assert signals("fear", {1, 2, 4, 17})


def test_what_may_join() -> None:
    assert may_join("happiness", 26, frozenset({6, 12}))
    assert not may_join("happiness", 12, frozenset({6, 12})), "it is there"
    assert not may_join("happiness", 15, frozenset({6, 12})), "it speaks against"
    assert not may_join("happiness", 18, frozenset({6, 12})), "it is in conflict"
    assert not may_join("sadness", 14, frozenset({1, 4})), "it would be contempt too"
