"""Splits without shared people."""

from __future__ import annotations

import pytest

from mien.data.folds import BP4D_PARTS, DISFA_PARTS, fold_split, folds
from mien.sample import Sample


def people(counts: dict[str, int]) -> list[Sample]:
    return [
        Sample(f"{name}{k}", "d", "a.png", subject=name)
        for name, count in counts.items()
        for k in range(count)
    ]


def test_published_parts_hold_everyone_once() -> None:
    assert [len(part) for part in BP4D_PARTS] == [14, 14, 13]
    assert [len(part) for part in DISFA_PARTS] == [9, 9, 9]
    women = {f"F{n:03d}" for n in range(1, 24)}
    men = {f"M{n:03d}" for n in range(1, 19)}
    assert frozenset().union(*BP4D_PARTS) == women | men
    assert len(frozenset().union(*DISFA_PARTS)) == 27


def test_fold_1_tests_on_the_third_part() -> None:
    assert fold_split(BP4D_PARTS, 1, "F007") == "test"
    assert fold_split(BP4D_PARTS, 3, "F001") == "test"
    assert fold_split(BP4D_PARTS, 1, "F001") == "train"
    with pytest.raises(ValueError, match="F099 is in none"):
        fold_split(BP4D_PARTS, 1, "F099")


def test_folds_are_balanced_whole_and_repeatable() -> None:
    samples = people({"a": 5, "b": 4, "c": 3, "d": 3, "e": 2, "f": 1})
    parts = folds(samples, 3, seed=1)
    sizes = [sum(s.subject in part for s in samples) for part in parts]
    assert sizes == [6, 6, 6]
    assert sorted(name for part in parts for name in part) == list("abcdef")
    assert folds(list(reversed(samples)), 3, seed=1) == parts
    equal = people({name: 1 for name in "abcdefgh"})
    assert len({tuple(folds(equal, 2, seed=s)) for s in range(5)}) > 1


def test_folds_need_people() -> None:
    with pytest.raises(ValueError, match="names no subject"):
        folds([Sample("1", "d", "a.png")])
    with pytest.raises(ValueError, match="1 people cannot be divided into 3"):
        folds(people({"a": 3}))
