"""Overlay videos: the same times, the same sound, and nothing half-written."""

import av
import numpy as np
import pytest

from mien.draw.video import overlay_video, video_suffix
from mien.media import MediaError, read_frames
from mien.partfile import SinkError
from mien.schema import Analysis
from mien.timeline import Timeline
from tests.media.clips import animation, number_of, turned, write_clip


def seen(until=1.0):
    timeline = Timeline("clip", "tiny")
    for time in np.arange(0, until, 0.2):
        box = (4.0, 4.0, 30.0, 30.0)
        timeline.add([Analysis("clip", frame=0, time=float(time), track=0, box=box)])
    return timeline


def sounds(path):
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [bytes(p) for p in container.demux(stream) if p.size]


def test_frames_keep_their_times_and_sound_is_the_same(tmp_path):
    path, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_clip(path, 20, size=(160, 96), sound=True)
    overlay_video(path, seen(), out)
    before, after = list(read_frames(path)), list(read_frames(out))
    assert [f.time for f in after] == pytest.approx([f.time for f in before], abs=1e-4)
    assert [number_of(f.image) for f in after] == list(range(20))
    assert sounds(out) == sounds(path)
    assert after[0].image.shape == (3 * 96, 3 * 160, 3)  # enlarged to 480
    small = after[0].image[1::3, 1::3].astype(int)
    changed = np.abs(small - before[0].image).max(-1) > 60
    assert changed[8:31, 3:6].any()
    assert not changed[60:, 60:].any()
    assert not list(tmp_path.glob("*.part"))
    with av.open(str(path)) as a, av.open(str(out)) as b:
        starts = [
            c.streams.audio[0].start_time * c.streams.audio[0].time_base
            - c.streams.video[0].start_time * c.streams.video[0].time_base
            for c in (a, b)
        ]
    assert float(starts[1]) == pytest.approx(float(starts[0]), abs=0.002)


def test_huge_frames_are_halved(tmp_path, monkeypatch):
    monkeypatch.setattr("mien.draw.video.MOST_DRAWN", 100_000)
    path, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_clip(path, 3, size=(640, 480))
    overlay_video(path, seen(), out)
    first = next(read_frames(out)).image
    before = next(read_frames(path)).image
    assert first.shape == (240, 320, 3)
    changed = np.abs(first.astype(int) - before[::2, ::2]).max(-1) > 60
    assert changed[:17, :17].any()
    assert not changed[40:, 40:150].any()


def test_variable_rate_stays_variable(tmp_path):
    path, out = tmp_path / "vfr.mp4", tmp_path / "out.mp4"
    times = [0, 40, 80, 500, 540, 2000, 2040]
    write_clip(path, len(times), times_ms=times)
    overlay_video(path, seen(), out)
    assert [f.time for f in read_frames(out)] == pytest.approx(np.array(times) / 1000, abs=2e-3)


def test_turned_and_odd_clips(tmp_path):
    path, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_clip(path, 3)
    path.write_bytes(turned(path.read_bytes(), (0, 1, -1, 0)))
    overlay_video(path, seen(), out)
    assert next(read_frames(out)).image.shape == (64 * 8, 48 * 8, 3)
    odd = tmp_path / "odd.mkv"
    write_clip(odd, 3, size=(501, 47), codec="ffv1", pixels="bgra")
    overlay_video(odd, seen(), out)
    assert next(read_frames(out)).image.shape == (48, 502, 3)


def test_animation(tmp_path):
    path, out = tmp_path / "moving.gif", tmp_path / "out.mp4"
    animation(path, 4, [100, 200, 50, 100])
    assert video_suffix(path) == ".mp4"
    overlay_video(path, seen(), out)
    assert [f.time for f in read_frames(out)] == pytest.approx([0, 0.1, 0.3, 0.35], abs=2e-3)


def test_sound_that_mp4_cannot_hold_asks_for_matroska(tmp_path):
    path, out = tmp_path / "clip.avi", tmp_path / "out.mkv"
    write_clip(path, 5, codec="mpeg4")
    assert video_suffix(path) == ".mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000)
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
        container.mux(video.encode(frame))
        tone = av.AudioFrame.from_ndarray(np.ones((1, 320), np.int16), "s16", "mono")
        tone.sample_rate = 8000
        container.mux(sound.encode(tone))
        container.mux(video.encode())
        container.mux(sound.encode())
    assert video_suffix(path) == ".mkv"
    overlay_video(path, seen(), out)
    assert sounds(out) == sounds(path)


def test_broken_clip_gives_what_there_is(tmp_path):
    path, out = tmp_path / "clip.mkv", tmp_path / "out.mp4"
    write_clip(path, 20)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    overlay_video(path, seen(), out)
    assert 3 < len(list(read_frames(out))) < 20


def test_faults_leave_no_file(tmp_path):
    clip, text = tmp_path / "clip.mp4", tmp_path / "text.mp4"
    write_clip(clip, 2)
    text.write_text("no video")
    out = tmp_path / "out.mp4"
    with pytest.raises(MediaError, match=r"text\.mp4"):
        overlay_video(text, seen(), out, name=str(text))
    with pytest.raises(SinkError, match="no folder"):
        overlay_video(clip, seen(), tmp_path / "missing" / "out.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "text.mp4"]
