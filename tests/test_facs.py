"""The vocabulary: names, aliases, prototypes, and the label orders of the datasets."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import facs
from mien.datasets import DATASETS

# Written out again on purpose: a changed order in facs.py must be noticed here.
CLASS_ORDER = {
    "fer2013": "0 anger 1 disgust 2 fear 3 happiness 4 sadness 5 surprise 6 neutral",
    "ferplus": "0 neutral 1 happiness 2 surprise 3 sadness 4 anger 5 disgust 6 fear 7 contempt",
    "rafdb": "1 surprise 2 fear 3 disgust 4 happiness 5 sadness 6 anger 7 neutral",
    "affectnet7": "0 neutral 1 happiness 2 sadness 3 surprise 4 fear 5 disgust 6 anger",
    "affectnet8": "0 neutral 1 happiness 2 sadness 3 surprise 4 fear 5 disgust 6 anger 7 contempt",
    "dfew": "1 happiness 2 sadness 3 neutral 4 anger 5 surprise 6 disgust 7 fear",
    "ferv39k": "0 happiness 1 sadness 2 neutral 3 anger 4 surprise 5 disgust 6 fear",
    "mafw": (
        "1 anger 2 disgust 3 fear 4 happiness 5 neutral 6 sadness 7 surprise 8 contempt 9 anxiety"
        " 10 helplessness 11 disappointment"
    ),
    "affwild2": "0 neutral 1 anger 2 disgust 3 fear 4 happiness 5 sadness 6 surprise 7 other",
    "faba": "0 happiness 1 sadness 2 surprise 3 anger 4 neutral 5 disgust 6 fear",
    "ck+": "0 neutral 1 anger 2 contempt 3 disgust 4 fear 5 happiness 6 sadness 7 surprise",
}

UNIT_ORDER = {
    "bp4d": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
    "disfa": (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26),
    "affwild2": (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26),
    "gft": (1, 2, 4, 6, 10, 12, 14, 15, 23, 24),
    "emotionet": (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43),
    "faba": (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 27, 43),
}


def _repeated(words: list[str]) -> list[str]:
    return [word for word, count in Counter(words).items() if count > 1]


def test_unit_names_and_aliases_are_unique_and_lower_case() -> None:
    words = [w for u in facs.ACTION_UNITS.values() for w in (u.name, *u.aliases)]
    assert not _repeated(words)
    assert all(w == w.lower().strip() for w in words)


def test_expression_words_are_unique_and_lower_case() -> None:
    words = [w for e in facs.EXPRESSIONS.values() for w in {e.name, e.adjective} | set(e.aliases)]
    assert not _repeated(words)
    assert all(w == w.lower().strip() for w in words)
    assert set(facs.expression_words()) == set(words)


def test_units_have_their_parts() -> None:
    for number, unit in facs.ACTION_UNITS.items():
        assert unit.number == number
        assert unit.region in facs.REGIONS
        assert unit.muscles
    assert list(facs.ACTION_UNITS) == sorted(facs.ACTION_UNITS)


def test_au_info() -> None:
    assert facs.au_info(12).name == "lip corner puller"
    with pytest.raises(ValueError, match="unknown action unit 3"):
        facs.au_info(3)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("happiness", "happiness"),
        ("Happy", "happiness"),
        (" JOY ", "happiness"),
        ("mad", "anger"),
        ("Unhappy", "sadness"),
        ("afraid", "fear"),
        ("surprised", "surprise"),
        ("no expression", "neutral"),
        ("scorn", "contempt"),
        ("anxious", "anxiety"),
    ],
)
def test_canonical_expression(word: str, name: str) -> None:
    assert facs.canonical_expression(word) == name


@pytest.mark.parametrize("word", ["", "hungry", "happy sad", "not happy"])
def test_canonical_expression_refuses(word: str) -> None:
    with pytest.raises(ValueError, match="unknown expression"):
        facs.canonical_expression(word)


@pytest.mark.parametrize(("dataset", "written"), CLASS_ORDER.items())
def test_class_order(dataset: str, written: str) -> None:
    parts = written.split()
    expected = {int(n): name for n, name in zip(parts[::2], parts[1::2], strict=True)}
    assert dict(DATASETS[dataset].expressions) == expected


@pytest.mark.parametrize(("dataset", "units"), UNIT_ORDER.items())
def test_unit_order(dataset: str, units: tuple[int, ...]) -> None:
    assert DATASETS[dataset].action_units == units


def test_disfa_averages_over_eight_units() -> None:
    assert DATASETS["disfa"].benchmark_units == (1, 2, 4, 6, 9, 12, 25, 26)


def test_every_list_uses_known_names() -> None:
    for labels in facs.LABEL_SETS.values():
        assert not _repeated(list(labels))
        assert set(labels) <= set(facs.EXPRESSIONS)
    for dataset in DATASETS.values():
        assert set(dataset.expressions.values()) <= set(facs.EXPRESSIONS)
        assert set(dataset.action_units) <= set(facs.ACTION_UNITS)
        assert set(dataset.benchmark_units) <= set(dataset.action_units)


def test_label_sets_match_their_datasets() -> None:
    for name, dataset in (("affwild2", "affwild2"), ("mafw11", "mafw")):
        assert facs.LABEL_SETS[name] == tuple(DATASETS[dataset].expressions.values())
    assert facs.LABEL_SETS["basic8"][:7] == facs.LABEL_SETS["basic7"]


def test_prototypes_use_known_units_and_name_their_source() -> None:
    assert facs.__doc__ is not None
    for prototype in facs.PROTOTYPES:
        assert prototype.units
        assert prototype.units <= set(facs.ACTION_UNITS)
        assert prototype.expression in facs.EXPRESSIONS
        assert f"{prototype.source}:" in facs.__doc__
    assert len(set(facs.PROTOTYPES)) == len(facs.PROTOTYPES)


@pytest.mark.parametrize("expression", facs.EXPRESSIONS)
def test_no_unit_speaks_for_and_against(expression: str) -> None:
    for prototype in facs.prototypes_of(expression):
        assert not prototype.units & facs.units_against(expression)
    assert facs.units_against(expression) <= set(facs.ACTION_UNITS)


def test_matching_prototypes_puts_the_most_specific_first() -> None:
    found = facs.matching_prototypes([12, 6, 25])
    assert [p.expression for p in found] == ["happiness"] * 4
    assert found[0].units == {6, 12, 25}
    assert facs.matching_prototypes([]) == ()


@pytest.mark.parametrize(
    ("expression", "present", "units", "complete"),
    [
        ("happiness", {12}, {12}, True),
        ("happiness", {6, 12, 25, 4}, {6, 12, 25}, True),
        ("happiness", {25}, set(), False),  # half of 12 + 25, but the half that talk shares
        ("happiness", {6}, {6}, False),
        ("anger", {25}, set(), False),
        ("anger", {4}, set(), False),  # a third
        ("anger", {4, 23}, {4, 23}, False),
        ("anger", {4, 7, 5, 25}, {4, 5, 7}, True),  # 25 goes with 10 and 23, which are not there
        ("fear", {25, 26}, set(), False),
        ("fear", {5, 25}, {5}, False),
        ("fear", {1, 4, 25}, {1, 4, 25}, False),
        ("fear", {1, 2, 4, 20}, {1, 2, 4}, True),
        ("disgust", {17}, set(), False),
        ("disgust", {9, 17}, {9, 17}, True),
        ("surprise", {1, 26}, {1, 26}, False),
        ("neutral", {1, 2, 5}, set(), False),
        ("other", {12}, set(), False),
        ("anger", set(), set(), False),
    ],
)
def test_supporting_units(
    expression: str, present: set[int], units: set[int], complete: bool
) -> None:
    assert facs.supporting_units(expression, present) == facs.Support(frozenset(units), complete)


@given(
    st.sampled_from(sorted(facs.EXPRESSIONS)),
    st.frozensets(st.sampled_from(sorted(facs.ACTION_UNITS))),
)
def test_support_is_present_and_one_combination_or_whole_ones(
    expression: str, present: frozenset[int]
) -> None:
    support = facs.supporting_units(expression, present)
    combinations = [p.units for p in facs.prototypes_of(expression)]
    whole = [c for c in combinations if c <= present]
    assert support.complete == bool(whole)
    assert support.units <= present
    if whole:
        assert all(any(unit in c for c in whole) for unit in support.units)
    elif support.units:
        assert any(
            support.units == c & present and 2 * len(support.units) >= len(c) for c in combinations
        )
        assert support.units - facs.SHARED_UNITS


@pytest.mark.parametrize(("letter", "number"), list(zip("ABCDE", range(1, 6), strict=True)))
def test_intensity_letters_both_ways(letter: str, number: int) -> None:
    assert facs.intensity_number(letter) == facs.intensity_number(letter.lower()) == number
    assert facs.intensity_letter(number) == letter


@pytest.mark.parametrize(
    ("value", "letter"), [(0, None), (0.49, None), (0.5, "A"), (2.5, "C"), (4.4, "D"), (5.0, "E")]
)
def test_intensity_rounds_half_up(value: float, letter: str | None) -> None:
    assert facs.intensity_letter(value) == letter


@pytest.mark.parametrize("value", [-0.1, 5.1, float("nan")])
def test_intensity_outside_its_scale(value: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        facs.intensity_letter(value)


@pytest.mark.parametrize("letter", ["F", "", "AB", "0"])
def test_no_such_letter(letter: str) -> None:
    with pytest.raises(ValueError, match="not one of A, B, C, D, E"):
        facs.intensity_number(letter)
