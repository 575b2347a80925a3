"""Clips as files: labels by frame, going on after a stop, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien import cli
from mien.partfile import SinkError
from mien.sample import Sample
from mien.synth.clip_files import ClipFolder, codec, read_clip, write_clip
from mien.synth.dataset_settings import SettingsError
from mien.synth.draw_scene import draw_scene
from mien.synth.measure import MEASURED_UNITS
from mien.synth.motion import draw_motion
from mien.synth.sequence import ClipSettings, make_clip, make_clips, recorded
from mien.synth.sequence_sheet import write_sheet
from mien.synth.studio import Studio
from tests.synth.made_up import MadeUpFace, broken

SETTINGS = ClipSettings(seed=2, split="train", size=64, fps=10, seconds=2.0, codec=codec())
FRAMES = 20


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(MadeUpFace(), SETTINGS.size)


def begun(path: Path, settings: ClipSettings = SETTINGS) -> ClipFolder:
    folder = ClipFolder(path)
    folder.prepare(recorded(settings, MadeUpFace()))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ClipFolder:
    """Three clips made in one go."""
    folder = begun(tmp_path_factory.mktemp("whole") / "clips")
    assert sorted(make_clips(folder, MadeUpFace, SETTINGS, count=3)) == [0, 1, 2]
    return folder


def contents(folder: ClipFolder) -> dict[str, bytes]:
    files = [p for p in sorted(folder.path.rglob("*")) if p.is_file()]
    return {p.relative_to(folder.path).as_posix(): p.read_bytes() for p in files}


def rows(folder: ClipFolder) -> list[Sample]:
    lines = (folder.path / "clips.jsonl").read_text().splitlines()
    return [Sample.from_json(line) for line in lines]


# ---------------------------------------------------------------------------------------- the files


def test_what_is_written(whole: ClipFolder) -> None:
    names = [f"{kind}/{n:06d}.{end}" for kind, end in (("clips", "mp4"), ("frames", "parquet"))
             for n in range(3)]  # fmt: skip
    assert set(contents(whole)) == {*names, "clips.jsonl", "settings.json"}
    assert whole.done() == [0, 1, 2]


def test_clips_can_be_played(whole: ClipFolder) -> None:
    for number in range(3):
        with av.open(str(whole.clip(number))) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == ("h264" if codec() == "libx264" else "mpeg4")
            assert stream.average_rate == 10
            assert stream.frames == FRAMES
            assert (stream.width, stream.height) == (64, 64)
        assert sum(1 for _ in read_clip(whole.clip(number))) == FRAMES


def test_frames_of_the_file_are_the_rendered_ones(whole: ClipFolder, studio: Studio) -> None:
    scene = draw_scene(1, seed=2, split="train", model=studio.model)
    motion = draw_motion(scene, fps=10, seconds=2.0)
    for k, image in enumerate(read_clip(whole.clip(1))):
        shot = studio(motion.frame(k)).image
        assert np.abs(image.astype(int) - shot).mean() < 8, "but for what coding loses"


def test_frame_labels_agree_with_the_motion(whole: ClipFolder, studio: Studio) -> None:
    for number in range(3):
        scene = draw_scene(number, seed=2, split="train", model=studio.model)
        motion = draw_motion(scene, fps=10, seconds=2.0)
        table = pq.read_table(whole.table(number)).to_pydict()
        assert table["clip"] == [f"{number:06d}"] * FRAMES
        assert table["frame"] == list(range(FRAMES))
        assert table["timestamp"] == pytest.approx(motion.times, abs=1e-6)
        assert table["phase"] == [motion.phase(k) for k in range(FRAMES)]
        assert table["blink"] == [motion.blinking(k) for k in range(FRAMES)]
        assert table["pose_yaw"] == pytest.approx(motion.pose[:, 0], abs=0.01)
        assert table["gaze_pitch"] == pytest.approx(motion.gaze[:, 1], abs=0.01)
        for au in set(MEASURED_UNITS) - {25, 26}:  # these two come out of the mesh
            none = np.zeros(FRAMES)
            both = motion.units.get((au, "both"), none)
            left = motion.units.get((au, "left"), both)
            right = motion.units.get((au, "right"), both)
            name = f"AU{au:02d}"
            assert table[f"{name}_r_left"] == pytest.approx(left, abs=0.006)
            assert table[f"{name}_r_right"] == pytest.approx(right, abs=0.006)
            assert table[f"{name}_r"] == pytest.approx(np.maximum(left, right), abs=0.006)
            for present, visible, value in zip(
                table[f"{name}_c"], table[f"{name}_v"], table[f"{name}_r"], strict=True
            ):
                sure = visible and not 0.5 <= value < 1.5
                assert present == (int(value >= 1.5) if sure else None)


def test_a_row_for_each_clip(whole: ClipFolder, studio: Studio) -> None:
    found = rows(whole)
    assert [row.id for row in found] == [f"made-up-train-2-{n:06d}" for n in range(3)]
    for number, row in enumerate(found):
        scene = draw_scene(number, seed=2, split="train", model=studio.model)
        motion = draw_motion(scene, fps=10, seconds=2.0)
        assert row.video == f"clips/{number:06d}.mp4"
        assert row.image is None
        assert (row.expression.label if row.expression else None) == scene.expression
        assert (row.subject, row.split) == (f"made-up-{scene.person.number}", "train")
        assert row.licence == "CC0-1.0"
        about = row.attributes
        assert (about["fps"], about["frame_count"]) == (10, FRAMES)
        table = pq.read_table(whole.table(number)).to_pydict()
        peak = int(about["peak_frame"])
        assert {u.au: u.intensity for u in row.action_units if u.au != 45} == pytest.approx(
            {au: table[f"AU{au:02d}_r"][peak] for au in MEASURED_UNITS}
        )
        for phase in ("onset", "apex", "offset"):
            at = about.get(f"{phase}_frame")
            if at is not None:
                assert table["phase"].index(phase) == at
        spans = [tuple(map(int, s.split("-"))) for s in str(about["blinks"]).split()]
        within = {k for first, last in spans for k in range(first, last + 1)}
        assert within == {k for k in range(FRAMES) if table["blink"][k]}
        blink = next(u for u in row.action_units if u.au == 45)
        assert blink.present in (bool(motion.blinks), None)


def test_sheet(whole: ClipFolder, tmp_path: Path) -> None:
    write_sheet(whole)
    path = whole.path / "sheet.jpg"
    with Image.open(path) as sheet:
        assert sheet.width > 8 * 100
        assert np.asarray(sheet).std() > 10
    path.unlink()
    write_sheet(begun(tmp_path / "empty"))
    assert not (tmp_path / "empty" / "sheet.jpg").exists()


# ------------------------------------------------------------------------------- stopping, going on


def test_resumed_equals_uninterrupted(whole: ClipFolder, studio: Studio, tmp_path: Path) -> None:
    folder = begun(tmp_path)
    make_clip(studio, folder, SETTINGS, 1)  # out of turn, by another process
    # killed between clip and table, within a clip, and within a table
    folder.clip(0).write_bytes(b"whole, but without labels")
    (folder.clips / "000002.mp4.part").write_bytes(b"half")
    (folder.frames / "000000.parquet.part").write_bytes(b"half")
    before = folder.clip(1).stat().st_mtime_ns
    folder = begun(tmp_path)
    assert sorted(make_clips(folder, MadeUpFace, SETTINGS, count=3, processes=2)) == [0, 2]
    assert folder.clip(1).stat().st_mtime_ns == before
    assert contents(folder) == contents(whole)
    assert list(make_clips(folder, MadeUpFace, SETTINGS, count=3)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [({"seed": 3}, "seed was 2, not 3"), ({"size": 96}, "size was 64"), ({"fps": 25}, "fps")],
)
def test_other_settings_are_refused(tmp_path: Path, change: dict[str, int], words: str) -> None:
    begun(tmp_path)
    with pytest.raises(SettingsError, match=words):
        begun(tmp_path, replace(SETTINGS, **change))
    begun(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(SettingsError, match="but no settings"):
        begun(tmp_path)
    (tmp_path / "settings.json").write_text("mine too")
    with pytest.raises(SettingsError, match="cannot be read"):
        begun(tmp_path)


@pytest.mark.parametrize(
    "change", [{"size": 33}, {"size": 8}, {"fps": 1}, {"seconds": 1.0}, {"seconds": float("nan")}]
)
def test_impossible_settings(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(SETTINGS, **change)


def test_nothing_is_left_of_a_clip_that_fails(tmp_path: Path) -> None:
    def frames():
        yield np.zeros((64, 64, 3), np.uint8)
        raise RuntimeError("no more")

    path = tmp_path / "a.mp4"
    with pytest.raises(RuntimeError, match="no more"):
        write_clip(path, frames(), fps=10, size=64, codec=codec())
    assert list(tmp_path.iterdir()) == []
    black = np.zeros((12, 64, 64, 3), np.uint8)
    with pytest.raises(SinkError, match="cannot write"):
        write_clip(tmp_path / "no" / "a.mp4", iter(black), fps=10, size=64, codec=codec())


def test_the_other_codec(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (12, 1, 1, 3)).astype(np.uint8)
    frames = (np.tile(image, (64, 64, 1)) for image in images)
    write_clip(tmp_path / "a.mp4", frames, fps=29.97, size=64, codec="mpeg4")
    found = np.stack(list(read_clip(tmp_path / "a.mp4")))
    assert found.shape == (12, 64, 64, 3)
    assert np.abs(found.astype(int) - images).mean() < 6


def test_an_error_of_a_worker_is_told(tmp_path: Path) -> None:
    from mien.synth.face_models import SourceError

    with pytest.raises(SourceError, match="nothing here"):
        list(make_clips(begun(tmp_path), broken, SETTINGS, count=1))


# -------------------------------------------------------------------------------------- the command


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    run = CliRunner().invoke(
        cli.app, ["synth", "sequence", "--out", str(tmp_path / "a"), "--seconds", "1"]
    )
    assert run.exit_code == 2
    assert "seconds is 1" in run.output
    assert not (tmp_path / "a").exists()


_RUN = """
import sys, pathlib
from mien.synth import face_models
from tests.synth.made_up import MadeUpFace
face_models.AnnyFace = MadeUpFace
from mien.commands.synth_sequence import run_sequence
if __name__ == "__main__":
    sys.exit(run_sequence(
        pathlib.Path(sys.argv[1]), count=int(sys.argv[2]), seed=2, size=64, model="anny", ict=None,
        fps=10, seconds=2.0, split="train", processes=1,
    ))
"""


def test_interrupted_and_gone_on_with(whole: ClipFolder, tmp_path: Path) -> None:
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(_RUN)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(script), str(out)]
    run = subprocess.Popen(
        [*command, "200"],
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 30
    while time.monotonic() < end and not list(out.glob("frames/*.parquet")):
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130, errors
    assert "go" in errors
    assert "Traceback" not in errors
    assert not list(out.rglob("*.part"))
    folder = ClipFolder(out)
    assert folder.done()
    assert len(rows(folder)) == len(folder.done())
    for number in folder.done()[:3]:
        assert folder.clip(number).read_bytes() == whole.clip(number).read_bytes()
    settings = json.loads((out / "settings.json").read_text())
    assert settings["model"] == "made-up"
