import math

import numpy as np
import pytest

from mien.metrics import (
    Resampler,
    bootstrap,
    ccc,
    confusion,
    corpus_bleu,
    count_units,
    icc_2_1,
    icc_3_1,
    macro_f1,
    mae,
    pcc,
    per_class,
    resample,
    rmse,
    sums,
    uar,
    unit_f1,
    unit_macro_f1,
    unit_micro_f1,
    war,
)
from mien.metrics.bleu import bleu_of, bleu_sums
from mien.metrics.ranking import weighted_auc

LABELS = ("a", "b", "c")
RNG = np.random.default_rng(0)
TRUTH = RNG.choice(LABELS, 60).tolist()
ANSWERS = [t if RNG.random() < 0.6 else RNG.choice([*LABELS, "?"]) for t in TRUTH]
GROUPS = RNG.integers(0, 9, 60).tolist()
UNITS = np.where(RNG.random((60, 3)) < 0.1, np.nan, RNG.random((60, 3)) < (0.5, 0.3, 0.02))
CALLS = np.where(RNG.random((60, 3)) < 0.1, np.nan, RNG.random((60, 3)) < 0.4)
LEVELS = np.where(RNG.random(60) < 0.1, np.nan, RNG.integers(0, 6, 60))
GUESSES = LEVELS * 0.6 + RNG.random(60)


def classes(metric):
    return lambda rows: metric(
        confusion([TRUTH[i] for i in rows], [ANSWERS[i] for i in rows], LABELS)
    )


def units(metric):
    return lambda rows: metric(count_units(UNITS[rows], CALLS[rows], (1, 2, 4)))


def levels(metric):
    def statistic(rows):
        x, y = LEVELS[rows], GUESSES[rows]
        known = ~np.isnan(x)
        return metric(x[known], y[known])

    return statistic


CLASS_SUMS = sums.class_sums(TRUTH, ANSWERS, LABELS)
UNIT_SUMS = sums.unit_sums(UNITS, CALLS)
MOMENTS = sums.moment_sums(LEVELS, GUESSES)


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["items", "groups"])
@pytest.mark.parametrize(
    ("plain", "stats", "finish"),
    [
        (classes(war), CLASS_SUMS, sums.war_of),
        (classes(uar), CLASS_SUMS, sums.uar_of),
        (classes(macro_f1), CLASS_SUMS, sums.macro_f1_of),
        (units(unit_macro_f1), UNIT_SUMS, sums.unit_macro_f1_of),
        (units(unit_micro_f1), UNIT_SUMS, sums.unit_micro_f1_of),
        (levels(pcc), MOMENTS, sums.pcc_of),
        (levels(icc_3_1), MOMENTS, sums.icc_3_1_of),
        (levels(icc_2_1), MOMENTS, sums.icc_2_1_of),
        (levels(ccc), MOMENTS, sums.ccc_of),
        (levels(mae), MOMENTS, sums.mae_of),
        (levels(rmse), MOMENTS, sums.rmse_of),
    ],
    ids=[
        "war",
        "uar",
        "macro_f1",
        "unit_macro",
        "unit_micro",
        "pcc",
        "icc31",
        "icc21",
        "ccc",
        "mae",
        "rmse",
    ],
)
def test_same_draws_as_the_plain_bootstrap_and_the_same_interval(plain, stats, finish, groups):
    found = Resampler(60, groups=groups, samples=40, seed=3).interval(stats, finish)
    expected = bootstrap(plain, 60, groups=groups, samples=40, seed=3)
    assert found.value == pytest.approx(plain(np.arange(60)), rel=1e-9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.dropped, found.samples) == (0, 40)


def test_per_class_and_per_unit():
    found = Resampler(60, samples=20).intervals(CLASS_SUMS, sums.class_f1_of)
    expected = per_class(confusion(TRUTH, ANSWERS, LABELS))
    assert [e.value for e in found] == pytest.approx([s.f1 for s in expected.values()])
    found = Resampler(60, samples=20).intervals(CLASS_SUMS, sums.recall_of)
    assert [e.value for e in found] == pytest.approx([s.recall for s in expected.values()])
    found = Resampler(60, samples=20).intervals(UNIT_SUMS, sums.unit_f1_of)
    expected = unit_f1(count_units(UNITS, CALLS, (1, 2, 4)))
    assert [e.value for e in found] == pytest.approx(list(expected.values()), nan_ok=True)


def test_undefined_draws_are_dropped_and_counted():
    truth, calls = np.zeros((4, 1)), np.ones((4, 1))
    truth[0] = 1
    found = Resampler(4, samples=400).interval(sums.unit_sums(truth, calls), sums.unit_macro_f1_of)
    # the one positive is drawn in no place with probability (3/4)^4 = 0.316
    assert found.dropped == pytest.approx(0.316 * 400, abs=40)
    assert found.low >= 0.4
    truth[0] = 0
    none = Resampler(4, samples=10).interval(sums.unit_sums(truth, calls), sums.unit_macro_f1_of)
    assert none.dropped == 10
    assert math.isnan(none.value)
    assert math.isnan(none.low)


