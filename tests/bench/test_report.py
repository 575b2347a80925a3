import re
from dataclasses import replace

import pytest

from mien.bench.figure_names import interval, shown
from mien.bench.report import write_report
from mien.bench.report.tables import bar, classes, figure, heat, name_of, units
from mien.bench.result import ConfusionTable, Figure
from mien.bench.score.folder import read_folder, score_run
from mien.page import Cell, fill
from mien.page.fill import _templates
from tests.bench.helpers import TRUE_ANSWERS, Scripted, run, source

HOSTILE = '<script>alert(1)</script><img src=x onerror="x">'


def page(tmp_path, *answers, pictures=True) -> str:
    scored = []
    for k, given in enumerate(answers):
        name = f"model{k}{HOSTILE}"
        run(tmp_path / str(k), responder=Scripted(given, name=name))
        scored.append(read_folder(tmp_path / str(k)))
    results = [score_run(one, samples=50) for one in scored]
    path = tmp_path / "report.html"
    write_report(path, results, scored, source() if pictures else None, samples=50)
    return path.read_text()


def test_hostile_text_is_written_as_text(tmp_path):
    answers = {**TRUE_ANSWERS, "a#expression": f"Fear. {HOSTILE}", "b#reasoning": HOSTILE}
    html = page(tmp_path, answers)
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html


def test_the_page_needs_nothing_from_outside(tmp_path):
    html = page(tmp_path, TRUE_ANSWERS)
    assert not re.search(r"(?:src|href)=\"(?!data:)", html)
    assert "http://" not in html
    assert "https://" not in html
    assert "default-src 'none'" in html


def test_two_runs_of_one_model_are_told_apart(tmp_path):
    scored = []
    for name in ("guided", "free"):
        run(tmp_path / name)
        scored.append(read_folder(tmp_path / name))
    results = [score_run(one, samples=50) for one in scored]
    write_report(tmp_path / "report.html", results, scored, None, samples=50)
    html = (tmp_path / "report.html").read_text()
    assert "scripted (guided)" in html
    assert "scripted (free)" in html


def test_pictures_are_shown_only_where_they_may_be(tmp_path):
    assert "data:image/webp" in page(tmp_path / "a", TRUE_ANSWERS)
    assert "data:image" not in page(tmp_path / "b", TRUE_ANSWERS, pictures=False).replace(
        "img-src data:", ""
    )


def test_everything_that_is_asked_of_a_report_is_there(tmp_path):
    wrong = {**TRUE_ANSWERS, "a#expression": "Fear.", "b#expression": "Hm."}
    html = page(tmp_path, TRUE_ANSWERS, wrong)
    for words in (
        "Expression recognition",
        "What is the expression of this face?",
        "baseline: majority",
        "baseline: always on",
        "Truth in rows",
        "Paired differences",
        "To reproduce this",
        "&#34;fingerprint&#34;",
        "&#34;weights&#34;: &#34;1&#34;",
        "gender: female",
        "<h5>Right</h5>",
        "<h5>Wrong</h5>",
        "<h5>Not read</h5>",
    ):
        assert words in html, words


def test_the_same_answers_make_the_same_page(tmp_path):
    assert page(tmp_path / "a", TRUE_ANSWERS) == page(tmp_path / "b", TRUE_ANSWERS)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("war", 0.6234, "62.3"),
        ("war", None, "-"),
        ("war", float("nan"), "-"),
        ("ccc_valence", 0.1234, "0.123"),
        ("rege", 96.21, "96.2"),
        ("words", 12.34, "12.3"),
    ],
)
def test_how_figures_are_written(name, value, words):
    assert shown(name, value) == words


def test_an_interval_that_is_not_there_is_not_written():
    assert interval("war", 0.1, 0.2) == "[10.0, 20.0]"
    assert interval("war", None, None) == ""
    assert interval("war", float("nan"), float("nan")) == ""
    assert figure("war", Figure(None)) == Cell("-")


def test_an_undefined_bar_is_not_drawn_as_zero():
    def plot(one):
        template = '{% from "plots.html" import bars %}{{ bars(rows, models, "x") }}'
        models = [name_of("m", 0)]
        return fill(_templates().from_string(template), rows=[("AU4", [one])], models=models)

    for value in (None, float("nan")):
        empty = plot(bar(value, value, value, value))
        assert "undefined" in empty
        assert "<rect" not in empty
        assert "nan" not in empty
        assert "whisker" not in empty
    full = plot(bar(0.5, 0.25, 0.75, 0.4))
    assert 'width="230.0"' in full
    assert 'class="whisker" x1="305.0" x2="535.0"' in full
    assert 'class="mark" x1="374.0"' in full


def test_what_one_model_was_not_asked_about_is_undefined(tmp_path):
    run(tmp_path)
    result = score_run(read_folder(tmp_path), samples=50)
    fewer = [replace(t, classes=t.classes[1:], units=t.units[1:]) for t in result.tasks]
    other = replace(result, tasks=tuple(fewer))
    for plot in (classes([result, other], 0)[0], units([result, other], 1)[0]):
        (_, (asked, missing)), (_, both), *_ = plot
        assert missing == bar(None) != asked
        assert both[0] == both[1]


def test_the_confusion_shows_shares_of_rows_with_what_was_not_read(tmp_path):
    never, asked = (0, None, True), ConfusionTable(("anger", "fear"), ((1, 2), (0, 0)), (1, 0))
    drawn = heat(asked)
    (anger, cells, faces), (_, empty, none) = drawn["rows"]
    assert (anger, faces, none) == ("anger", 4, 0)
    assert cells == [(1, 0.25, True), (2, 0.5, False), (1, 0.25, False)]
    assert never in empty
    assert all(share is None for _, share, _ in empty)
    html = page(tmp_path, {**TRUE_ANSWERS, "a#expression": "Fear.", "b#expression": "Hm."})
    row = re.search(r'<th scope="row">happiness</th>(<td.*?)</tr>', html.split('class="heat"')[1])
    assert re.findall(r"title=\"1\">(\d+)<", row[1] if row else "") == ["50", "50"]
    assert "<td></td>" in html  # a class that never occurs has no shares


def test_pictures_of_the_examples_are_small(tmp_path):
    sizes = re.findall(r'<img width="(\d+)" height="(\d+)"', page(tmp_path, TRUE_ANSWERS))
    assert sizes
    assert all(max(map(int, size)) <= 112 for size in sizes)
