"""What a text says of its units is true to the labels, and what is not is found."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import facs
from mien.language import TASKS, check_reasons, conversation, describe, parse
from mien.language.prose import fill, names
from mien.language.reasons import NOTHING_MOVES, claim_of, says_still
from mien.language.words import load

Units = dict[int, float | None]
CLAIMS = {
    "support": "support",
    "description": "support",
    "partial_support": "partial",
    "partial_description": "partial",
    "against": "against",
    "aside": None,
}

PHRASES = r"[^.:;]+ \(AU\d+\)"

expressions = st.sampled_from(sorted(facs.EXPRESSIONS))
units_strategy = st.dictionaries(
    st.sampled_from(sorted(facs.ACTION_UNITS)),
    st.none() | st.floats(0.01, 5.0),
    max_size=len(facs.ACTION_UNITS),
)


def named(text: str) -> set[int]:
    return {int(n) for n in re.findall(r"AU(\d+)", text)}


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.])\s+", text)


@cache
def written(kind: str, expression: str) -> tuple[re.Pattern[str], ...]:
    """The sentences of a kind as patterns, made without the code that looks for claims."""
    found = []
    openings = "|".join(load("phrases.json")["patterns"]["opening"])
    nouns, adjectives = names(expression)
    for pattern in load("phrases.json")["patterns"][kind]:
        for plural, noun, adjective in product((False, True), nouns, adjectives):
            text = fill(
                pattern,
                expression,
                noun=noun,
                adjective=adjective,
                units="the @",
                clauses="@",
                plural=plural,
            )
            whole = f"(?:{openings}|[^@]*, )?{re.escape(text)}".replace("@", PHRASES)
            found.append(re.compile(whole, re.IGNORECASE))
    return tuple(dict.fromkeys(found))


def kind_of(sentence: str, expression: str) -> str | None:
    if not named(sentence):
        return None
    kinds = {kind for kind in CLAIMS for p in written(kind, expression) if p.fullmatch(sentence)}
    assert len(kinds) < 2, (sentence, kinds)
    return kinds.pop() if kinds else None


@settings(max_examples=300, deadline=None)
@given(expressions, units_strategy, st.integers(0, 2**32))
def test_every_text_is_true(expression: str, units: Units, seed: int) -> None:
    support = facs.supporting_units(expression, units)
    texts = [
        describe(task, expression=expression, units=units, rng=random.Random(seed))
        for task in TASKS
    ]
    turns = conversation(expression=expression, units=units, rng=random.Random(seed))
    for text in texts + [answer for _, answer in turns]:
        assert named(text) <= set(units), text
        for sentence in sentences(text):
            kind = kind_of(sentence, expression)
            if kind in ("support", "description"):
                assert support.complete, text
            if kind in ("support", "description", "partial_support", "partial_description"):
                assert named(sentence) <= support.units, text
                assert support.complete != kind.startswith("partial"), text
            if kind == "against":
                assert named(sentence) <= facs.units_against(expression), text
    for text in texts:
        assert parse(text).status == "ok", text
        assert check_reasons(text, expression, units) == [], text


@settings(max_examples=200, deadline=None)
@given(expressions, units_strategy, units_strategy, st.integers(0, 2**32))
def test_units_that_are_absent_are_found(
    expression: str, units: Units, others: Units, seed: int
) -> None:
    text = describe("analysis", expression=expression, units=units, rng=random.Random(seed))
    faults = check_reasons(text, expression, others)
    for unit in named(text) - set(others):
        assert f"AU{unit} is absent" in faults
    apart = [f for f in faults if f.endswith("is absent") or f == NOTHING_MOVES]
    assert check_reasons(text, None, others) == apart


@settings(max_examples=200, deadline=None)
@given(expressions, expressions, units_strategy, st.integers(0, 2**32))
def test_reasons_of_another_expression_are_found(
    expression: str, other: str, units: Units, seed: int
) -> None:
    text = describe("reasoning", expression=expression, units=units, rng=random.Random(seed))
    prose = text.split(" ", 1)[1]
    for sentence in sentences(prose):
        kind = kind_of(sentence, expression)
        faults = check_reasons(sentence, other, units)
        if kind == "against" and not named(sentence) <= facs.units_against(other):
            assert faults, (sentence, other)
        if kind is not None and "support" in kind and other != expression:
            assert faults, (sentence, other)


@pytest.mark.parametrize("kind", CLAIMS)
def test_every_wording_is_taken_for_what_it_says(kind: str) -> None:
    for pattern in load("phrases.json")["patterns"][kind]:
        for plural in (False, True):
            words = fill(pattern, "fear", units="<0>", clauses="<0>", plural=plural)
            names_one = "fear" in words.lower()
            assert claim_of(words, names_expression=names_one) == CLAIMS[kind], words


@pytest.mark.parametrize(
    ("words", "present", "faults"),
    [
        ("The raised cheeks (AU6) speak for happiness.", {6, 12}, []),
        ("The raised cheeks (AU6) speak for happiness.", {12}, ["AU6 is absent"]),
        ("The raised cheeks (AU6) speak for happiness.", {6}, ["AU6 speaks {} only in part"]),
        ("The raised cheeks (AU6) speak in part for happiness.", {6}, []),
        ("The raised cheeks (AU6) speak in part for happiness.", {6, 12}, []),
        ("The parted lips (AU25) point to happiness.", {25}, ["AU25 does not speak {}"]),
        ("The parted lips (AU25) say so.", {25}, ["AU25 does not speak {}"]),
        ("The parted lips (AU25) leave the reading open.", {25}, []),
        ("The lips are parted (AU25).", {25}, []),
        ("The parted lips (AU25) speak against it.", {25}, ["AU25 is no sign against happiness"]),
        ("On the other hand, the lowered brows (AU4) fit this less well.", {4}, []),
        # the words of one unit beside the number of another, or beside none
        ("The slightly raised cheeks (AU12) fit a happy expression.", {12}, ["AU6 is absent"]),
        ("The raised mouth corners (AU12) and the lowered brows say so.", {12}, ["AU4 is absent"]),
        ("The lip corners (AU12) speak for anger.", {12}, ["the words say anger, not happiness"]),
        ("AU4 and the lip corner puller are active.", {12}, ["AU4 is absent"]),
        ("No AU4. The face as a whole looks happy.", {12}, []),
        ("Happiness. AU6 (B), AU25 (A).\nThe face as a whole looks happy.", {6, 25}, []),
    ],
)  # fmt: skip
def test_faults(words: str, present: set[int], faults: list[str]) -> None:
    expected = [fault.format("for happiness") for fault in faults]
    assert check_reasons(words, "happy", present) == expected


def test_an_unknown_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown expression"):
        check_reasons("The face is at rest.", "hungry", ())


def test_every_wording_for_stillness_is_found_and_no_other() -> None:
    phrases = load("phrases.json")
    still = {"still", "at_rest", "bare"}
    silent = {"No action unit explains this, so the reading rests on the face as a whole."}
    for kind, wordings in phrases["patterns"].items():
        for pattern in wordings:
            wording = re.sub(r"\{(?:a_)?(?:quality|second)\}", "calm", pattern)
            text = fill(wording, "fear", units="the raised brows", clauses="the brows are raised")
            assert says_still(text) == (kind in still and pattern not in silent), text
    for entry in phrases["expressions"].values():
        assert not any(map(says_still, entry["general"]))


@pytest.mark.parametrize(
    ("text", "still"),
    [
        ("The face shows little movement.", True),
        ("There is no visible movement.", True),
        ("The facial muscles are completely relaxed.", True),
        ("Happiness. All features are at rest.", True),
        ("This face is still, calm and even.", True),
        ("The face is still happy.", False),
        ("The rest of the face is relaxed.", False),
        ("The lower half of the face shows no movement.", False),
        ("The brows are relaxed.", False),
        ("There is no movement of the brows.", False),
        ("The eyes show little movement.", False),
        ("The face is not at rest.", False),
        ("The movement of the mouth is little.", False),
    ],
)
def test_stillness(text: str, still: bool) -> None:
    assert says_still(text) == still


def test_stillness_beside_present_units_is_a_fault() -> None:
    text = "Happiness. The face shows little movement."
    assert check_reasons(text, "happiness", {12}) == [NOTHING_MOVES]
    assert check_reasons(text, None, {12}) == [NOTHING_MOVES]
    assert check_reasons(text, "happiness", ()) == []