def test_a_paired_difference_is_narrower_than_two_intervals_and_has_a_sign():
    rng = np.random.default_rng(1)
    hard = rng.random(500) < 0.5  # both models fail on the same items
    first = np.where(hard, 0.0, 1.0)
    second = np.where(rng.random(500) < 0.05, 0.0, first)
    drawn = Resampler(500)
    found = drawn.difference(sums.mean_sums(first), sums.mean_sums(second), sums.mean_of)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.low > 0
    assert found.above == 1
    alone = drawn.interval(sums.mean_sums(first), sums.mean_of)
    assert found.high - found.low < 0.5 * (alone.high - alone.low)
    same = drawn.difference(sums.mean_sums(first), sums.mean_sums(first), sums.mean_of)
    assert (same.value, same.low, same.high, same.above) == (0, 0, 0, 0)
    back = drawn.difference(sums.mean_sums(second), sums.mean_sums(first), sums.mean_of)
    assert (back.low, back.above) == (pytest.approx(-found.high), 0)


def test_groups_are_drawn_whole():
    values, groups = np.array([0.0, 0, 1, 1]), ["x", "x", "y", "y"]
    drawn = Resampler(4, groups=groups, samples=200).sums(sums.mean_sums(values))
    assert set(drawn[:, 0]) == {0.0, 2.0, 4.0}
    assert set(drawn[:, 1]) == {4.0}


def test_the_same_seed_repeats_and_blocks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).random(50)
    first = Resampler(50, samples=30, seed=5)
    expected = first.interval(values, lambda s: s[:, 0] / 50)
    assert first.interval(values, lambda s: s[:, 0] / 50) == expected  # from the kept draws
    other = Resampler(50, samples=30, seed=6).interval(values, lambda s: s[:, 0] / 50)
    assert other.low != expected.low
    monkeypatch.setattr(resample, "_BLOCK", 150)
    monkeypatch.setattr(resample, "_KEPT", 0)
    small = Resampler(50, samples=30, seed=5)
    for _ in range(2):
        again = small.interval(values, lambda s: s[:, 0] / 50)
        assert (again.low, again.high) == pytest.approx((expected.low, expected.high))
    auc = weighted_auc(np.arange(50) % 2, values)
    blocks = small.weighted(auc)
    monkeypatch.undo()
    assert blocks == Resampler(50, samples=30, seed=5).weighted(auc)


def test_auc_by_weights_is_the_plain_bootstrap():
    truth, scores = (RNG.random(60) < 0.5).astype(float), np.round(RNG.random(60), 1)
    statistic = weighted_auc(truth, scores)

    def plain(rows):
        return float(weighted_auc(truth[rows], scores[rows])(np.ones((1, len(rows))))[0])

    for groups in (None, GROUPS):
        found = Resampler(60, groups=groups, samples=30, seed=2).weighted(statistic)
        expected = bootstrap(plain, 60, groups=groups, samples=30, seed=2)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_bleu_has_an_interval_too():
    answers = ["the brows are raised and drawn together", "the lips are pressed together"] * 4
    references = ["the brows are raised and drawn apart", "the lips are pressed firmly"] * 4
    found = Resampler(8, samples=50).interval(bleu_sums(answers, references), bleu_of)
    assert found.value == pytest.approx(corpus_bleu(answers, references))
    assert found.low < found.value < found.high


def test_a_constant_is_undefined_even_after_rounding():
    stats = sums.moment_sums(np.full(30, 0.1), np.linspace(0, 1, 30))
    drawn = Resampler(30, samples=20)
    for finish in (sums.pcc_of, sums.icc_3_1_of, sums.icc_2_1_of, sums.ccc_of):
        assert drawn.interval(stats, finish).dropped == 20
    stats = sums.moment_sums(np.linspace(0, 1, 30), np.full(30, 0.1))
    assert drawn.interval(stats, sums.pcc_of).dropped == 20
    assert drawn.interval(stats, sums.ccc_of).value == 0


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        Resampler(0)
    with pytest.raises(ValueError, match="1 groups for 2"):
        Resampler(2, groups=["a"])
    with pytest.raises(ValueError, match="group is None"):
        Resampler(2, groups=["a", None])
    with pytest.raises(ValueError, match="between 0 and 1"):
        Resampler(2, level=95)
    with pytest.raises(ValueError, match="NaN or infinity"):
        Resampler(2).sums([1.0, np.nan])
    with pytest.raises(ValueError, match=r"\(2, K\)"):
        Resampler(2).sums([1.0])
    with pytest.raises(ValueError, match="not one of"):
        sums.class_sums(["z"], ["a"], LABELS)
    with pytest.raises(ValueError, match="1 true classes"):
        sums.class_sums(["a"], [], LABELS)
    with pytest.raises(ValueError, match=r"\(N, A\)"):
        sums.unit_sums([1], [1])
    with pytest.raises(ValueError, match=r"\(N,\)"):
        sums.moment_sums([1], [1, 2])
