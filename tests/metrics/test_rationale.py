import math

import numpy as np
import pytest

from mien.metrics import consistent, score_rationale, summarize_rationales
from mien.metrics.rationale import rationale_rates, rationale_sums


def test_one_rationale_by_hand():
    score = score_rationale(
        {6, 12, 4, 9}, {6, 12, 25}, {4, 1}, says="happiness", expression="happiness"
    )
    assert (score.hits, score.hallucinated, score.unknown, score.missed) == (2, 1, 1, 1)
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(2 / 3)
    assert score.f1 == pytest.approx(4 / 6)
    assert score.match is True
    assert score.consistent is False  # AU4 speaks against happiness


def test_text_that_names_nothing_or_could_not_be_read():
    silent = score_rationale(set(), {6}, {4}, says=None, expression="happiness")
    assert math.isnan(silent.precision)
    assert (silent.recall, silent.f1, silent.match, silent.consistent) == (0, 0, False, False)
    unread = score_rationale(None, {6}, {4}, says="happiness", expression="happiness")
    assert (unread.missed, unread.match, unread.consistent) == (1, False, False)
    nothing = score_rationale(set(), set(), {4}, says="neutral", expression=None)
    assert math.isnan(nothing.f1)
    assert (nothing.match, nothing.consistent) == (None, True)
    with pytest.raises(ValueError, match="AU4 is labelled both"):
        score_rationale({4}, {4}, {4})


@pytest.mark.parametrize(
    ("expression", "named", "fits"),
    [
        ("happiness", {6, 12}, True),
        ("happiness", {12}, True),
        ("happiness", {25}, False),  # parted lips alone speak for nothing
        ("happiness", {1, 12}, False),  # AU1 speaks against it
        ("sadness", {1, 4, 15}, True),
        ("anger", {4, 7}, True),  # part of a combination
        ("anger", set(), False),
        ("neutral", set(), True),
        ("neutral", {25}, True),
        ("neutral", {12}, False),
        ("other", {12}, None),
        ("anxiety", {1, 4}, None),
        (None, {6, 12}, False),
    ],
)
def test_consistency_needs_no_label(expression, named, fits):
    assert consistent(expression, named) is fits


def test_summary_by_hand():
    scores = [
        score_rationale({6, 12}, {6, 12}, {4}, says="happiness", expression="happiness"),
        score_rationale({4, 12}, {6, 12}, {4}, says="happiness", expression="anger"),
        score_rationale({9}, {4}, set(), says="other", expression=None),
        score_rationale(None, {1}, {2}, says=None, expression="fear"),
    ]
    found = summarize_rationales(scores)
    assert (found.texts, found.named, found.present, found.unknown) == (4, 4, 6, 1)
    assert found.precision == pytest.approx(3 / 4)
    assert found.recall == pytest.approx(3 / 6)
    assert found.f1 == pytest.approx(6 / (6 + 1 + 3))
    assert found.hallucination == pytest.approx(1 / 4)
    assert found.fabricating == pytest.approx(1 / 4)
    assert (found.match, found.matchable) == (pytest.approx(1 / 3), 3)
    assert (found.consistency, found.judged) == (pytest.approx(1 / 3), 3)


def test_no_rationales_are_nan_and_rates_take_many_sums():
    found = summarize_rationales([])
    assert found.texts == 0
    assert math.isnan(found.precision)
    sums = rationale_sums([score_rationale({6}, {6}, set())])
    assert rationale_rates(np.repeat(sums, 3, axis=0)).shape == (3, 7)
