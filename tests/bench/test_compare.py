import pytest

from mien.bench.answer_log import StoreError
from mien.bench.compare import compare
from mien.bench.score.folder import read_folder
from tests.bench.helpers import SAMPLES, TRUE_ANSWERS, Scripted, run, sample

HALF = {**TRUE_ANSWERS, "a#expression": "Fear.", "b#expression": "Fear."}


def read(folder, answers, **options):
    run(folder, answers, **options)
    return read_folder(folder)


def test_differences_are_first_minus_second(tmp_path):
    a = read(tmp_path / "a", TRUE_ANSWERS)
    b = read(tmp_path / "b", HALF)
    rows = {(row.task, row.name): row for row in compare(a, b, samples=200)}
    war = rows["expression", "war"]
    assert (war.items, war.first, war.second, war.difference) == (4, 1.0, 0.5, 0.5)
    assert 0 <= war.low < 0.5 < war.high <= 1
    back = {(row.task, row.name): row for row in compare(b, a, samples=200)}["expression", "war"]
    assert (back.difference, back.low, back.high) == (-0.5, -war.high, -war.low)
    same = rows["au_detection", "au_macro_f1"]
    assert (same.difference, same.low, same.high) == (0, 0, 0)
    assert not same.clear


def test_a_model_compared_with_itself_does_not_differ(tmp_path):
    a = read(tmp_path / "a", HALF)
    assert all((row.difference, row.low, row.high) == (0, 0, 0) for row in compare(a, a))


def test_a_clear_difference_is_one_whose_interval_excludes_zero(tmp_path):
    faces = [sample(f"{k:02}", "anger", f"s{k}") for k in range(30)]
    right = {f"{s.id}#expression": "Anger." for s in faces}
    wrong = dict.fromkeys(right, "Fear.")
    a = read(tmp_path / "a", right, samples=faces)
    b = read(tmp_path / "b", wrong, samples=faces)
    rows = {(row.task, row.name): row for row in compare(a, b, samples=100)}
    war = rows["expression", "war"]
    assert war.clear
    assert war.above == 1


def test_the_items_that_both_were_asked_are_compared(tmp_path):
    a = read(tmp_path / "a", TRUE_ANSWERS)
    part = read(tmp_path / "b", HALF, limit=3)
    rows = compare(a, part, samples=50)
    assert {row.items for row in rows} == {3}
    assert rows[0].first == 1


def test_other_suites_or_data_are_not_compared(tmp_path):
    a = read(tmp_path / "a", TRUE_ANSWERS)
    b = read(tmp_path / "b", TRUE_ANSWERS, samples=SAMPLES[:3], responder=Scripted(TRUE_ANSWERS))
    with pytest.raises(StoreError, match="another data"):
        compare(a, b)
