"""The command line as a user runs it, with a tiny random model."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.sinks import read_rows
from tests.engines.bad_server import Answer, bad_server
from tests.engines.conftest import tiny_folder  # noqa: F401
from tests.media.clips import write_clip


@pytest.fixture
def run(tiny_folder):  # noqa: F811
    def call(*args):
        return CliRunner().invoke(
            app, ["analyze", *map(str, args), "--model", str(tiny_folder), "--device", "cpu"]
        )

    return call


@pytest.fixture
def crop(tmp_path):
    path = tmp_path / "crop.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)).save(path)
    return path


def test_table_and_text_on_screen(run, crop):
    result = run(crop, "--faces", "whole")
    assert result.exit_code == 0, result.output
    assert "crop.png" in result.output


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_on_disk_read_back(run, crop, tmp_path, suffix):
    out = tmp_path / f"rows.{suffix}"
    assert run(crop, crop, "--faces", "whole", "--numbers", "--out", out).exit_code == 0
    rows = list(read_rows(out))
    assert [row.status for row in rows] == ["ok", "ok"]
    assert not out.with_name(out.name + ".part").exists()


def test_jsonl_on_standard_output_is_only_json(run, crop):
    result = run(crop, "--faces", "whole", "--numbers", "--format", "jsonl")
    assert json.loads(result.stdout.strip())["schema_version"] == 1


def test_overlay_and_report(run, crop, tmp_path):
    result = run(
        crop, "--faces", "whole", "--overlay", tmp_path / "o", "--report", tmp_path / "r.html"
    )
    assert result.exit_code == 0, result.output
    assert Image.open(tmp_path / "o" / "crop.jpg").size[0] >= 48
    assert "crop.png" in (tmp_path / "r.html").read_text()


def test_no_output_takes_the_place_of_an_input(run, crop, tmp_path):
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    Image.open(crop).save(photo)
    link = tmp_path / "link"
    link.symlink_to(photo.parent)
    before = photo.read_bytes()
    for words in (
        (photo.parent, "--overlay", photo.parent),
        (photo, "--overlay", link),
        (link, "--report", photo),
        (photo, "--out", link / "a.jpg", "--format", "jsonl"),
    ):
        result = run(*words)
        assert result.exit_code == 2, result.output
        assert "name another" in " ".join(result.output.split())
    assert photo.read_bytes() == before


def test_overlays_of_like_names_are_all_kept(run, crop, tmp_path):
    names = ["x/a.png", "y/a.png", "y/a-2.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.open(crop).save(tmp_path / name)
    words = [tmp_path / name for name in names]
    assert run(*words, "--faces", "whole", "--numbers", "--overlay", tmp_path / "o").exit_code == 0
    assert len(list((tmp_path / "o").iterdir())) == 3


def test_a_folder_that_was_removed_is_one_error(tmp_path):
    (tmp_path / "gone").mkdir()
    words = "import os; os.rmdir(os.getcwd()); from mien.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", words, "doctor"],
        cwd=tmp_path / "gone",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is gone" in done.stderr


def test_no_face_is_a_row_and_exit_0(run, tmp_path):
    blank = tmp_path / "blank.png"
    Image.new("RGB", (64, 64), "white").save(blank)
    out = tmp_path / "rows.jsonl"
    result = run(blank, "--out", out)
    assert result.exit_code == 0
    assert next(iter(read_rows(out))).status == "no_face"
    assert "no face" in result.output


def test_nothing_readable_is_exit_1(run, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("not a picture")
    result = run(text, tmp_path / "missing.jpg", "--faces", "whole")
    assert result.exit_code == 1
    assert "text.jpg" in result.output
    assert "missing.jpg" in result.output


def test_a_model_that_answers_for_no_face_is_exit_1(crop):
    with bad_server(lambda seen: Answer(401, {"error": {"message": "no"}})) as server:
        result = CliRunner().invoke(
            app, ["analyze", str(crop), "--faces", "whole", "--model", f"openai:m@{server.url}"]
        )
    assert result.exit_code == 1
    assert "answered for none of the faces" in result.output
    assert "refuses the key" in " ".join(result.output.split())


def test_one_bad_among_good_is_exit_0(run, crop, tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    out = tmp_path / "rows.jsonl"
    assert run(tmp_path / "empty.jpg", crop, "--faces", "whole", "--out", out).exit_code == 0
    assert [row.status for row in read_rows(out)] == ["unreadable", "ok"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--format", "parquet"), "--out"),
        (("--out", "rows.xyz"), "suffix"),
        (("--format", "table", "--out", "x.jsonl"), "screen"),
    ],
)
def test_wrong_usage_is_exit_2_with_a_remedy(run, crop, args, message):
    result = run(crop, *args)
    assert result.exit_code == 2
    assert message in result.output


def test_unwritable_output_is_exit_1_and_names_the_path(run, crop, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for option, target in (("--out", blocked / "rows.jsonl"), ("--overlay", blocked / "o")):
        result = run(crop, "--faces", "whole", option, target)
        assert result.exit_code == 1
        assert "file" in result.output


def test_unknown_model_is_exit_2(crop):
    result = CliRunner().invoke(app, ["analyze", str(crop), "--model", "mien/giga"])
    assert result.exit_code == 2
    assert "unknown model" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_whole_rows(crop, tmp_path, tiny_folder, stop):  # noqa: F811
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(400):
        (folder / f"{i:04}.png").write_bytes(crop.read_bytes())
    out = tmp_path / "rows.jsonl"
    command = [
        *(sys.executable, "-m", "mien", "analyze", str(folder), "--faces", "whole"),
        *("--model", str(tiny_folder), "--device", "cpu", "--batch-size", "1", "--out", str(out)),
    ]
    process = subprocess.Popen(command)
    part = out.with_name(out.name + ".part")
    deadline = time.monotonic() + 240  # imports on a busy machine
    while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(stop)
    assert process.wait(60) == 130
    assert not part.exists()
    rows = list(read_rows(out))
    assert 0 < len(rows) < 400
    assert {row.status for row in rows} <= {"ok", "unparsed"}


@pytest.mark.parametrize("command", ["models", "data list", "--help"])
def test_a_reader_that_has_enough_is_no_error(command):
    line = [sys.executable, "-m", "mien", *command.split()]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mien", "models"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_words_in_errors_of_usage_are_harmless():
    for wrong in (["--x\x1b[31m"], ["analyze", "a.jpg", "--faces", "\x9b\u202ex"]):
        result = CliRunner().invoke(app, wrong)
        assert result.exit_code == 2
        assert not {"\x1b", "\x9b", "\u202e"} & set(result.output)


def test_version():
    assert "mien 0." in CliRunner().invoke(app, ["--version"]).output


def test_doctor_names_every_part():
    result = CliRunner().invoke(app, ["doctor"])
    assert "transformers" in result.output
    assert "face_landmarker" in result.output


def test_video_gives_rows_overlay_and_report(run, tmp_path):
    clip = tmp_path / "clip.mp4"
    write_clip(clip, 10, sound=True)
    cut = tmp_path / "cut.mkv"
    write_clip(cut, 20)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 4])
    out, overlay, page = tmp_path / "rows.jsonl", tmp_path / "o", tmp_path / "r.html"
    result = run(
        *(clip, cut, "--faces", "whole", "--numbers", "--fps", "10"),
        *("--out", out, "--overlay", overlay, "--report", page),
    )
    assert result.exit_code == 0, result.output
    assert "cut.mkv: cut off or broken" in result.output.replace("\n", "")
    rows = list(read_rows(out))
    assert [r.frame for r in rows if r.source == str(clip)][:4] == [0, 3, 5, 8]
    assert [r.kind for r in rows if r.source == str(clip)][4:] == ["track", "clip"]
    assert sorted(p.name for p in overlay.iterdir()) == ["clip.mp4", "cut.mp4"]
    assert page.read_text().count("<svg") == 2


def test_video_on_screen_shows_tracks_not_frames(run, tmp_path):
    clip = tmp_path / "clip.mp4"
    write_clip(clip, 6)
    result = run(clip, "--faces", "whole", "--numbers", "--frames", "3")
    assert result.exit_code == 0, result.output
    assert result.output.count("clip") == 2  # its name, and the row of the clip


def test_unreadable_video_is_exit_1(run, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    result = run(tmp_path / "bad.mp4")
    assert result.exit_code == 1
    assert "bad.mp4: not a video" in result.output.replace("\n", "")


def test_ways_to_choose_frames_exclude_each_other(run, crop):
    result = run(crop, "--fps", "5", "--frames", "3")
    assert result.exit_code == 2
    assert "rate and count exclude each other" in result.output.replace("\n", "")
