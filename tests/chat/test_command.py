"""`mien chat` in scripts and at a terminal, with a tiny random model."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.chat import Chat
from mien.cli import app
from mien.commands import chat_loop
from mien.engines import load_responder
from mien.terminal import Console
from tests.engines.conftest import tiny_folder  # noqa: F401


@pytest.fixture(scope="module")
def crop(tmp_path_factory):
    path = tmp_path_factory.mktemp("crop") / "crop.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def run(tiny_folder):  # noqa: F811
    def call(*args, input=None):
        words = ["chat", *map(str, args), "--model", str(tiny_folder), "--device", "cpu"]
        options = ["--faces", "whole", "--words", "numbers"]
        return CliRunner().invoke(app, [*words, *options], input=input)

    return call


@pytest.fixture
def talk(tiny_folder, crop):  # noqa: F811
    responder = load_responder(str(tiny_folder), device="cpu")
    return Chat(crop, faces="whole", words="numbers", responder=responder)


def test_questions_as_options(run, crop, tmp_path):
    out = tmp_path / "talk.jsonl"
    result = run(crop, "--ask", "Who is this?", "--ask", "How sure are you?", "--save", out)
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert "identify" in first
    assert "% of the probability" in second
    assert [json.loads(line)["text"] for line in out.read_text().splitlines()] == [first, second]


def test_questions_from_standard_input(run, crop):
    result = run(crop, input=b"How sure are you?\n\n  \n\xff\xfe\x1b[2J?\n/nonsense\n/quit\nwhy?\n")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 2  # one a question; none for blank lines
    assert "\x1b[2J" not in result.output
    assert "no command /nonsense" in result.stderr


def test_same_questions_same_answers(run, crop):
    asked = "What expression is this?\nwhy?\nWhich AUs are active?\n"
    assert run(crop, input=asked).stdout == run(crop, input=asked).stdout


def test_picture_from_standard_input(run, crop):
    result = run("-", "--ask", "How sure are you?", input=crop.read_bytes())
    assert "% of the probability" in result.stdout
    result = run("-", input=crop.read_bytes())
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--ask" in result.stderr


def test_errors_are_one_line(run, crop, tmp_path):
    several = tmp_path / "two"
    several.mkdir()
    for name in ("a.png", "b.png"):
        (several / name).write_bytes(crop.read_bytes())
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.png").write_text("no picture")
    for args, code, words in (
        ([several], 2, "names several pictures"),
        ([tmp_path / "empty"], 1, "no pictures in this folder"),
        ([tmp_path / "none.png"], 1, "no such file"),
        ([tmp_path / "notes.png"], 1, "not a picture"),
        ([crop, "--face", "3"], 2, "there is only face 0"),
    ):
        result = run(*args, "--ask", "why?")
        assert result.exit_code == code, (args, result.output)
        assert result.stdout == ""
        assert words in result.stderr
        assert result.stderr.count("\n") == 1


def test_no_face_and_unknown_model(tmp_path):
    path = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), "grey").save(path)
    result = CliRunner().invoke(app, ["chat", str(path), "--ask", "why?"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no face was found" in result.stderr
    options = ["--model", "nobody/nothing", "--faces", "whole", "--ask", "why?"]
    assert CliRunner().invoke(app, ["chat", str(path), *options]).exit_code == 2


def test_save_that_cannot_be_written(run, crop, tmp_path):
    result = run(crop, "--ask", "why?", "--save", tmp_path / "missing" / "talk.jsonl")
    assert result.exit_code == 1
    assert "no folder" in result.stderr


def terminal(talk, monkeypatch, lines, end=EOFError):
    """What stands on the screen after these lines were typed."""
    out = Console(file=io.StringIO(), width=100)
    monkeypatch.setattr(chat_loop, "Console", lambda **options: out)
    typed = iter(lines)

    def read(prompt):
        line = next(typed, None)
        if line is None:
            raise end
        return line

    monkeypatch.setattr("builtins.input", read)
    assert chat_loop._terminal(talk) == 0
    return out.file.getvalue()


def test_terminal(talk, monkeypatch, tmp_path):
    file = tmp_path / "talk.jsonl"
    lines = ["who is it?", "/numbers", f"/save {file}", "/face 9", "/face \u00b2", "/bad", "/help"]
    screen = terminal(talk, monkeypatch, [*lines, "", "/save", "/save /\0", "/reset"])
    for words in ("expression", "identify", "AU12", "no face 9", "no command /bad", "/reset"):
        assert words in screen
    assert len(file.read_text().splitlines()) == 1
    assert talk.turns == ()


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_end_of_input_and_interruption_end_cleanly(talk, monkeypatch, end):
    assert "Ask about this face" in terminal(talk, monkeypatch, [], end)


def test_interrupted_question_is_given_up(talk, monkeypatch):
    def ask(text):
        raise KeyboardInterrupt

    monkeypatch.setattr(talk, "ask", ask)
    assert "given up" in terminal(talk, monkeypatch, ["why?", "/quit"])
