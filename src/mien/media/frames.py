"""Frames of a video or an animation as a stream: which ones, when, and what was wrong."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.media.cuts import CutDetector
from mien.media.kinds import is_animation
from mien.media.pictures import MAX_PIXELS

_MOST_PARTS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a clip.

    Attributes:
        index: number in the clip, from 0, also where frames between were left out.
        time: seconds since the clip's first frame, by its own time stamps.
        image: (H, W, 3) uint8, upright RGB with square pixels.
        cut: whether there is a hard cut between the frame that was given before and this one;
            False where cuts were not looked for.
        cut_at: seconds of the first frame behind that cut (the last, where there are several);
            None where there is none.
    """

    index: int
    time: float
    image: NDArray[np.uint8]
    cut: bool = False
    cut_at: float | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames of a clip to take: at most one of rate, count, every and scene.

    Attributes:
        rate: frames a second. A frame that stays longer than that is taken once.
        count: so many in all, spread evenly over the clip; fewer where it has fewer.
        every: every so many frames one, from the first.
        scene: the first frame, and the first one after each hard cut.
        start, end: seconds since the first frame; what lies before or from there on is left out.
    """

    rate: float | None = None
    count: int | None = None
    every: int | None = None
    scene: bool = False
    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        given = [n for n in ("rate", "count", "every") if getattr(self, n) is not None]
        given += ["scene"] if self.scene else []
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; give one of them")
        for name in given[:1] if given != ["scene"] else []:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}; it must be above 0")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise ValueError(f"start is {self.start}; it must be 0 or more seconds")
        if self.end is not None and not self.end > self.start:
            raise ValueError(f"end is {self.end}; it must lie behind start, {self.start}")


class RawFrame(Protocol):
    """A decoded frame that is not yet converted; `index` and `time` as in `Frame`."""

    @property
    def index(self) -> int: ...

    @property
    def time(self) -> float: ...

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, upright RGB."""
        ...

    def small(self) -> NDArray[np.uint8]:
        """(h, w, 3) uint8 for finding cuts."""
        ...


class ClipFile(Protocol):
    """An open clip."""

    def frames(self) -> Iterator[RawFrame]:
        """All frames in order. Raises a MediaError behind the last where something is wrong."""
        ...

    def frames_at(self, indices: Sequence[int]) -> Iterator[RawFrame]:
        """The frames of these numbers, which rise; leaves out what lies between if it can."""
        ...

    def times(self) -> list[float]:
        """Seconds of each frame and, as the last entry, of the end."""
        ...

    def close(self) -> None: ...


def read_frames(
    source: Path | str | bytes,
    *,
    rate: float | None = None,
    count: int | None = None,
    every: int | None = None,
    scene: bool = False,
    start: float = 0.0,
    end: float | None = None,
    cuts: bool = False,
    indices: Sequence[int] | None = None,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Frame]:
    """Frames of a video, or of an animated GIF, WebP, PNG or AVIF, one by one, in flat memory.

    Turned and mirrored as its metadata says, converted from whatever pixel format it has (HDR is
    not tone-mapped), times by its own time stamps, so that a variable frame rate is respected.
    Only frames that are taken are converted; `count` and `indices` jump where that is quicker.

    Args:
        source: path, or an encoded clip.
        rate, count, every, scene, start, end: which frames; see `Sampling`. By default all.
        cuts: look for hard cuts between the frames, see `Frame.cut`.
        indices: exactly the frames of these numbers, in rising order; excludes the others.
        name: what to call the clip in errors; by default its path.
        max_pixels: larger frames are refused.

    Raises:
        MediaError: where the clip cannot be read; behind the last good frame where only a part can
            be read, or damaged frames had to be left out.
        ValueError: on arguments that do not fit together.
    """
    sampling = Sampling(rate, count, every, scene, start, end)
    if indices is not None and (sampling != Sampling() or cuts):
        raise ValueError("indices exclude the other ways to choose frames")
    return _read(source, sampling, cuts, indices, name, max_pixels)


def _read(
    source: Path | str | bytes,
    sampling: Sampling,
    cuts: bool,
    indices: Sequence[int] | None,
    name: str | None,
    max_pixels: int,
) -> Iterator[Frame]:
    clip = open_clip(source, name=name, max_pixels=max_pixels)
    chosen: Iterator[tuple[RawFrame, float | None]]
    try:
        if indices is not None:
            chosen = ((raw, None) for raw in clip.frames_at(sorted(set(indices))))
        elif sampling.count is not None and not cuts:
            chosen = ((raw, None) for raw in clip.frames_at(_spread(clip.times(), sampling)))
        else:
            wanted = None
            if sampling.count is not None:
                wanted = frozenset(_spread(clip.times(), sampling))
            chosen = _chosen(clip.frames(), sampling, wanted, cuts or sampling.scene)
        for raw, cut_at in chosen:
            yield Frame(raw.index, raw.time, raw.image(), cut_at is not None, cut_at)
    finally:
        clip.close()


def open_clip(
    source: Path | str | bytes, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> ClipFile:
    """Opens a video or an animation.

    Raises:
        MediaError: if there is nothing to be read.
    """
    from mien.media.animation import Animation
    from mien.media.video import Video

    if isinstance(source, str):
        source = Path(source)
    if name is None:
        name = str(source) if isinstance(source, Path) else "bytes"
    if is_animation(source):
        return Animation(source, name=name, max_pixels=max_pixels)
    return Video(source, name=name, max_pixels=max_pixels)


def _chosen(
    frames: Iterator[RawFrame], sampling: Sampling, wanted: frozenset[int] | None, cuts: bool
) -> Iterator[tuple[RawFrame, float | None]]:
    """The frames to take, each with the time of a cut between it and the one before."""
    detector = CutDetector() if cuts else None
    cut_at: float | None = None
    due, number, first = 0, 0, True
    for raw in frames:
        if sampling.end is not None and raw.time >= sampling.end:
            return
        if raw.time < sampling.start:
            continue
        if detector is not None and detector.step(raw.small()):
            cut_at = raw.time
        elapsed = raw.time - sampling.start
        if wanted is not None:
            take = raw.index in wanted
        elif sampling.rate is not None:
            # A little early is on time: stamps are rounded to the clip's clock.
            tick = math.floor(elapsed * sampling.rate + 0.01)
            take = tick >= due
            due = tick + 1 if take else due
        elif sampling.every is not None:
            take = number % sampling.every == 0
        else:
            take = not sampling.scene or cut_at is not None or first
        number += 1
        if take:
            yield raw, cut_at
            cut_at, first = None, False


def _spread(times: list[float], sampling: Sampling) -> list[int]:
    """Numbers of the frames that show in the middle of `count` equal parts of the clip."""
    if len(times) < 2:
        return [0]
    *starts, last = times
    end = last if sampling.end is None else min(last, sampling.end)
    length = max(0.0, end - sampling.start)
    count = min(sampling.count or 1, _MOST_PARTS)
    if length == 0 and sampling.start > 0:
        return []
    middles = (sampling.start + (i + 0.5) * length / count for i in range(count))
    return sorted({max(0, bisect_right(starts, middle) - 1) for middle in middles})
