"""`mien synth` as a user runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.commands import synth as command
from mien.synth.produce import Maker
from tests.synth.made_up import MadeUpFace, broken


def run(*args: object):
    return CliRunner().invoke(app, ["synth", *map(str, args)])


@pytest.fixture
def made_up(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "loader", lambda name, ict: MadeUpFace)


def test_pictures_labels_sheet_and_summary(made_up: None, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "faces"
    result = run("--count", 3, "--size", 64, "--out", out, "--processes", 1)
    assert result.exit_code == 0, result.output
    assert "3 pictures of 3 people" in result.output
    assert "lip corner puller" in result.output
    names = {"settings.json", "sheet.jpg", "summary.json", "synth-train-00000.parquet"}
    assert {path.name for path in out.iterdir()} == names
    summary = json.loads((out / "summary.json").read_text())
    assert summary["pictures"] == 3
    again = run("--count", 3, "--size", 64, "--out", out)
    assert "all were there already" in again.output
    other = run("--count", 3, "--size", 96, "--out", out)
    assert other.exit_code == 2
    assert "size is 64 there and 96 here" in other.output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "--out"),
        (("--out", "x", "--size", 63), "--size"),
        (("--out", "x", "--count", 0), "--count"),
        (("--out", "x", "--count", 10**15), "--count"),
        (("--out", "x", "--model", "flame"), "--model"),
        (("--out", "x", "--model", "ict"), "--ict PATH"),
        (("--out", "x", "--model", "ict", "--ict", "nowhere"), "git clone"),
    ],
)
def test_wrong_usage(args: tuple[object, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_ICT", raising=False)
    result = run(*args)
    assert result.exit_code == 2
    assert words in result.output.replace("\n", " ")
    assert not Path("x").exists()


def test_a_model_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "loader", lambda name, ict: broken)
    result = run("--out", tmp_path)
    assert (result.exit_code, result.output) == (
        2,
        "error: nothing here: pip install 'something'\n",
    )


def test_a_closed_folder(made_up: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--count", 1, "--out", tmp_path / "file" / "faces")
    assert result.exit_code == 1
    assert "cannot write" in result.output


def test_help_names_every_option() -> None:
    text = run("--help").output
    for option in ("--count", "--seed", "--size", "--model", "--ict", "--out", "--split"):
        assert option in text


@pytest.mark.slow
def test_anny(maker: Maker, tmp_path: Path) -> None:
    """The true model, and Ctrl-C as a terminal sends it, to all processes at once."""
    if importlib.util.find_spec("anny") is None:
        pytest.skip("Anny is not installed")
    out = tmp_path / "faces"
    words = [sys.executable, "-m", "mien", "synth", "--size", "64", "--processes", "1"]
    many = [*words, "--count", "1500", "--out", str(out)]
    process = subprocess.Popen(many, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not (out / "synth-train-00000.parquet.part").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.startswith("interrupted at ")
    assert errors.count("\n") == 1
    assert [path.name for path in out.iterdir()] == ["settings.json"]
    few = tmp_path / "few"
    subprocess.run([*words, "--count", "4", "--out", str(few)], check=True, capture_output=True)
    rows = pq.read_table(few / "synth-train-00000.parquet").to_pylist()
    assert [row["id"] for row in rows] == [f"anny-train-0-{n:06d}" for n in range(4)]
    assert {row["licence"] for row in rows} == {"CC0-1.0 (Anny)"}
