"""Animated GIF, WebP, PNG and AVIF as clips, read with Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.media.cuts import SMALL
from mien.media.pictures import AGAIN, DECODING_ERRORS, MediaError
from mien.media.pixels import to_rgb

# Browsers show frames of 10 ms and less for a tenth of a second.
_SHORTEST_MS = 11
_USUAL_MS = 100
MAX_ANIMATED = 16_000_000
"""Pixels of a frame; decoders hold several frames at once."""


@dataclass(frozen=True, slots=True, eq=False)
class _Still:
    index: int
    time: float
    pixels: NDArray[np.uint8]

    def image(self) -> NDArray[np.uint8]:
        return self.pixels

    def small(self) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(self.pixels).resize(SMALL, Image.Resampling.BOX))


class Animation:
    """An animated picture; see `mien.media.frames.ClipFile`."""

    def __init__(self, source: Path | bytes, *, name: str, max_pixels: int) -> None:
        self._name = name
        self._image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        width, height = self._image.size
        most = min(max_pixels, MAX_ANIMATED)
        if width * height > most:
            self._image.close()
            raise MediaError(
                f"{name}: refused, too large for an animation ({width} x {height} pixels, limit "
                f"{most:,}). Scale it down"
            )

    def close(self) -> None:
        """Closes the file."""
        self._image.close()

    def frames(self) -> Iterator[_Still]:
        """All frames in order."""
        for index, time, _ in self._steps():
            try:
                yield _Still(index, time, to_rgb(self._image))
            except (*DECODING_ERRORS, MemoryError) as error:
                raise MediaError(_fault(self._name, index, error)) from error

    def frames_at(self, indices: Sequence[int]) -> Iterator[_Still]:
        """The frames of these numbers, which rise; all before them are decoded."""
        wanted = set(indices)
        for still in self.frames():
            if still.index in wanted:
                yield still
            if still.index >= max(wanted, default=-1):
                return

    def times(self) -> list[float]:
        """Seconds of each frame and, as the last entry, of the end."""
        found: list[float] = []
        try:
            for _, start, end in self._steps():
                found += [end] if found else [start, end]
        except MediaError:
            pass  # told again when the frames are read
        return found

    def _steps(self) -> Iterator[tuple[int, float, float]]:
        """Goes from frame to frame: number, start and end in seconds."""
        now, index = 0.0, 0
        while True:
            try:
                self._image.seek(index)
                self._image.load()  # some formats tell the duration only then
            except EOFError:
                return
            except (*DECODING_ERRORS, MemoryError) as error:
                raise MediaError(_fault(self._name, index, error)) from error
            held = float(self._image.info.get("duration") or 0)
            after = now + (held if held >= _SHORTEST_MS else _USUAL_MS) / 1000
            yield index, now, after
            now, index = after, index + 1


def _fault(name: str, index: int, error: BaseException) -> str:
    if index == 0:
        return f"{name}: broken or cut-off animation ({error}). {AGAIN}"
    return f"{name}: broken or cut off after {index} frames ({error}). {AGAIN}"
