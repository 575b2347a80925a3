"""Tiny clips, encoded in the test: moving squares whose place tells the frame's number."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

STEP = 6  # levels of grey from frame to frame


def numbered(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """A picture that is red above on the left, and whose right half is as bright as its number."""
    image = np.full((height, width, 3), 20 + STEP * index, np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[height // 2 :, : width // 2] = (0, 0, 255)
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that `numbered` drew."""
    return round((float(image[:, image.shape[1] * 3 // 4 :].mean()) - 20) / STEP)


def write_clip(
    path: Path | io.BytesIO,
    count: int = 20,
    *,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    times_ms: Sequence[int] | None = None,
    draw: Callable[[int, int, int], NDArray[np.uint8]] = numbered,
    form: str | None = None,
    sound: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> None:
    """Encodes a clip with times of its own where they are given, and with a tone if asked for."""
    target = path if isinstance(path, io.BytesIO) else str(path)
    with av.open(target, "w", format=form, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        tone = container.add_stream("aac", rate=44100) if sound else None
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(draw(index, *size), format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone is not None:
            _write_tone(container, tone, seconds=count / rate)


def _write_tone(container: av.container.OutputContainer, stream, seconds: float) -> None:
    for start in range(0, int(44100 * seconds), 1024):
        wave = np.sin(np.arange(start, start + 1024) * 0.05).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def turned(data: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """An MP4 whose track says by (a, b, c, d) how it is to be shown; see the display matrix."""
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    return data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + 36 :]


def animation(path: Path, count: int, durations_ms: Sequence[int]) -> None:
    """An animated picture in the format of the name's ending."""
    stills = [Image.fromarray(numbered(i, 32, 24)) for i in range(count)]
    stills[0].save(
        path, save_all=True, append_images=stills[1:], duration=list(durations_ms), lossless=True
    )
