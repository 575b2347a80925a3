"""What libraries print is held back, and shown where something fails."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

LOUD = """
import logging, os, subprocess, sys, warnings

def talk(when):
    print(f"noise: {when}")
    print(f"noise: {when}", file=sys.stderr)
    print(f"noise: {when}", file=sys.__stdout__)
    os.write(1, b"noise: native\\n")
    os.write(2, b"noise: native\\n")
    warnings.warn("noise: old", FutureWarning)
    logging.getLogger("loud").warning("noise: logged")
    subprocess.run([sys.executable, "-c", "print('noise: a child')"])

talk("imported")
"""

COMMAND = """
import os, sys, threading
from mien.cli import app, main
from mien.partfile import StandardOutput
from mien.terminal import Console, say

@app.command()
def noisy(end: str) -> None:
    import loud
    StandardOutput().append(b"data\\n")
    loud.talk("called")
    say("more data")
    Console(stderr=True).print("ours")
    if end == "raises":
        raise ValueError("real")
    if end == "aborts":
        os.abort()
    if end == "thread":
        failing = threading.Thread(target=int, args=["real"])
        failing.start()
        failing.join()
    if end == "exits":
        sys.exit(3)
    if end == "asks":
        from mien.commands.consent import confirmed
        say(confirmed("Really?"))

main()
"""


def noisy(folder: Path, end: str, noise: str = "0", **streams: int) -> subprocess.CompletedProcess:
    """A command of mien that uses a library which talks in every way there is."""
    (folder / "loud.py").write_text(LOUD)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "noisy", end],
        text=True,
        env={**os.environ, "PYTHONPATH": path, "MIEN_NOISE": noise},
        **(streams or {"capture_output": True}),
    )


@pytest.mark.parametrize(("end", "code"), [("well", 0), ("exits", 3)])
def test_a_command_says_only_what_mien_says(tmp_path: Path, end: str, code: int) -> None:
    ran = noisy(tmp_path, end)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "data\nmore data\n", "ours\n")


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("raises", "ValueError: real"),
        ("aborts", "Fatal Python error"),
        ("thread", "invalid literal for int"),
    ],
)
def test_what_goes_wrong_is_seen(tmp_path: Path, end: str, says: str) -> None:
    ran = noisy(tmp_path, end)
    assert ran.stdout == "data\nmore data\n"
    assert says in ran.stderr
    assert ("noise" in ran.stderr) == (end != "aborts")


def test_noise_on_request(tmp_path: Path) -> None:
    ran = noisy(tmp_path, "well", noise="1")
    assert "noise" in ran.stdout
    assert "noise" in ran.stderr


def test_a_question_is_seen_at_the_terminal(tmp_path: Path) -> None:
    ours, its = pty.openpty()
    os.write(ours, b"y\n")
    streams = {"stdin": its, "stdout": subprocess.PIPE, "stderr": its}
    ran = noisy(tmp_path, "asks", **streams)
    os.close(its)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert ran.stdout == "data\nmore data\nTrue\n"
    assert "Really?" in shown
    assert "noise" not in shown


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_library_prints_is_shown_where_it_fails(fails: bool) -> None:
    code = (
        "import os; from mien.quiet import quiet_library\n"
        "with quiet_library():\n"
        "    print('hello'); os.write(2, b'warning: old\\nE0000 00:00:1 1 a.cc:1] real\\n')\n"
        f"    {'raise ValueError(3)' if fails else 'pass'}\n"
        "print('data')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "real" in ran.stderr
    assert ("hello" in ran.stderr) == ("old" in ran.stderr) == fails
    assert ran.stdout == ("" if fails else "data\n")
