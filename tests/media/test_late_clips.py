"""Clips whose time stamps do not begin at zero, but later or before it."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mien.media import read_frames


@pytest.mark.parametrize("first", [5000, -700])
@pytest.mark.parametrize("kind", ["matroska", "mp4", "mov", "mpegts"])
def test_such_clips_are_whole(tmp_path: Path, kind: str, first: int) -> None:
    path = tmp_path / "clip"
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(15):
            pixels = np.full((64, 64, 3), 10 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = first + 100 * number, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    times = [frame.time for frame in read_frames(path)]
    np.testing.assert_allclose(times, np.arange(15) / 10, atol=1e-3)
    assert [frame.index for frame in read_frames(path, count=3)] == [2, 7, 12]
