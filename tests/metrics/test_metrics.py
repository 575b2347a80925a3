import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from mien.metrics import (
    bootstrap,
    confusion,
    expected_calibration_error,
    fit_temperature,
    macro_f1,
    majority_baseline,
    negative_log_likelihood,
    per_class,
    uar,
    war,
)

LABELS = ("a", "b", "c")


def test_by_hand_with_an_unparsed_answer():
    truth = ["a", "a", "a", "a", "b", "b", "c", "c"]
    answers = ["a", "a", "b", None, "b", "c", "c", "c"]
    counts = confusion(truth, answers, LABELS)
    assert counts.matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 2]]
    assert counts.unparsed.tolist() == [1, 0, 0]
    assert counts.parse_rate == pytest.approx(7 / 8)
    assert war(counts) == pytest.approx(5 / 8)
    assert uar(counts) == pytest.approx((2 / 4 + 1 / 2 + 1) / 3)
    assert war(counts.parsed_only()) == pytest.approx(5 / 7)
    scores = per_class(counts)
    assert scores["b"].precision == pytest.approx(1 / 2)
    assert scores["a"].f1 == pytest.approx(2 * 2 / (4 + 2))
    assert majority_baseline(counts) == pytest.approx(4 / 8)


def test_word_outside_the_set_is_unparsed_and_wrong():
    counts = confusion(["a", "b"], ["a", "unknown"], LABELS)
    assert war(counts) == 0.5
    assert counts.unparsed.tolist() == [0, 1, 0]


def test_class_absent_from_truth_is_left_out_of_the_mean_and_listed():
    counts = confusion(["a", "a", "b"], ["a", "c", "b"], LABELS)
    assert counts.absent == ("c",)
    assert uar(counts) == pytest.approx((1 / 2 + 1) / 2)
    assert math.isnan(per_class(counts)["c"].recall)


def test_class_never_predicted_has_no_precision_but_an_f1_of_zero():
    counts = confusion(["a", "b"], ["a", "a"], ("a", "b"))
    assert math.isnan(per_class(counts)["b"].precision)
    assert per_class(counts)["b"].f1 == 0


def test_agrees_with_scikit_learn_where_it_defines_the_same():
    rng = np.random.default_rng(0)
    truth = rng.choice(LABELS, 500)
    answers = np.where(rng.random(500) < 0.6, truth, rng.choice(LABELS, 500))
    counts = confusion(truth, answers, LABELS)
    assert war(counts) == pytest.approx(accuracy_score(truth, answers))
    assert uar(counts) == pytest.approx(recall_score(truth, answers, average="macro"))
    assert macro_f1(counts) == pytest.approx(f1_score(truth, answers, average="macro"))


def test_empty_is_nan_and_wrong_input_is_an_error():
    assert math.isnan(war(confusion([], [], LABELS)))
    with pytest.raises(ValueError, match="2 true classes, but 1"):
        confusion(["a", "b"], ["a"], LABELS)
    with pytest.raises(ValueError, match="not one of"):
        confusion(["z"], ["a"], LABELS)


def test_calibration_error_by_hand():
    # Two answers at confidence 0.9 of which one is right, two at 0.6 of which both are right.
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    truth = np.array([0, 1, 0, 1])
    expected = 0.5 * abs(0.9 - 0.5) + 0.5 * abs(0.6 - 1.0)
    assert expected_calibration_error(p, truth) == pytest.approx(expected)
    assert expected_calibration_error(np.eye(2), np.array([0, 1])) == 0
    assert math.isnan(expected_calibration_error(np.zeros((0, 2)), np.zeros(0, int)))
    with pytest.raises(ValueError, match=r"\(N, K\)"):
        expected_calibration_error(p, truth[:2])


def test_temperature_is_recovered_from_overconfident_scores():
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(20_000, 4))
    p = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    truth = (p.cumsum(1) > rng.random((len(p), 1))).argmax(1)
    found = fit_temperature(3 * honest, truth)
    assert found == pytest.approx(3, rel=0.05)
    assert negative_log_likelihood(3 * honest, truth, found) < negative_log_likelihood(
        3 * honest, truth
    )


def test_bootstrap_covers_and_repeats():
    values = np.random.default_rng(0).normal(1, 1, 400)
    first = bootstrap(lambda rows: float(values[rows].mean()), 400, seed=1)
    assert first == bootstrap(lambda rows: float(values[rows].mean()), 400, seed=1)
    assert first.low < values.mean() < first.high
    assert first.high - first.low == pytest.approx(2 * 1.96 / 20, rel=0.25)


def test_bootstrap_by_group_is_wider_when_samples_of_a_group_are_alike():
    values = np.repeat(np.random.default_rng(0).normal(size=20), 50)
    groups = np.repeat(np.arange(20), 50)

    def mean(rows):
        return float(values[rows].mean())

    alone = bootstrap(mean, 1000, samples=300)
    grouped = bootstrap(mean, 1000, groups=groups, samples=300)
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
