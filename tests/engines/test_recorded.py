import codecs
import json
import os

import pytest

from mien.engines import EngineError, Request
from mien.engines.recorded import RecordedResponder


def write(path, *rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def ask(path, *ids):
    responder = RecordedResponder(path, name="recorded:x")
    replies = {r.id: r for r in responder.respond(Request(i, (), "?") for i in ids)}
    responder.close()
    return replies


def test_words_under_any_of_the_usual_names(tmp_path):
    rows = [
        {"id": "a", "text": "Happiness.", "prediction": "not this"},
        {"id": "b", "prediction": "Sadness."},
        {"id": "c", "response": "Ärger."},
        {"id": 4, "answer": {"expression": "fear"}},
        {"id": "e", "output": ""},
    ]
    replies = ask(write(tmp_path / "a.jsonl", *rows, ""), "e", "a", "4", "c", "b", "lost")
    texts = {i: r.text for i, r in replies.items()}
    assert texts == {
        "a": "Happiness.",
        "b": "Sadness.",
        "c": "Ärger.",
        "4": '{"expression": "fear"}',
        "e": "",
        "lost": None,
    }
    assert replies["e"].status == "ok"
    assert (replies["lost"].status, replies["lost"].error) == ("failed", "no recorded answer")


def test_what_the_benchmark_stores(tmp_path):
    rows = [
        {"version": 1, "identity": {"model": "x"}, "suite": {}},
        {"id": "a", "status": "failed", "error": "timed out"},
        {"id": "b", "status": "failed", "error": "timed out"},
        {"id": "n", "status": "no_face"},
        {
            "id": "a",
            "status": "ok",
            "text": "Fear.",
            "units": {"12": [0.75, 2.5], "4": [0.25, None]},
        },
        {"id": "s", "status": "ok", "option_scores": {"Happy": -1.5, "Sad": -2}},
    ]
    path = write(tmp_path / "answers.jsonl", *rows)
    with path.open("a") as file:
        file.write('{"id": "cut", "sta')  # killed in the middle of a line
    replies = ask(path, "a", "b", "n", "s", "cut")
    assert replies["a"].text == "Fear."
    twelve, four = replies["a"].numbers.action_units
    assert (twelve.au, twelve.present, twelve.probability, twelve.intensity) == (
        12,
        True,
        0.75,
        2.5,
    )
    assert (four.present, four.intensity) == (False, None)
    assert replies["a"].numbers.expression is None
    assert replies["b"].error == "timed out"
    assert replies["n"].error == "recorded as no_face"
    assert replies["s"].option_scores == {"Happy": -1.5, "Sad": -2.0}
    assert replies["cut"].error == "no recorded answer"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ({"id": "a", "text": ""}, {"id": "a", "text": ""}),
            "line 2: id 'a' is answered in line 1",
        ),
        (({"id": "a", "text": "x"}, "{oops"), "line 2: no JSON"),
        (({"text": "x"},), "line 1: needs an 'id'"),
        (({"id": "a"},), "line 1: has no answer"),
        (("[1]",), "line 1: holds a single value"),
        (("{" + '"a": {' * 5000,), "line 1: no JSON"),
        (({"id": "a", "option_scores": [1]},), "line 1: cannot be read"),
        (('{"id": "a", "option_scores": {"x": NaN}}',), "line 1: cannot be read"),
        (({"id": "a", "units": {"99": [0.5, 1]}},), "line 1: cannot be read"),
    ],
)
def test_a_bad_line_is_named(tmp_path, rows, message):
    with pytest.raises(EngineError, match=message):
        RecordedResponder(write(tmp_path / "a.jsonl", *rows), name="x")


def test_no_file_and_identity(tmp_path):
    with pytest.raises(EngineError, match="JSON lines"):
        RecordedResponder(tmp_path / "no.jsonl", name="x")
    one = RecordedResponder(write(tmp_path / "1.jsonl", {"id": "a", "text": "x"}), name="x")
    two = RecordedResponder(write(tmp_path / "2.jsonl", {"id": "a", "text": "y"}), name="x")
    assert one.identity() != two.identity()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_files_of_a_windows_office(tmp_path, encoding):
    path = tmp_path / "a.jsonl"
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    text = '{"id": "a", "text": "\u00c4rger."}\n{"id": "b", "text": "Fear."}\n'
    path.write_bytes(mark + text.encode(encoding))
    replies = ask(path, "a", "b")
    assert [replies[i].text for i in "ab"] == ["\u00c4rger.", "Fear."]


def test_a_json_array_of_answers(tmp_path):
    rows = [{"id": "a", "text": "Fear.\nAU1"}, {"id": "b", "answer": ""}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=2))
    replies = ask(path, "a", "b")
    assert [replies[i].text for i in "ab"] == ["Fear.\nAU1", ""]
    path.write_text(json.dumps(rows)[:-9])
    with pytest.raises(EngineError, match="JSON array"):
        RecordedResponder(path, name="x")


def test_answers_to_other_questions_are_an_error_that_shows_both_ids(tmp_path):
    responder = RecordedResponder(
        write(tmp_path / "a.jsonl", {"id": "a.jpg", "text": "x"}), name="x"
    )
    with pytest.raises(EngineError, match=r"'a\.jpg'.*'a\.jpg#expression'"):
        responder.expect(["a.jpg#expression", "b.jpg#expression"])
    responder.expect(["b.jpg", "a.jpg"])
    responder.expect([])


@pytest.mark.parametrize("form", ['{"id": "a\\ud800", "text": "\\udfff Fear."}', "[%s]"])
def test_halves_of_surrogates_are_read_as_what_files_can_hold(tmp_path, form):
    line = '{"id": "a\\ud800", "text": "\\udfff Fear.", "warnings": ["\\ud999"]}'
    path = tmp_path / "a.jsonl"
    path.write_text(form.replace("%s", line) + "\n")
    (reply,) = ask(path, "a\ufffd").values()
    assert reply.text == "\ufffd Fear."
    assert all(word.encode() for word in reply.warnings)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EngineError, match=r"pipe: no regular file"):
        RecordedResponder(tmp_path / "pipe", name="x")


def test_a_line_has_a_longest_length(tmp_path, monkeypatch):
    monkeypatch.setattr("mien.engines.recorded.LONGEST_LINE", 1000)
    with pytest.raises(EngineError, match="line 2: longer"):
        RecordedResponder(
            write(tmp_path / "a.jsonl", {"id": "a", "text": "x"}, {"id": "b", "text": "x" * 2000}),
            name="x",
        )
