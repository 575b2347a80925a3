"""Frames of videos: which, when, how they are turned, and what a broken file gives."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from mien.media import Frame, MediaError, Sampling, is_video, read_frames
from tests.media.clips import animation, number_of, numbered, turned, write_clip

FAST_START = {"movflags": "+faststart"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Twenty frames at 25 a second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path)
    return path


def numbers(frames) -> list[int]:
    return [frame.index for frame in frames]


def up_to_the_fault(source) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    try:
        for frame in read_frames(source):
            frames.append(frame)
    except MediaError as error:
        return frames, str(error)
    return frames, ""


def test_all_frames_with_their_times(clip):
    frames = list(read_frames(clip))
    assert numbers(frames) == list(range(20))
    np.testing.assert_allclose([f.time for f in frames], np.arange(20) / 25)
    assert [number_of(f.image) for f in frames] == list(range(20))
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8


def test_colours_are_rgb(clip):
    image = next(read_frames(clip)).image
    assert np.abs(image[5, 5].astype(int) - (255, 0, 0)).max() < 12
    assert np.abs(image[40, 5].astype(int) - (0, 0, 255)).max() < 12


def test_path_text_and_bytes_agree(clip):
    data = clip.read_bytes()
    for source in (str(clip), data):
        assert numbers(read_frames(source)) == list(range(20))


def test_rate_takes_the_first_frame_of_each_part(clip):
    # At 25 a second frame n shows at n / 25 s; the ticks of 10 a second are at 0, 0.1, 0.2 ...
    assert numbers(read_frames(clip, rate=10)) == [0, 3, 5, 8, 10, 13, 15, 18]
    assert numbers(read_frames(clip, rate=5)) == [0, 5, 10, 15]
    assert numbers(read_frames(clip, rate=100)) == list(range(20))
    assert numbers(read_frames(clip, rate=0.1)) == [0]


def test_count_spreads_over_the_clip(clip):
    # The middles of four parts of 0.8 s: 0.1, 0.3, 0.5, 0.7 s.
    assert numbers(read_frames(clip, count=4)) == [2, 7, 12, 17]
    assert numbers(read_frames(clip, count=1)) == [10]
    assert numbers(read_frames(clip, count=99)) == list(range(20))
    assert numbers(read_frames(clip, count=4, cuts=True)) == [2, 7, 12, 17]
    assert numbers(read_frames(clip, count=2, start=0.4)) == [12, 17]


def test_every_start_and_end(clip):
    assert numbers(read_frames(clip, every=8)) == [0, 8, 16]
    assert numbers(read_frames(clip, start=0.2, end=0.4)) == [5, 6, 7, 8, 9]
    assert numbers(read_frames(clip, start=0.2, every=3, end=0.4)) == [5, 8]
    assert numbers(read_frames(clip, rate=5, start=0.1)) == [3, 8, 13, 18]
    assert numbers(read_frames(clip, start=9.0)) == []


def test_indices_jump_in_a_long_clip(tmp_path):
    path = tmp_path / "long.mp4"
    write_clip(path, 38, rate=2, options={"g": "6"})  # 19 s: far enough to jump
    frames = list(read_frames(path, indices=[3, 30, 31, 37, 99]))
    assert numbers(frames) == [3, 30, 31, 37]
    assert [number_of(f.image) for f in frames] == [3, 30, 31, 37]
    assert [f.time for f in frames] == [1.5, 15.0, 15.5, 18.5]
    assert [number_of(f.image) for f in read_frames(path, count=3)] == [6, 19, 31]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 5, "count": 3}, "rate and count"),
        ({"every": 2, "scene": True}, "every and scene"),
        ({"rate": 0}, "rate is 0"),
        ({"count": -1}, "count is -1"),
        ({"start": -1}, "start is -1"),
        ({"start": 2, "end": 1}, "end is 1"),
    ],
)
def test_sampling_is_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**arguments)


def test_variable_rate_keeps_its_times(tmp_path):
    path = tmp_path / "vfr.mp4"
    times = [0, 40, 80, 500, 540, 2000, 2040, 2080]
    write_clip(path, len(times), times_ms=times)
    frames = list(read_frames(path))
    np.testing.assert_allclose([f.time for f in frames], np.array(times) / 1000, atol=1e-3)
    # A frame that stays is taken once; afterwards the next tick counts.
    assert numbers(read_frames(path, rate=5)) == [0, 3, 5]
    # Its end is 2.12 s; frame 4 shows in the middle of three of the four parts.
    assert numbers(read_frames(path, count=4)) == [2, 4]


@pytest.mark.parametrize(
    ("matrix", "shape", "red"),
    [
        ((1, 0, 0, 1), (48, 64), (0, 0)),
        ((0, 1, -1, 0), (64, 48), (0, 1)),  # a quarter turn clockwise
        ((-1, 0, 0, -1), (48, 64), (1, 1)),
        ((0, -1, 1, 0), (64, 48), (1, 0)),
        ((-1, 0, 0, 1), (48, 64), (0, 1)),  # mirrored
    ],
)
def test_shown_as_the_metadata_says(clip, matrix, shape, red):
    image = next(read_frames(turned(clip.read_bytes(), matrix))).image
    assert image.shape[:2] == shape
    corner = image[5 if red[0] == 0 else -5, 5 if red[1] == 0 else -5].astype(int)
    assert np.abs(corner - (255, 0, 0)).max() < 12


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix", "size"),
    [
        ("libx264", "yuv420p10le", "mp4", (64, 48)),
        ("libx264", "yuv444p", "mkv", (63, 47)),
        ("ffv1", "gray16le", "mkv", (33, 21)),
        ("ffv1", "bgra", "mkv", (31, 20)),
        ("mpeg4", "yuv420p", "avi", (64, 48)),
        ("mpeg2video", "yuv422p", "mkv", (64, 48)),
        ("mjpeg", "yuvj420p", "avi", (62, 46)),
        ("libvpx-vp9", "yuv420p", "webm", (64, 48)),
        ("mpeg2video", "yuv420p", "ts", (64, 48)),
    ],
)
def test_formats_of_pixels_and_files(tmp_path, codec, pixels, suffix, size):
    path = tmp_path / f"clip.{suffix}"
    options = {"libvpx-vp9": {"cpu-used": "8"}, "mpeg4": {"qmin": "1", "b": "4000000"}}
    options = options.get(codec, {})
    write_clip(path, 6, size=size, codec=codec, pixels=pixels, options=options)
    assert is_video(path)
    frames = list(read_frames(path))
    assert [f.image.shape for f in frames] == [(size[1], size[0], 3)] * 6
    assert [number_of(f.image) for f in frames] == list(range(6))


def test_pixels_are_made_square(tmp_path):
    path = tmp_path / "wide.mp4"
    write_clip(path, 2, options={"aspect": "8:3"})
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(0, 64, 48), "rgb24")))
        container.mux(stream.encode())
    assert next(read_frames(path)).image.shape == (48, 128, 3)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations_are_clips(tmp_path, suffix):
    path = tmp_path / f"moving.{suffix}"
    animation(path, 4, [100, 200, 50, 100])
    assert is_video(path)
    frames = list(read_frames(path))
    assert numbers(frames) == [0, 1, 2, 3]
    np.testing.assert_allclose([f.time for f in frames], [0, 0.1, 0.3, 0.35], atol=0.011)
    assert numbers(read_frames(path, count=1)) == [1]
    assert numbers(read_frames(path, indices=[1, 3])) == [1, 3]


def test_still_picture_is_no_video(tmp_path):
    from PIL import Image

    path = tmp_path / "still.mp4"  # its name lies
    Image.new("RGB", (8, 8)).save(path, "PNG")
    assert not is_video(path)
    assert not is_video(tmp_path / "missing.mp4")


def test_video_under_a_pictures_name(clip, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(clip.read_bytes())
    assert is_video(path)
    assert len(list(read_frames(path))) == 20


@pytest.mark.parametrize(("suffix", "options"), [("mp4", FAST_START), ("mkv", {}), ("ts", {})])
def test_cut_off_at_any_byte(tmp_path, suffix, options):
    path = tmp_path / f"whole.{suffix}"
    codec = "mpeg2video" if suffix == "ts" else "libx264"
    write_clip(path, 12, rate=5, codec=codec, container_options=options)
    data = path.read_bytes()
    whole, fault = up_to_the_fault(data)
    assert (len(whole), fault) == (12, "")
    counts = []
    for length in range(0, len(data), max(1, len(data) // 60)):
        frames, fault = up_to_the_fault(data[:length])
        assert numbers(frames) == sorted(set(numbers(frames)))
        # The last packet may be half there.
        assert all(number_of(f.image) == round(5 * f.time) for f in frames[:-1])
        # Frames that refer to later ones: what was to stand between the last is not known of.
        assert all(number_of(f.image) == f.index for f in frames[:-3])
        # A little that is missing at the end cannot be seen; transport streams state no length.
        if len(frames) < (1 if suffix == "ts" else 9):
            assert fault.startswith("bytes: ")
            assert "again" in fault
        counts.append(len(frames))
    assert counts == sorted(counts)
    assert any(0 < count < 9 for count in counts)


def test_damaged_packets_are_left_out_and_told(tmp_path):
    path = tmp_path / "clip.mov"
    write_clip(path, 12, codec="png", pixels="rgb24")
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data)) if data[i : i + 4] == b"\x89PNG"]
    data[starts[5] : starts[5] + 40] = bytes(40)
    frames, fault = up_to_the_fault(bytes(data))
    assert numbers(frames) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert "1 damaged frame was left out, from 0.2 s on" in fault


def test_sound_only_says_so(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert is_video(path)
    with pytest.raises(MediaError, match=r"song\.mp4: holds only sound"):
        next(read_frames(path))


def test_no_frames_missing_text_and_empty_files_name_the_remedy(tmp_path):
    nothing = tmp_path / "nothing.avi"
    with av.open(str(nothing), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 50)
    list_of_files = tmp_path / "list.mp4"
    list_of_files.write_text(f"ffconcat version 1.0\nfile '{nothing}'\n")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for path, message in {
        nothing: "no frame can be decoded",
        text: "not a video that can be read",
        list_of_files: "not a video that can be read",
        empty: "0 bytes",
        tmp_path / "missing.mp4": "no such file",
    }.items():
        with pytest.raises(MediaError, match=message) as caught:
            list(read_frames(path))
        assert path.name in str(caught.value)


def test_too_large_frames_are_refused(clip):
    with pytest.raises(MediaError, match="too large"):
        next(read_frames(clip, max_pixels=1000))


def test_stops_early_without_reading_on(clip):
    frames = read_frames(clip)
    assert next(frames).index == 0
    frames.close()


def scenes(index: int, width: int, height: int) -> np.ndarray:
    """Three pictures of noise with colours of their own, eight frames each, that drift slowly."""
    rng = np.random.default_rng(index // 8)
    low, high = [(0, 90), (120, 200), (60, 255)][index // 8]
    coarse = rng.integers(low, high, (6, 8, 3)).astype(np.uint8)
    image = np.kron(coarse, np.ones((height // 6, width // 8, 1), np.uint8))
    return np.roll(image, index % 8, axis=1)


def test_scenes_and_cuts(tmp_path):
    path = tmp_path / "cut.mp4"
    write_clip(path, 24, size=(160, 96), draw=scenes)
    assert numbers(read_frames(path, scene=True)) == [0, 8, 16]
    marked = list(read_frames(path, rate=5, cuts=True))
    assert numbers(marked) == [0, 5, 10, 15, 20]
    assert [f.cut for f in marked] == [False, False, True, False, True]
    assert [f.cut_at for f in marked] == pytest.approx([None, None, 8 / 25, None, 16 / 25])


def test_more_frames_than_any_clip_has(tmp_path):
    write_clip(tmp_path / "a.mp4", 5)
    assert len(list(read_frames(tmp_path / "a.mp4", count=10**15))) == 5


def test_the_cover_of_a_song_is_no_video(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        tone = container.add_stream("aac", rate=44100)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt, cover.disposition = "yuvj420p", Disposition.attached_pic.value
        picture = av.VideoFrame.from_ndarray(numbered(3, 64, 64), format="rgb24")
        for packet in (*cover.encode(picture), *cover.encode()):
            container.mux(packet)
        for start in range(0, 44100, 1024):
            sound = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            sound.sample_rate, sound.pts = 44100, start
            container.mux(tone.encode(sound))
        container.mux(tone.encode())
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(MediaError, match="holds only sound"):
        list(read_frames(path))


def test_frames_that_grow_on_the_way_are_measured_too(tmp_path):
    for name, size in (("a", (64, 48)), ("b", (128, 96))):
        write_clip(tmp_path / name, 4, size=size, form="h264")
    (tmp_path / "both.h264").write_bytes(
        (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes()
    )
    frames = read_frames(tmp_path / "both.h264", max_pixels=5000)
    assert next(frames).image.shape == (48, 64, 3)
    with pytest.raises(MediaError, match="too large \\(128 x 96"):
        list(frames)
