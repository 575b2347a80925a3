import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from mien.metrics.action_units import (
    always_on_f1,
    count_units,
    fold_mean_f1,
    unit_auc,
    unit_f1,
    unit_macro_f1,
    unit_micro_f1,
)

NAN = math.nan


def test_by_hand_with_unknown_labels_and_missing_answers():
    truth = [[1, 1, 0], [1, 0, 0], [0, NAN, 0], [0, 1, NAN]]
    answers = [[1, NAN, 1], [0, NAN, 0], [1, 1, 0], [0, 1, 1]]
    counts = count_units(truth, answers, (1, 4, 12))
    assert counts.hits.tolist() == [1, 1, 0]
    assert counts.false_alarms.tolist() == [1, 1, 1]
    assert counts.misses.tolist() == [1, 1, 0]
    assert counts.rejections.tolist() == [1, 0, 2]
    assert counts.known.tolist() == [4, 3, 3]
    assert counts.unanswered.tolist() == [0, 2, 0]
    assert counts.answer_rate == pytest.approx(8 / 10)
    f1 = unit_f1(counts)
    assert f1[1] == f1[4] == pytest.approx(0.5)
    assert math.isnan(f1[12])
    assert counts.undefined == (12,)
    assert unit_macro_f1(counts) == pytest.approx(0.5)
    assert unit_micro_f1(counts) == pytest.approx(2 * 2 / (2 * 2 + 3 + 2))


def test_always_on_baseline_is_2p_over_1_plus_p():
    truth = np.array([[1, 0], [0, 0], [0, 0], [NAN, 0]])
    baseline = always_on_f1(count_units(truth, np.ones((4, 2)), (6, 12)))
    p = 1 / 3
    assert baseline[6] == pytest.approx(2 * p / (1 + p))
    assert math.isnan(baseline[12])


def test_agrees_with_scikit_learn_where_it_defines_the_same():
    rng = np.random.default_rng(0)
    truth = (rng.random((300, 3)) < (0.5, 0.2, 0.05)).astype(int)
    scores = np.round(0.4 * truth + 0.7 * rng.random((300, 3)), 1)  # rounding makes ties
    answers = (scores > 0.6).astype(int)
    counts = count_units(truth, answers, (1, 2, 4))
    assert list(unit_f1(counts).values()) == pytest.approx(f1_score(truth, answers, average=None))
    assert unit_macro_f1(counts) == pytest.approx(f1_score(truth, answers, average="macro"))
    assert unit_micro_f1(counts) == pytest.approx(f1_score(truth, answers, average="micro"))
    expected = roc_auc_score(truth, scores, average=None)
    assert list(unit_auc(truth, scores, (1, 2, 4)).values()) == pytest.approx(expected)


def test_auc_by_hand():
    truth = [[1], [1], [0], [0], [NAN]]
    assert unit_auc(truth, [[0.9], [0.5], [0.5], [0.1], [0.9]], [12])[12] == pytest.approx(3.5 / 4)
    assert unit_auc(truth, [[0.9], [NAN], [0.5], [0.1], [0.9]], [12])[12] == pytest.approx(2 / 4)
    assert math.isnan(unit_auc([[1], [1]], [[0.1], [0.2]], [12])[12])


def test_folds_pooled_and_averaged_differ():
    truth = [[1], [1], [1], [1], [1], [0], [0], [0]]
    answers = [[1], [1], [1], [1], [0], [1], [1], [0]]
    folds = ["a"] * 4 + ["b"] * 4
    assert fold_mean_f1(truth, answers, [4], folds)[4] == pytest.approx((1 + 0) / 2)
    assert unit_f1(count_units(truth, answers, [4]))[4] == pytest.approx(8 / (8 + 2 + 1))
    absent = fold_mean_f1([[1], [0]], [[1], [0]], [4], [0, 1])
    assert absent[4] == 1  # the second fold has no positive and says nothing


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match="0, 1 or NaN"):
        count_units([[1]], [[0.7]], [12])
    with pytest.raises(ValueError, match="truth holds 9"):
        count_units([[9]], [[1]], [12])
    with pytest.raises(ValueError, match=r"not \(N, 2\)"):
        count_units([[1]], [[1]], [6, 12])
    with pytest.raises(ValueError, match="units repeat"):
        count_units([[1, 1]], [[1, 1]], [6, 6])
    with pytest.raises(ValueError, match="but predicted"):
        count_units([[1]], [[1], [0]], [12])
    with pytest.raises(ValueError, match="1 folds for 2"):
        fold_mean_f1([[1], [0]], [[1], [0]], [12], [0])
