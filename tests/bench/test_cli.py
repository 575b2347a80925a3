import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app

SUITE = """
name = "tiny"
version = 1
title = "Tiny"
label_set = "basic7"
units = [6, 12]
faces = "whole"
[source]
reader = "csv"
[[tasks]]
kind = "expression"
prompt = "What is the expression of this face?"
[[tasks]]
kind = "au_detection"
prompt = "Which action units are present in this face?"
"""
TABLE = """image,expression,AU06_c,AU12_c,subject
a.png,happiness,1,1,p1
b.png,neutral,0,0,p2
c.png,anger,0,,p3
"""
RIGHT = {
    "a.png#expression": "Happiness.",
    "b.png#expression": "Neutral.",
    "c.png#expression": "Anger.",
    "a.png#au_detection": "AU6, AU12.",
    "b.png#au_detection": "No action units.",
    "c.png#au_detection": "AU12.",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    data = tmp_path / "data"
    data.mkdir()
    (data / "labels.csv").write_text(TABLE)
    for name in "abc":
        pixels = np.full((32, 32, 3), ord(name), np.uint8)
        Image.fromarray(pixels).save(data / f"{name}.png")
    (tmp_path / "tiny.toml").write_text(SUITE)
    record(tmp_path / "right.jsonl", RIGHT)
    record(tmp_path / "wrong.jsonl", {**RIGHT, "a.png#expression": "Fear."})
    record(tmp_path / "short.jsonl", dict(list(RIGHT.items())[:4]))
    return tmp_path


def record(path, answers):
    lines = (json.dumps({"id": k, "text": v}) + "\n" for k, v in answers.items())
    path.write_text("".join(lines))


def mien(*args):
    result = CliRunner().invoke(app, ["bench", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


RUN = ("tiny.toml", "--data", "data", "--out", "out", "--samples", "50")


def test_a_suite_from_question_to_report(place):
    done = mien(*RUN, "--model", "recorded:right.jsonl", "--model", "recorded:wrong.jsonl")
    assert done.exit_code == 0, done.output
    folder = place / "out" / "tiny"
    scores = [
        json.loads((folder / f"recorded-{name}.jsonl" / "results.json").read_text())
        for name in ("right", "wrong")
    ]
    wars = [s["tasks"][0]["figures"]["war"]["value"] for s in scores]
    assert wars == [1.0, pytest.approx(2 / 3, abs=1e-6)]
    assert "Paired differences" in (folder / "report.html").read_text()
    assert "WAR" in done.output
    assert "data:image/webp" not in (folder / "report.html").read_text()  # a licensed set


def test_run_may_be_said_and_pictures_shown_when_asked_for(place):
    done = mien("run", *RUN, "--model", "recorded:right.jsonl", "--pictures")
    assert done.exit_code == 0, done.output
    assert "data:image/webp" in (place / "out" / "tiny" / "report.html").read_text()


def test_failed_answers_end_with_code_1_and_a_count(place):
    done = mien(*RUN, "--model", "recorded:short.jsonl")
    assert done.exit_code == 1
    assert "2 no answer" in done.output
    assert "all count as wrong" in done.output


def test_rescoring_gives_the_same_file_and_needs_neither_model_nor_data(place):
    mien(*RUN, "--model", "recorded:right.jsonl")
    folder = place / "out" / "tiny" / "recorded-right.jsonl"
    before = (folder / "results.json").read_bytes()
    (folder / "results.json").unlink()
    (place / "right.jsonl").unlink()
    (place / "data" / "labels.csv").unlink()
    for target in (folder, folder.parent):
        done = mien("rescore", target, "--samples", 50)
        assert done.exit_code == 0, done.output
        assert (folder / "results.json").read_bytes() == before
        assert (target / "report.html").is_file()


def test_two_runs_are_compared_by_folder_or_by_model(place):
    mien(*RUN, "--model", "recorded:right.jsonl", "--model", "recorded:wrong.jsonl")
    base = place / "out" / "tiny"
    by_folder = mien("compare", base / "recorded-right.jsonl", base / "recorded-wrong.jsonl")
    names = ("recorded:right.jsonl", "recorded:wrong.jsonl")
    by_model = mien("compare", *names, "--suite", "tiny", "--out", "out")
    assert by_folder.exit_code == by_model.exit_code == 0
    assert by_folder.output == by_model.output
    assert "33.3" in by_folder.output
    assert mien("compare", "x", "y").exit_code == 2


def test_changed_data_is_refused_until_the_run_begins_anew(place):
    mien(*RUN, "--model", "recorded:right.jsonl")
    (place / "data" / "labels.csv").write_text(TABLE.replace("c.png,anger", "c.png,fear"))
    done = mien(*RUN, "--model", "recorded:right.jsonl")
    assert done.exit_code == 1
    assert "--restart" in done.output
    done = mien(*RUN, "--model", "recorded:right.jsonl", "--restart")
    assert done.exit_code == 0, done.output
    folder = place / "out" / "tiny" / "recorded-right.jsonl"
    assert (folder / "answers.1.jsonl").is_file()


def test_a_limit_asks_the_same_faces_of_all(place):
    done = mien(*RUN, "--limit", 2, "--model", "recorded:right.jsonl", "--model",
                "recorded:wrong.jsonl")  # fmt: skip
    assert done.exit_code == 0, done.output
    base = place / "out" / "tiny"
    files = [(base / f"recorded-{n}.jsonl" / "samples.jsonl").read_text() for n in
             ("right", "wrong")]  # fmt: skip
    assert files[0] == files[1]
    assert files[0].count("\n") == 2
    assert "2 of 3 faces" in (base / "report.html").read_text()


def test_list_and_show(place):
    done = mien("list")
    assert done.exit_code == 0
    assert "feabench-synth" in done.output
    done = mien("show", "disfa")
    assert done.exit_code == 0
    assert "present from intensity 2" in done.output
    assert "Which action units are present in this face?" in done.output
    assert mien("show", "nothing").exit_code == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nothing",), "there is no suite 'nothing'"),
        (("rafdb",), "--data DIR"),
        (("rafdb", "--data", "nowhere"), "no such file or folder"),
        (("tiny.toml", "--data", "data", "--model", "m", "--model", "m"), "give each once"),
    ],
)
def test_wrong_usage_ends_with_code_2(place, args, words):
    done = mien(*args)
    assert done.exit_code == 2
    assert words in done.output


def test_a_wrong_name_shows_before_another_model_has_worked(place):
    done = mien(*RUN, "--model", "recorded:right.jsonl", "--model", "nobody")
    assert done.exit_code == 2
    assert "unknown model 'nobody'" in done.output
    assert not (place / "out").exists()


def test_a_model_that_is_not_there_ends_with_code_1(place):
    done = mien(*RUN, "--model", "recorded:nothing.jsonl")
    assert done.exit_code == 1
    assert "nothing.jsonl" in done.output


def test_rescoring_an_empty_folder(place):
    assert mien("rescore", "data").exit_code == 2


def test_an_interruption_ends_with_code_130_and_goes_on(place, monkeypatch):
    from mien.engines.recorded import RecordedResponder

    whole = RecordedResponder.respond

    def stopped(self, requests):
        for k, reply in enumerate(whole(self, requests)):
            if k == 3:
                raise KeyboardInterrupt
            yield reply

    monkeypatch.setattr(RecordedResponder, "respond", stopped)
    assert mien(*RUN, "--model", "recorded:right.jsonl").exit_code == 130
    monkeypatch.setattr(RecordedResponder, "respond", whole)
    assert mien(*RUN, "--model", "recorded:right.jsonl").exit_code == 0
