import io
import json
import logging
import os
import subprocess
import sys
import unicodedata

import pytest
from rich.table import Table
from rich.text import Text

from mien import terminal
from mien.commands.progress import progress_bar
from mien.terminal import Console, Formatter, say, shown

FOUL = "\x1b[31mred\x1b]0;own\x07 \x9b2J \u202egpj.exe \u2066x\u061c \x7f\ttab\rcr \udcff"
RAW = {c for c in FOUL if not c.isprintable()}


def console(**options):
    return Console(file=io.StringIO(), width=200, **options)


def test_nothing_that_moves_or_hides_is_left():
    for code in range(0x11000):
        character = chr(code)
        made = shown(f"a{character}b")
        kept = unicodedata.category(character)[0] != "C" and character not in "\u2028\u2029"
        assert (made == f"a{character}b") == (kept or character in "\u200c\u200d"), hex(code)
        assert "\n" not in made


def test_plain_names_stay_and_escapes_are_those_of_json():
    for name in (
        "photo.jpg",
        "Übung 笑　顔.png",
        "\U0001f600\u200d\u2642.jpg",
        "\u0646\u0645\u06cc\u200c\u062e.jpg",
    ):
        assert shown(name) == name
    assert json.loads(f'"{shown(FOUL)}"') == FOUL
    assert shown("a\nb", lines=True) == "a\nb"


@pytest.mark.parametrize("make", [str, Text])
def test_a_console_shows_no_raw_text(make):
    for options in ({}, {"force_terminal": True, "color_system": None}):
        out = console(**options)
        out.print(make(FOUL))
        table = Table(title=make(FOUL))
        table.add_column(make(FOUL))
        table.add_row(make(FOUL))
        out.print(table)
        assert not RAW & set(out.file.getvalue())
        assert "\\u202e" in out.file.getvalue()


def test_names_are_neither_markup_nor_emoji():
    out = console()
    out.print("[bold]x[/nope] :smile:")
    assert out.file.getvalue() == "[bold]x[/nope] :smile:\n"


def test_colours_of_our_own_stay():
    out = console(force_terminal=True, color_system="standard")
    out.print("words", style="bold")
    assert "\x1b[1m" in out.file.getvalue()


def test_the_progress_bar_shows_names_harmlessly():
    out = console(force_terminal=True, color_system=None)
    with progress_bar(out) as bar:
        bar.add_task("[/x] \u202e\x9b.mp4", total=2)
        bar.refresh()
    assert "[/x] \\u202e\\u009b.mp4" in out.file.getvalue()
    assert not {"\u202e", "\x9b"} & set(out.file.getvalue())


def test_lines_and_logs(capsys):
    say(FOUL)
    say(FOUL, err=True)
    log = Formatter("%(message)s").format(logging.LogRecord("x", 1, "", 1, FOUL, None, None))
    said = capsys.readouterr()
    assert not RAW & set((said.out + said.err).replace("\n", "") + log)


def test_a_reader_of_errors_that_went_away_is_no_failure():
    code = (
        "import os, sys; from mien.terminal import Console, say\n"
        "say('x' * 9, err=True); Console(stderr=True).print('y' * 9); print('done')"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writer, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_closed_streams_are_no_failure(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    terminal.say("x")
    Console().print("x")
