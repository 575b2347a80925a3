"""What public models write (`answers.jsonl`), alone and wrapped: never another label than meant."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import facs
from mien.language import parse
from mien.language.parse import Parsed
from mien.language.visible import LONGEST, LONGEST_ANSWER

FORMS = [json.loads(line) for line in Path(__file__).with_name("answers.jsonl").open("rb")]
# marks that count only where a text begins, or of which one text has only one kind
INNER = [f for f in FORMS if not f["text"].startswith(("analysis", "<|channel|>analysis"))]
ALL = frozenset(facs.ACTION_UNITS)

THOUGHTS = [
    "<think>It may be fear. AU1 and AU2 are there.</think>\n\n{}",
    "Sadness comes to mind, and AU15, AU17.\n</think>\n\n{}",
    "<thinking>\nanger: 0.9\n</thinking>{}",
    "[THINK]AU4, AU7: disgust[/THINK]{}",
    "<reasoning>Contempt, AU14.</reasoning>\n{}",
    "<|channel|>analysis<|message|>AU4?<|end|><|start|>assistant<|channel|>final<|message|>{}",
    "analysisThe brows say AU4.assistantfinal{}",
    "<unused94>thought\nAU9, disgust<unused95>{}",
    "\u25c1think\u25b7anger\u25c1/think\u25b7{}",
    "<seed:think>AU43</seed:think>{}",
    "<think>a <answer>fear</answer></think><answer>{}</answer>",
]
FRAMES = ["{}<|im_end|>", "<|im_start|>assistant\n{}<|im_end|>", "{}</s>", "\n\n{}\n\n", "{}<eos>"]
FENCES = ["```\n{}\n```", "```json\n{}\n```", "```text\n{}\n```", "**Answer:**\n```\n{}\n```"]
PROSE = [
    "Sure, here is my answer.\n\n{}",
    "{}\n\nThis is what can be seen in the picture.",
    "Looking closely at the picture:\n\n{}\n\nI hope this helps!",
    "Answer: {}",
    "> {}",
    '"{}"',
]


def says(parsed: Parsed, task: str) -> tuple[object, ...]:
    """What the task asks for of what was read."""
    if task == "expression":
        return (parsed.expression,)
    return tuple(sorted(parsed.units.items(), key=lambda pair: pair[0])), parsed.absent


def wanted(form: dict) -> tuple[object, ...] | None:
    """What a form says; None where it is to be unparsed."""
    if form.get("unparsed"):
        return None
    if form["task"] == "expression":
        return (form["expression"],)
    units = {int(unit): grade for unit, grade in form["units"].items()}
    absent = form.get("absent", ())
    named = {"all": ALL, "rest": ALL - set(units)}.get(str(absent))
    return tuple(sorted(units.items())), frozenset(absent) if named is None else named


def test_the_list_is_long_and_of_both_kinds() -> None:
    assert len(FORMS) >= 400
    for task in ("expression", "au_detection"):
        kinds = [bool(form.get("unparsed")) for form in FORMS if form["task"] == task]
        assert kinds.count(True) >= 40
        assert kinds.count(False) >= 100


def test_every_form_is_read_as_it_is_meant() -> None:
    wrong = []
    for form in FORMS:
        parsed = parse(form["text"], form["task"])
        got = says(parsed, form["task"]) if parsed.status == "ok" else None
        if got != wanted(form) or parsed.scores != form.get("scores", parsed.scores):
            wrong.append((form["text"], parsed))
    assert not wrong


@pytest.mark.parametrize("wrap", [*THOUGHTS, *FRAMES])
def test_thoughts_and_marks_of_turns_change_nothing(wrap: str) -> None:
    wrong = []
    for form in INNER:
        parsed = parse(wrap.replace("{}", form["text"]), form["task"])
        got = says(parsed, form["task"]) if parsed.status == "ok" else None
        lost = got is None and "|>" in form["text"]  # marks of turns within marks of answers
        if got != wanted(form) and not lost:
            wrong.append((form["text"], parsed))
    assert not wrong


@pytest.mark.parametrize("wrap", [*FENCES, *PROSE])
def test_wrapped_forms_are_never_read_as_something_else(wrap: str) -> None:
    wrong, lost = [], 0
    for form in INNER:
        parsed = parse(wrap.replace("{}", form["text"]), form["task"])
        if parsed.status != "ok":
            lost += wanted(form) is not None
        elif says(parsed, form["task"]) != wanted(form):
            wrong.append((form["text"], parsed))
    assert not wrong
    assert lost < len(FORMS) / 3  # "unparsed" is safe, and yet no way out


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(INNER),
    st.sampled_from([*THOUGHTS, *FRAMES, "{}"]),
    st.sampled_from([*FENCES, *PROSE, "{}"]),
)
def test_wrapped_twice(form: dict, outer: str, inner: str) -> None:
    parsed = parse(outer.replace("{}", inner.replace("{}", form["text"])), form["task"])
    assert parsed.status != "ok" or says(parsed, form["task"]) == wanted(form)


def test_bare_numbers_are_units_only_where_units_were_asked_for() -> None:
    for text in ("6, 12, 25", "[6, 12]", "6B+12C+25", "FACS: 6, 12", "None.", "[]"):
        assert parse(text, "au_detection").status == "ok"
        for task in (None, "expression", "analysis", "conversation", "reasoning"):
            assert parse(text, task).status == "unparsed", (text, task)


def test_a_text_that_ends_inside_its_thoughts_says_so() -> None:
    for text in (
        "<think>happiness",
        "a</think>b<think>happiness",
        "<|channel|>analysis<|message|>x",
    ):
        assert parse(text).reason == "the text ends inside its thoughts"


def test_what_is_too_long_is_not_read() -> None:
    assert parse("happiness " * LONGEST).status == "unparsed"
    assert parse("happiness " * LONGEST_ANSWER).status == "unparsed"
    assert parse("sad " * 100_000 + "</think>happiness").expression == "happiness"


PIECES = [
    *(
        "not ",
        "AU1, ",
        "( ",
        "is very ",
        "happiness ",
        "happiness: 0.5, ",
        "no action units ",
        "```",
    ),
    *(
        '{"a": ',
        "[",
        "<think>",
        "| a ",
        "```json ",
        "6, ",
        "6+",
        "and ",
        "choose from ",
        "none of the ",
    ),
    *(" ", "\n", "AU6 (", "active ", "the ", "\\boxed{", "<answer>", "1e9", "* ", "_", "if ", "- "),
]


@pytest.mark.parametrize("piece", PIECES)
def test_reading_takes_time_in_proportion_to_the_length(piece: str) -> None:
    """Eight times the text may take some thirty times as long; by its square it would be 64."""

    def seconds(length: int) -> float:
        text = "AU6 is there, happy. " + piece * (length // len(piece)) + "AU4: absent"
        taken = []
        for _ in range(2):
            start = time.process_time()
            for task in ("au_detection", "expression"):
                parse(text, task)
            taken.append(time.process_time() - start)
        return min(taken)

    assert seconds(40_000) < 30 * max(seconds(5_000), 0.01)
