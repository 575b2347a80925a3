import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import facs
from mien.language import describe
from mien.rewards import (
    CHECKED,
    REWARDS,
    au_f1_reward,
    checkable,
    columns_of,
    expression_reward,
    format_reward,
    reasons_reward,
)

SMILE = {"expression": "happiness", "present": [6, 12], "absent": [4]}
STILL = {"expression": "neutral", "present": [], "absent": [4, 12]}
UNKNOWN = {"expression": None, "present": None, "absent": None}
GOOD = (
    "Happiness. AU6 (B), AU12 (D).\n"
    "The raised cheeks (AU6) and the pulled-up lip corners (AU12) are signs of happiness."
)
UNITS = st.sets(st.sampled_from(sorted(facs.ACTION_UNITS)), max_size=6)


def one(reward, completion, face, task="analysis", **options):
    """The reward of one answer, called as TRL calls it."""
    columns = {name: [value] for name, value in face.items()}
    (value,) = reward(
        prompts=["?"], completions=[completion], completion_ids=[[1]], task=[task],
        trainer_state=None, **columns, **options,
    )  # fmt: skip
    return value


@pytest.mark.parametrize(
    ("text", "face", "expected"),
    [
        ("AU6 (B), AU12 (D).", SMILE, 1.0),
        ("AU12 (D).", SMILE, 2 / 3),  # 1 hit, 1 miss
        ("AU4 (A), AU12 (D).", SMILE, 1 / 2),  # 1 hit, 1 miss, 1 false alarm
        ("AU12 (C), AU25 (B).", SMILE, 2 / 3),  # AU25 is not labelled: neither hit nor false alarm
        ("AU25 (B).", SMILE, 0.0),
        ("No action units.", SMILE, 0.0),
        ("No action units.", STILL, 1.0),
        ("AU4 (B).", STILL, 0.0),  # hallucinated
        ("AU25 (B).", STILL, 1.0),  # of the known units, none is named
        ("Happiness.", STILL, 0.0),  # says nothing of units
        ("AU12 is present. AU12 is absent.", SMILE, 0.0),  # cannot be read
        ("AU12 is present. AU12 is absent.", STILL, 0.0),
        ("AU12 (D).", UNKNOWN, None),
    ],
)
def test_units(text, face, expected):
    assert one(au_f1_reward, text, face) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Happiness.", 1.0), ("Sadness.", 0.0), ("AU12 (D).", 0.0), ("", 0.0)],
)
def test_expression(text, expected):
    assert one(expression_reward, text, SMILE) == expected
    assert one(expression_reward, text, UNKNOWN) is None


@pytest.mark.parametrize(
    ("task", "text", "expected"),
    [
        ("analysis", GOOD, 1.0),
        ("analysis", GOOD.replace("\n", " "), 2 / 3),  # the label is no line of its own
        ("analysis", "Happiness. AU6 (B), AU12 (D).", 1 / 3),  # no line end and no explanation
        ("analysis", GOOD.replace("(AU6)", "(AU6) and the lowered brows (AU4)"), 2 / 3),
        ("expression", "Happiness.", 1.0),
        ("expression", "The face shows happiness.", 2 / 3),
        ("category", "happiness", 1.0),
        ("category", "Happiness.", 1.0),
        ("category", "Happiness. AU12 (A).", 2 / 3),
        ("au_detection", "AU6 (B), AU12 (D).", 1.0),
        ("au_detection", "AU12 (D), AU6 (B).", 2 / 3),  # not in ascending order
        ("au_description", "AU12 (D).", 2 / 3),
        ("reasoning", "Happiness. The cheeks are raised (AU6).", 1.0),
        ("reasoning", "The cheeks are raised (AU6) here.", 2 / 3),
        ("expression", "what", 0.0),  # cannot be read
    ],
)
def test_form(task, text, expected):
    assert one(format_reward, text, SMILE, task) == pytest.approx(expected)


def test_too_many_words_lose_a_third():
    assert one(format_reward, GOOD, SMILE, max_words=10) == 2 / 3


