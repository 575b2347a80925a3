"""Labels to text and back: what `describe` writes, `parse` reads as exactly those labels."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import facs
from mien.language import (
    TASKS,
    Task,
    conversation,
    describe,
    label_line,
    parse,
    prompt_for,
    prompts,
)
from mien.language.labels import level
from mien.language.names import expression_pattern
from mien.language.reasons import claim_of
from mien.language.words import load
from mien.metrics.text import words

BASIC8 = facs.LABEL_SETS["basic8"]
SUPPORT = re.compile(
    r"speaks? (?:in part )?for|makes? the face look|points? (?:partly )?to|\btypical|because of"
    r"|signs?|usual look|part of|fits? an? "
)
Units = dict[int, float | None]


def lists(node: object) -> Iterator[list[str]]:
    """All lists of texts in a phrase file."""
    if isinstance(node, dict):
        for value in node.values():
            yield from lists(value)
    elif isinstance(node, list) and all(isinstance(item, str) for item in node):
        yield node
    elif isinstance(node, list):
        for value in node:
            yield from lists(value)


units_strategy = st.dictionaries(
    st.sampled_from(sorted(facs.ACTION_UNITS)),
    st.none() | st.floats(0.01, 5.0),
    max_size=len(facs.ACTION_UNITS),
)


def levels(units: Units) -> dict[int, int | None]:
    return {u: None if i is None else level(i) for u, i in units.items()}


def named(text: str) -> set[int]:
    return {int(n) for n in re.findall(r"AU(\d+)", text)}


def check(task: Task, expression: str, units: Units, text: str) -> None:
    """The text conveys the labels that its task promises, no more and no less."""
    parsed = parse(text)
    assert parsed.status == "ok", (text, parsed.reason)
    only_units = task in ("au_detection", "au_description")
    assert parsed.expression == (None if only_units else expression), text
    if only_units or task == "analysis":
        assert parsed.units == levels(units), text
    else:
        assert set(parsed.units) == named(text) <= set(units), text
        assert len(named(text)) <= 6
        assert all(v is None for v in parsed.units.values()), text
    if task == "expression":
        assert not parsed.units
    states_none = not units and (only_units or task == "analysis")
    assert parsed.absent == (frozenset(facs.ACTION_UNITS) if states_none else frozenset()), text


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BASIC8), units_strategy, st.integers(0, 2**32))
def test_parse_reads_back_what_describe_wrote(expression: str, units: Units, seed: int) -> None:
    for task in TASKS:
        text = describe(task, expression=expression, units=units, rng=random.Random(seed))
        check(task, expression, units, text)


@pytest.mark.parametrize("expression", sorted(facs.EXPRESSIONS))
def test_every_expression_with_its_own_units(expression: str) -> None:
    combinations = [p.units for p in facs.prototypes_of(expression)] or [frozenset({4, 25})]
    for seed in range(40):
        rng = random.Random(seed)
        units: Units = dict.fromkeys(rng.choice(combinations), rng.choice([None, 1.0, 3.3, 5.0]))
        for task in TASKS:
            check(
                task, expression, units, describe(task, expression=expression, units=units, rng=rng)
            )


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BASIC8), units_strategy, st.integers(0, 2**32))
def test_text_is_short_and_claims_no_support_without_any(
    expression: str, units: Units, seed: int
) -> None:
    for task in ("reasoning", "analysis"):
        text = describe(task, expression=expression, units=units, rng=random.Random(seed))
        prose = text.split("\n", 1)[1] if task == "analysis" else text.split(" ", 1)[1]
        assert named(prose) <= set(units)
        assert len(prose.split()) <= 55, prose
        if units and not facs.supporting_units(expression, units).units:
            assert not SUPPORT.search(prose), prose


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*BASIC8, None]), st.none() | units_strategy, st.integers(0, 2**32))
def test_conversations_are_true(expression: str | None, units: Units | None, seed: int) -> None:
    if expression is None and units is None:
        return
    turns = conversation(expression=expression, units=units, rng=random.Random(seed))
    assert 1 <= len(turns) <= 3
    assert len({q for q, _ in turns}) == len(turns)
    for question, answer in turns:
        assert question[0].isupper()
        assert question[-1] in "?."
        assert named(answer) <= set(units or {})
        parsed = parse(answer)
        if parsed.status == "ok":
            assert parsed.expression in (None, expression), answer
            graded = {u: g for u, g in parsed.units.items() if g is not None}
            assert graded.items() <= levels(units or {}).items()
    assert parse(turns[0][1]).status == "ok"


def test_conversations_at_times_ask_what_no_face_can_tell() -> None:
    answers = {a for entry in load("dialogue.json")["unknowable"] for a in entry["answers"]}
    told = [
        any(
            a in answers for _, a in conversation(expression="fear", units={}, rng=random.Random(s))
        )
        for s in range(200)
    ]
    assert 20 < sum(told) < 150
    for answer in answers:
        assert parse(answer).status == "unparsed", answer


@pytest.mark.parametrize(
    ("expression", "units", "line"),
    [
        ("happiness", {25: None, 12: 4.0, 6: 2.0}, "Happiness. AU6 (B), AU12 (D), AU25."),
        ("Happy", {}, "Happiness. No action units."),
        (None, {1: 0.2, 2: 4.6}, "AU1 (A), AU2 (E)."),
        ("fear", None, "Fear."),
        (None, None, ""),
    ],
)
def test_label_line(expression: str | None, units: Units | None, line: str) -> None:
    assert label_line(expression, units) == line


@pytest.mark.parametrize("units", [{99: None}, {4: 0.0}, {4: -1.0}, {4: 5.1}, {4: float("nan")}])
def test_wrong_units_are_refused(units: Units) -> None:
    with pytest.raises(ValueError, match=r"99|intensity"):
        label_line(None, units)


@pytest.mark.parametrize("task", TASKS)
def test_unknown_labels_are_refused_not_guessed(task: Task) -> None:
    rng = random.Random(0)
    with pytest.raises(ValueError, match="needs"):
        describe(task, expression=None, units=None, rng=rng)
    if task in ("reasoning", "au_detection", "au_description"):
        with pytest.raises(ValueError, match="needs action units"):
            describe(task, expression="fear", units=None, rng=rng)
    else:
        assert named(describe(task, expression="fear", units=None, rng=rng)) == set()


def test_unknown_task_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown task"):
        prompts("sing")  # type: ignore[arg-type]


def test_analysis_begins_with_the_label_line() -> None:
    units: Units = {6: 2.0, 12: 4.0, 25: None}
    text = describe("analysis", expression="happiness", units=units, rng=random.Random(1))
    line, prose = text.split("\n")
    assert line == label_line("happiness", units)
    assert prose.endswith(".")


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_same_text_and_wording_varies(task: Task) -> None:
    def write(seed: int) -> str:
        units: Units = {1: 2.0, 4: 3.0, 15: None}
        return describe(task, expression="sadness", units=units, rng=random.Random(seed))

    assert [write(s) for s in range(20)] == [write(s) for s in range(20)]
    assert task == "au_detection" or len({write(s) for s in range(20)}) > 1


def test_grammar_of_every_text() -> None:
    for seed in range(1500):
        rng = random.Random(seed)
        chosen = rng.sample(sorted(facs.ACTION_UNITS), rng.randrange(9))
        units: Units = {u: rng.choice([None, rng.uniform(0.1, 5)]) for u in chosen}
        expression = rng.choice(sorted(facs.EXPRESSIONS))
        texts = [describe(t, expression=expression, units=units, rng=rng) for t in TASKS]
        for turn in conversation(expression=expression, units=units, rng=rng):
            texts += turn
        for text in texts:
            assert re.fullmatch(r"[ -~\n]+", text), text
            assert text[0].isupper(), text
            assert text[-1] in ".?", text
            assert not re.search(r"  | [,.:]|[{}\[\]|]|\.\.|\ba [aeiou]|\ban [^aeiou]", text), text
            assert not re.search(r"[.?] [a-z]", text), text


@pytest.mark.parametrize("task", TASKS)
def test_prompts(task: Task) -> None:
    wordings = prompts(task)
    assert len(wordings) >= 4
    assert len(set(wordings)) == len(wordings)
    assert prompt_for(task) == wordings[0]
    assert prompt_for(task, random.Random(3)) in wordings
    for text in wordings:
        assert re.fullmatch(r"[A-Z][ -~]*[.?]", text), text
        assert "{" not in text


def test_no_prompt_asks_for_two_tasks() -> None:
    everything = [text for task in TASKS for text in prompts(task)]
    assert len(set(everything)) == len(everything)


def test_wordings_of_units_name_and_claim_nothing_else() -> None:
    phrases = load("phrases.json")
    owners: dict[str, str] = {}
    for unit, entry in phrases["units"].items():
        for wording in entry["plural"] + entry["singular"] + entry["clause"]:
            plain = wording.replace("{}", "")
            assert wording.count("{}") <= 1, wording
            assert not wording.endswith("{}"), wording
            assert len(plain.split()) <= 9, wording
            assert owners.setdefault(plain, unit) == unit, wording
            assert claim_of(plain, names_expression=False) is None, wording
            assert not expression_pattern().search(plain), wording


def test_no_sentence_stands_twice() -> None:
    for name in ("phrases.json", "dialogue.json", "prompts.json"):
        for wordings in lists(load(name)):
            assert len(set(wordings)) == len(wordings), wordings


def test_vocabulary_is_wide() -> None:
    seen: set[str] = set()
    for seed in range(3_000):
        rng = random.Random(seed)
        expression = rng.choice(BASIC8)
        own = rng.choice([p.units for p in facs.prototypes_of(expression)] or [frozenset()])
        chosen = own | set(rng.sample(sorted(facs.ACTION_UNITS), rng.randrange(3)))
        units: Units = {u: rng.choice([None, 1.0, 2.0, 3.0, 4.0, 5.0]) for u in chosen}
        task = rng.choice(("analysis", "reasoning", "expression_description", "au_description"))
        seen |= set(words(describe(task, expression=expression, units=units, rng=rng)))
    assert len({w for w in seen if w.isalpha()}) >= 550


def test_phrases_cover_facs() -> None:
    phrases = load("phrases.json")
    assert set(phrases["units"]) == {str(u) for u in facs.ACTION_UNITS}
    assert set(phrases["expressions"]) == set(facs.EXPRESSIONS)
    assert set(phrases["adverbs"]) == {"1", "2", "3", "4", "5"}
    for unit, entry in phrases["units"].items():
        nouns = entry["plural"] + entry["singular"]
        assert len(nouns) >= 2, unit
        assert len(entry["clause"]) >= 2, unit
        assert all(noun.startswith("the ") for noun in nouns), unit
        for phrase in nouns + entry["clause"]:
            assert set(parse(phrase.replace("{}", "")).units) <= {int(unit)}, phrase
    for name, entry in phrases["expressions"].items():
        assert len(entry["general"]) >= 2, name
        for sentence in entry["general"]:
            assert parse(sentence).expression in (None, name), sentence
