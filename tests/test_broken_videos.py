"""`mien analyze` on videos that are broken or unusual: rows up to the fault, message, exit code."""

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.sinks import read_rows
from tests.engines.conftest import tiny_folder  # noqa: F401
from tests.media.clips import numbered, turned, write_clip


@pytest.fixture
def analyze(tiny_folder, tmp_path):  # noqa: F811
    """Runs the command on all frames: exit code, rows, and what it says, in one line."""

    def call(*inputs, faces="whole"):
        out = tmp_path / "rows.jsonl"
        arguments = [*map(str, inputs), "--faces", faces, "--numbers", "--every", "1"]
        arguments += ["--out", str(out), "--model", str(tiny_folder), "--device", "cpu"]
        result = CliRunner().invoke(app, ["analyze", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, list(read_rows(out)), result.output.replace("\n", "")

    return call


def faces_of(rows):
    return [r for r in rows if r.kind == "face" and r.status == "ok"]


def whole_row(rows):
    """The row of the clip."""
    (found,) = [r for r in rows if r.kind == "clip"]
    return found


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_cut_off(analyze, tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    write_clip(path, 24, rate=10, codec="mjpeg", pixels="yuvj420p", container_options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    code, rows, said = analyze(path)
    count = len(faces_of(rows))
    assert code == 0
    assert 2 < count < 24
    assert [r.frame for r in faces_of(rows)] == list(range(count))
    assert whole_row(rows).status == "ok"
    assert f"cut.{suffix}: cut off or broken after {count} frames" in said
    assert "again" in said


def test_cut_off_before_its_index(analyze, tmp_path):
    """An MP4 whose index stands at the end holds nothing that can be read without it."""
    path = tmp_path / "cut.mp4"
    write_clip(path, 24)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, rows, said = analyze(path)
    assert (code, [r.status for r in rows]) == (1, ["unreadable"])
    assert "cut.mp4: not a video that can be read, or cut off at its start" in said


def test_sound_alone(analyze, tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    code, rows, said = analyze(path)
    assert (code, [(r.kind, r.status) for r in rows]) == (1, [("clip", "unreadable")])
    assert "song.mp4: holds only sound" in said


def test_no_frames(analyze, tmp_path):
    path = tmp_path / "nothing.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    good = tmp_path / "good.mp4"
    write_clip(good, 3)
    code, rows, said = analyze(path, good)
    assert code == 0  # one of the two could be read
    assert [r.status for r in rows] == ["unreadable", *["ok"] * 5]
    assert "nothing.avi: no frame can be decoded" in said
    assert analyze(path)[0] == 1


def test_wrong_names(analyze, tmp_path):
    """What a file holds decides."""
    video, picture, text = (tmp_path / n for n in ("video.jpg", "picture.mp4", "text.mov"))
    write_clip(tmp_path / "clip.mp4", 3)
    (tmp_path / "clip.mp4").rename(video)
    Image.fromarray(numbered(0, 64, 48)).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(picture)
    text.write_text("not a video\n" * 20)
    code, rows, said = analyze(video, picture, text)
    assert code == 0
    kinds = [(r.source.rsplit("/", 1)[1], r.kind, r.status) for r in rows]
    assert kinds == [
        *[("video.jpg", "face", "ok")] * 3,
        ("video.jpg", "track", "ok"),
        ("video.jpg", "clip", "ok"),
        ("picture.mp4", "face", "ok"),
        ("text.mov", "clip", "unreadable"),
    ]
    assert "text.mov: not a video that can be read" in said


@pytest.mark.parametrize(
    ("codec", "pixels", "size"),
    [
        ("libx264", "yuv420p10le", (64, 48)),
        ("prores_ks", "yuv422p10le", (64, 48)),
        ("ffv1", "gray10le", (64, 48)),
        ("libx264", "yuv444p", (63, 47)),
        ("ffv1", "yuv420p", (33, 17)),
    ],
)
def test_ten_bit_and_odd_sizes(analyze, tmp_path, codec, pixels, size):
    path = tmp_path / "clip.mkv"
    write_clip(path, 4, codec=codec, pixels=pixels, size=size)
    code, rows, said = analyze(path)
    assert (code, said) == (0, "")
    assert [r.box for r in faces_of(rows)] == [(0, 0, *map(float, size))] * 4


def test_turned_by_its_metadata(analyze, tmp_path):
    path = tmp_path / "turned.mp4"
    write_clip(path, 4)
    path.write_bytes(turned(path.read_bytes(), (0, 1, -1, 0)))
    code, rows, _ = analyze(path)
    assert code == 0
    assert {r.box for r in faces_of(rows)} == {(0.0, 0.0, 48.0, 64.0)}


def test_variable_rate(analyze, tmp_path):
    path = tmp_path / "variable.mkv"
    times = [0, 40, 500, 540, 1900]
    write_clip(path, 5, times_ms=times)
    code, rows, said = analyze(path)
    assert (code, said) == (0, "")
    assert [r.time for r in faces_of(rows)] == pytest.approx([t / 1000 for t in times], abs=2e-3)
    assert whole_row(rows).end == pytest.approx(1.9, abs=2e-3)


def test_damaged_in_the_middle(analyze, tmp_path):
    path = tmp_path / "clip.mov"
    write_clip(path, 12, codec="png", pixels="rgb24")
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data)) if data[i : i + 4] == b"\x89PNG"]
    data[starts[5] : starts[5] + 40] = bytes(40)
    path.write_bytes(data)
    code, rows, said = analyze(path)
    assert code == 0
    assert [r.frame for r in faces_of(rows)] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert "clip.mov: 1 damaged frame was left out" in said