@pytest.mark.parametrize(
    ("text", "face", "expected"),
    [
        (GOOD, SMILE, 1.0),
        (GOOD, {**SMILE, "present": [12], "absent": [6]}, 1 / 2),  # AU6 is absent
        (GOOD, {**SMILE, "present": [12], "absent": []}, 1.0),  # AU6 is not known
        ("Happiness. The face looks happy.", SMILE, 0.0),  # no reason
        ("Happiness. The face looks happy.", STILL, 1.0),
        ("Neutral. The face is at rest.", SMILE, 1 / 2),  # something moves
        ("Neutral. The face is at rest.", STILL, 1.0),
        ("Happiness. The lowered brows (AU4) speak for happiness.", SMILE, 1 / 2),
        ("", SMILE, 0.0),
        (GOOD, UNKNOWN, None),
    ],
)
def test_reasons(text, face, expected):
    assert one(reasons_reward, text, face) == expected


@pytest.mark.parametrize(
    ("task", "given_for"),
    [
        ("au_detection", (au_f1_reward, format_reward)),
        ("category", (expression_reward, format_reward)),
        ("reasoning", (expression_reward, format_reward, reasons_reward)),
    ],
)
def test_what_a_task_does_not_ask_for_is_not_rewarded(task, given_for):
    values = {reward: one(reward, GOOD, SMILE, task) for reward in REWARDS}
    assert {reward for reward, value in values.items() if value is not None} == set(given_for)
    with pytest.raises(ValueError, match="analysis"):
        one(format_reward, GOOD, SMILE, "juggling")


def test_without_a_column_of_tasks_the_analysis_is_meant():
    faces = {name: [value] for name, value in SMILE.items()}
    assert [reward([GOOD], **faces) for reward in REWARDS] == [[1.0]] * 4


def test_rows_of_instruction_data_give_the_columns():
    units = [{"au": 4, "present": False}, {"au": 6, "present": True}, {"au": 12, "present": True}]
    row = {"task": "reasoning", "labels": {"expression": "happiness", "action_units": units}}
    assert columns_of(row) == {"task": "reasoning", **SMILE}
    bare = {"task": "au_detection", "labels": {"expression": "happiness", "action_units": None}}
    assert not checkable(columns_of(bare))  # form alone would be rewarded
    assert checkable(columns_of({**bare, "task": "category"}))


@pytest.mark.parametrize(
    "task", ["analysis", "expression", "au_detection", "au_description", "reasoning"]
)
def test_what_describe_writes_earns_everything(task):
    for seed in range(20):
        text = describe(
            task, expression="happiness", units={6: 2.0, 12: 4.0}, rng=random.Random(seed)
        )
        values = [one(reward, text, SMILE, task) for reward in REWARDS]
        assert {value for value in values if value is not None} == {1.0}


@settings(deadline=None, max_examples=60)
@given(
    text=st.one_of(st.text(max_size=60), st.sampled_from((GOOD, "AU4.", "Sadness. AU1, AU15."))),
    present=UNITS,
    absent=UNITS,
    expression=st.none() | st.sampled_from(("happiness", "sadness", "neutral")),
    task=st.sampled_from(sorted(CHECKED)),
)
def test_whatever_is_said_a_reward_is_from_0_to_1_or_none(text, present, absent, expression, task):
    face = {"expression": expression, "present": present - absent, "absent": absent}
    messages = [{"role": "assistant", "content": text}]
    parts = [{"role": "assistant", "content": [{"type": "text", "text": text}]}]
    for reward in REWARDS:
        value = one(reward, text, face, task)
        assert value is None or 0 <= value <= 1
        assert one(reward, messages, face, task) == one(reward, parts, face, task) == value


@settings(deadline=None, max_examples=60)
@given(named=UNITS, present=UNITS, more=st.sampled_from(sorted(facs.ACTION_UNITS)))
def test_a_further_hit_never_lowers_f1_and_a_false_alarm_never_raises_it(named, present, more):
    face = {"present": present, "absent": set(facs.ACTION_UNITS) - present}

    def score(units):
        text = ", ".join(f"AU{unit}" for unit in sorted(units)) or "No action units"
        return one(au_f1_reward, f"{text}.", face)

    before, after = score(named), score(named | {more})
    assert after >= before if more in present else after <= before


def test_answers_that_cannot_be_read_have_the_lowest_reward():
    for text in ("", "I am sorry, I cannot help with that.", "[]", "xyzzy"):
        assert [one(reward, text, SMILE) for reward in REWARDS] == [0.0] * 4
    assert [one(reward, [], SMILE) for reward in REWARDS] == [0.0] * 4
