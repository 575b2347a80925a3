import pytest

from mien.language import describe, parse
from mien.train.rewards import (
    Reward,
    RewardWeights,
    Truth,
    expression_reward,
    format_reward,
    reasons_reward,
    reward,
    units_reward,
)

SMILE = Truth("happiness", {4: False, 6: True, 12: True})
STILL = Truth("neutral", {4: False, 12: False})
GOOD = (
    "Happiness. AU6 (B), AU12 (D).\n"
    "The raised cheeks (AU6) and the pulled-up lip corners (AU12) are signs of happiness."
)


@pytest.mark.parametrize(
    ("text", "truth", "expected"),
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
        ("AU12 (D).", Truth("happiness", {}), None),
    ],
)
def test_units(text, truth, expected):
    assert units_reward(parse(text), truth) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Happiness.", 1.0), ("Sadness.", 0.0), ("AU12 (D).", 0.0), ("", 0.0)],
)
def test_expression(text, expected):
    assert expression_reward(parse(text), SMILE) == expected


def test_an_unknown_expression_is_neither_right_nor_wrong():
    assert expression_reward(parse("Happiness."), Truth(None, {12: True})) is None


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
        ("expression", "what", 1 / 3),  # cannot be read, but has its length
    ],
)
def test_format(task, text, expected):
    value = format_reward(text, parse(text), task, finished=True, max_words=80)
    assert value == pytest.approx(expected)


def test_answers_that_do_not_end_or_are_too_long_lose_a_third():
    parsed = parse(GOOD)
    assert format_reward(GOOD, parsed, "analysis", finished=False, max_words=80) == 2 / 3
    assert format_reward(GOOD, parsed, "analysis", finished=True, max_words=10) == 2 / 3


@pytest.mark.parametrize(
    ("text", "truth", "expected"),
    [
        (GOOD, SMILE, 1.0),
        (GOOD, Truth("happiness", {6: False, 12: True}), 1 / 2),  # AU6 is absent
        (GOOD, Truth("happiness", {12: True}), 1.0),  # AU6 is not known
        ("Happiness. The face looks happy.", SMILE, 0.0),  # no reason
        ("Happiness. The face looks happy.", Truth("happiness", {4: False}), 1.0),
        ("Neutral. The face is at rest.", SMILE, 1 / 2),  # something moves
        ("Neutral. The face is at rest.", Truth("happiness", {12: False}), 1.0),
        ("Happiness. The lowered brows (AU4) speak for happiness.", SMILE, 1 / 2),
        ("", SMILE, 0.0),
        (GOOD, Truth("happiness", {}), None),
    ],
)
def test_reasons(text, truth, expected):
    assert reasons_reward(text, parse(text), "analysis", truth) == expected


def test_the_reward_is_the_weighted_mean_of_what_applies():
    text = "Sadness. AU12 (D).\nThe mouth corners are raised (AU12) here."
    found = reward(text, "analysis", SMILE, RewardWeights(units=2, expression=1, format=0.5))
    assert found.parts["units"] == pytest.approx(2 / 3)
    assert (found.parts["expression"], found.parts["format"]) == (0.0, 1.0)
    assert found.total == pytest.approx((2 * 2 / 3 + 0 + 0.5) / 3.5)
    # what is unknown leaves the mean
    without = reward(text, "analysis", Truth(None, SMILE.units), RewardWeights())
    assert without.total == pytest.approx((2 / 3 + 0.5) / 1.5)


def test_form_alone_is_no_reason_to_reward_a_face_without_labels():
    assert reward("AU12 (D).", "au_detection", Truth("happiness", {}), RewardWeights()) == Reward(
        None, {"format": 1.0}
    )
    form = RewardWeights(units=0, expression=0, format=1)
    assert reward("AU12 (D).", "au_detection", Truth("happiness", {}), form).total == 1.0


@pytest.mark.parametrize(
    "task", ["analysis", "expression", "au_detection", "au_description", "reasoning"]
)
def test_what_describe_writes_earns_everything(task):
    import random

    for seed in range(20):
        units = {6: 2.0, 12: 4.0}
        text = describe(task, expression="happiness", units=units, rng=random.Random(seed))
        assert reward(text, task, SMILE, RewardWeights(reasons=1)).total == 1.0


@pytest.mark.parametrize("fields", [{"units": -1}, {"units": float("nan")}])
def test_weights_are_checked(fields):
    with pytest.raises(ValueError, match=r"rewards\.units is"):
        RewardWeights(**fields)
    with pytest.raises(ValueError, match="give at least one part a weight"):
        RewardWeights(units=0, expression=0, format=0)
