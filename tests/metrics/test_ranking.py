import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mien.metrics import average_precision, unit_auc, unit_average_precision
from mien.metrics.ranking import weighted_auc, weighted_average_precision

NAN = math.nan


def test_average_precision_by_hand():
    # present at ranks 1 and 3: 1/2 * 1 + 1/2 * 2/3
    assert average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]) == pytest.approx(5 / 6)
    # all tie: they enter together, so the base rate
    assert average_precision([1, 0, 0, 0], [0.5] * 4) == pytest.approx(1 / 4)


def test_traps():
    assert math.isnan(average_precision([0, 0], [0.1, 0.9]))
    assert math.isnan(average_precision([], []))
    assert average_precision([1, NAN, 0], [0.9, 1.0, 0.1]) == 1
    # a missing score ranks last, below the absent one at 0
    assert average_precision([1, 0], [NAN, 0.0]) == pytest.approx(1 / 2)
    with pytest.raises(ValueError, match="0, 1 or NaN"):
        average_precision([2], [0.1])
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        unit_average_precision([[1]], [[1]], (6, 12))


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_scikit_learn_with_ties_and_weights(seed):
    rng = np.random.default_rng(seed)
    truth = (rng.random(300) < 0.3).astype(float)
    scores = np.round(0.3 * truth + rng.random(300), 1)
    weights = rng.integers(0, 4, (3, 300)).astype(float)
    assert average_precision(truth, scores) == pytest.approx(average_precision_score(truth, scores))
    expected = [average_precision_score(truth, scores, sample_weight=w) for w in weights]
    assert weighted_average_precision(truth, scores)(weights) == pytest.approx(expected)
    expected = [roc_auc_score(truth, scores, sample_weight=w) for w in weights]
    assert weighted_auc(truth, scores)(weights) == pytest.approx(expected)


def test_weights_of_one_give_the_plain_scores():
    rng = np.random.default_rng(2)
    truth, scores = (rng.random((50, 2)) < 0.5).astype(float), np.round(rng.random((50, 2)), 1)
    ones = np.ones((1, 50))
    for k, auc in enumerate(unit_auc(truth, scores, (6, 12)).values()):
        assert weighted_auc(truth[:, k], scores[:, k])(ones)[0] == pytest.approx(auc)
    found = unit_average_precision(truth, scores, (6, 12))
    assert found[12] == pytest.approx(average_precision_score(truth[:, 1], scores[:, 1]))


def test_a_weighting_without_one_of_the_two_is_undefined():
    weights = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    auc = weighted_auc([1, 0], [0.9, 0.1])(weights)
    assert np.isnan(auc).tolist() == [True, True, False]
    assert auc[2] == 1
    precision = weighted_average_precision([1, 0], [0.9, 0.1])(weights)
    assert np.isnan(precision).tolist() == [True, False, False]
