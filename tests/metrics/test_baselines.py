import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mien.metrics import (
    confusion,
    count_units,
    fold_f1,
    majority_class,
    majority_f1,
    prior_random_class,
    prior_random_f1,
    sample_f1,
    unit_table,
    weighted_f1,
)

NAN = math.nan


def test_class_baselines_by_hand():
    truth = ["a"] * 6 + ["b"] * 3 + ["c"]
    counts = confusion(truth, truth, ("a", "b", "c", "d"))
    majority = majority_class(counts)
    assert majority.war == pytest.approx(0.6)
    assert majority.uar == pytest.approx(1 / 3)
    assert majority.macro_f1 == pytest.approx((1.2 / 1.6) / 3)
    drawn = prior_random_class(counts)
    assert drawn.war == pytest.approx(0.36 + 0.09 + 0.01)
    assert (drawn.uar, drawn.macro_f1) == pytest.approx((1 / 3, 1 / 3))
    assert math.isnan(majority_class(confusion([], [], ("a",))).war)
    assert math.isnan(prior_random_class(confusion([], [], ("a",))).uar)


def test_class_baselines_are_what_such_answers_score():
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b", "c"], 20_000, p=[0.6, 0.3, 0.1]).tolist()
    counts = confusion(truth, truth, ("a", "b", "c"))
    always = ["a"] * len(truth)
    assert majority_class(counts).macro_f1 == pytest.approx(
        f1_score(truth, always, average="macro")
    )
    drawn = rng.permutation(truth).tolist()
    score = f1_score(truth, drawn, average="macro")
    assert prior_random_class(counts).macro_f1 == pytest.approx(score, abs=0.02)


def test_unit_baselines_by_hand():
    # AU6 in 3 of 4, AU12 in 1 of 4, AU4 never
    truth = [[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]
    counts = count_units(truth, truth, (6, 12, 4))
    majority, drawn = majority_f1(counts), prior_random_f1(counts)
    assert majority[6] == pytest.approx(1.5 / 1.75)
    assert majority[12] == 0
    assert (drawn[6], drawn[12]) == pytest.approx((0.75, 0.25))
    assert math.isnan(majority[4])
    assert math.isnan(drawn[4])


def test_table_of_units():
    truth = [[1, 0], [1, 0], [0, NAN], [0, 0]]
    answers = [[1, 0], [0, 0], [1, 1], [NAN, 0]]
    first, second = unit_table(count_units(truth, answers, (6, 12)))
    assert (first.unit, first.support, first.known, first.unanswered) == (6, 2, 4, 1)
    assert first.precision == pytest.approx(1 / 3)  # the missing answer is a false alarm
    assert first.recall == pytest.approx(1 / 2)
    assert first.f1 == pytest.approx(2 / 5)
    assert first.always_on == pytest.approx(1 / 1.5)
    assert first.prior_random == pytest.approx(0.5)
    assert (second.unit, second.support, second.known) == (12, 0, 3)
    for score in (second.f1, second.precision, second.recall, second.always_on):
        assert math.isnan(score)


def test_both_conventions_of_folds_in_one_call():
    truth = [[1], [1], [1], [1], [1], [0], [0], [0]]
    answers = [[1], [1], [1], [1], [0], [1], [1], [0]]
    found = fold_f1(truth, answers, [4], ["a"] * 4 + ["b"] * 4)
    assert found.pooled[4] == found.macro_pooled == pytest.approx(8 / 11)
    assert found.fold_mean[4] == found.macro_fold_mean == pytest.approx(1 / 2)
    assert found.folds == 2


def test_sample_f1_by_hand():
    truth = [[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, NAN], [NAN, NAN, NAN]]
    answers = [[1, 0, 1], [0, 0, 0], [1, 0, 0], [NAN, 0, 1], [1, 1, 1]]
    found = sample_f1(truth, answers, (1, 2, 4))
    # 2 / (2 + 1 + 1); nothing is right; an invented unit; a missing answer; nothing known
    assert found.mean == pytest.approx((0.5 + 1 + 0 + 0) / 4)
    assert (found.images, found.empty) == (4, 1)
    assert math.isnan(sample_f1(np.zeros((0, 1)), np.zeros((0, 1)), (1,)).mean)


def test_sample_and_weighted_f1_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, answers = (rng.random((2, 200, 3)) < 0.3).astype(int)
    expected = f1_score(truth, answers, average="samples", zero_division=1)
    assert sample_f1(truth, answers, (1, 2, 4)).mean == pytest.approx(expected)
    labels = ("a", "b", "c")
    t, p = rng.choice(labels, (2, 200), p=[0.5, 0.3, 0.2])
    counts = confusion(t, p, labels)
    assert weighted_f1(counts) == pytest.approx(f1_score(t, p, average="weighted"))
    assert math.isnan(weighted_f1(confusion([], [], labels)))


def test_weighted_f1_counts_the_unparsed_and_skips_absent_classes():
    counts = confusion(["a", "a", "a", "b"], ["a", "a", None, "c"], ("a", "b", "c"))
    assert weighted_f1(counts) == pytest.approx((3 * 4 / 5 + 0) / 4)
