"""Overlay videos: every frame of a clip at its own time with marks, and its sound as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray
from PIL import Image

from mien.draw.frame import draw_frame
from mien.draw.marks import Mark, Marks
from mien.draw.picture import MIN_SIDE
from mien.media import MediaError, read_frames
from mien.media.decoding import Decoding
from mien.media.kinds import is_animation
from mien.media.video import open_container, pixel_shape, upright_rgb, video_stream
from mien.partfile import PartFile, SinkError, sink_error
from mien.schema import Box
from mien.timeline import Timeline

# Sound that an MP4 can hold; other sound is kept in a Matroska file.
_MP4_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"})
MOST_DRAWN = 9_000_000
"""Pixels of a frame, 4K among them, that are encoded as they are: an encoder holds many frames."""
_MILLISECONDS = Fraction(1, 1000)
_FINEST_MPEG4 = Fraction(1, 60000)  # MPEG-4 Part 2 counts no finer


def video_suffix(origin: Path | bytes, *, name: str = "clip") -> str:
    """The ending ".mp4", or ".mkv" where the clip's sound does not fit into that.

    Raises:
        MediaError: if the clip cannot be read.
    """
    if is_animation(origin):
        return ".mp4"
    with open_container(origin, name=name) as container:
        sounds = {stream.codec_context.name for stream in container.streams.audio}
    return ".mp4" if all(s.split("_")[0] in _MP4_SOUND for s in sounds) else ".mkv"


def overlay_video(
    origin: Path | bytes, timeline: Timeline, out: Path, *, name: str | None = None
) -> None:
    """Writes a clip with what was found in it; never leaves half a file under the name.

    The clip is decoded once more, so that boxes can move smoothly to where they are seen next. All
    frames keep their times and sound is copied packet by packet. Odd sizes grow by a pixel, as
    H.264 needs, and a clip whose longer side is under 480 px is enlarged by a whole factor. Where
    the clip breaks off, so does the overlay.

    Args:
        origin: the clip that the timeline is of.
        timeline: what was found.
        out: ending in .mp4 or .mkv; see `video_suffix`.
        name: what to call the clip in errors.

    Raises:
        SinkError: if nothing can be written there.
        MediaError: if no frame of the clip can be read.
    """
    place = PartFile(out)
    form = "matroska" if out.suffix.lower() == ".mkv" else "mp4"
    marks = Marks(timeline)
    done = False
    try:
        with av.open(str(place.part), "w", format=form) as container:
            if is_animation(origin):
                done = _write_animation(origin, marks, container)
            else:
                done = _write_video(origin, marks, container, name or str(out))
        if done and not place.direct:
            place.part.replace(place.target)
    except FFmpegError as error:
        raise SinkError(
            f"cannot write {out}: the encoder fails ({error.strerror}); choose another place, or "
            "leave the overlay out"
        ) from error
    except OSError as error:
        raise sink_error(out, error) from error
    finally:
        if not place.direct:
            with contextlib.suppress(OSError):
                place.part.unlink(missing_ok=True)
    if not done:
        raise MediaError(f"{name or out}: no frame can be read, so there is no overlay")


def _write_video(origin: Path | bytes, marks: Marks, target: Any, name: str) -> bool:
    with open_container(origin, name=name) as source:
        stream = video_stream(source, name=name)
        stream.thread_type = "SLICE"
        base = stream.time_base or _MILLISECONDS
        rate = stream.average_rate or Fraction(25)
        encoder = _Encoder(target, base=base, rate=rate)
        copies = {s.index: target.add_stream_from_template(s) for s in source.streams.audio}

        def copy(packet: Any) -> None:
            if packet.dts is not None and packet.stream_index in copies:
                packet.stream = copies[packet.stream_index]
                encoder.later(packet)

        shape, origin_time, last = pixel_shape(stream), None, -1
        for frame in Decoding(source, stream, sound=copy):
            stamp = frame.pts if frame.pts is not None else last + round(1 / (rate * base))
            if stamp <= last and origin_time is not None:
                continue  # the clock starts again: a file of two recordings ends here
            last = stamp
            time = float(stamp * base)
            origin_time = time if origin_time is None else origin_time
            picture = _drawn(upright_rgb(frame, shape), marks.at(time - origin_time))
            encoder.add(picture, stamp)
        return encoder.finish()


def _write_animation(origin: Path | bytes, marks: Marks, target: Any) -> bool:
    encoder = _Encoder(target, base=_MILLISECONDS, rate=Fraction(25))
    for frame in _frames(origin):
        picture = _drawn(frame[1], marks.at(frame[0]))
        encoder.add(picture, round(frame[0] / _MILLISECONDS))
    return encoder.finish()


def _frames(origin: Path | bytes) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    with contextlib.suppress(MediaError):  # told when it was looked at
        for frame in read_frames(origin):
            yield frame.time, frame.image


class _Encoder:
    """Encodes pictures with their stamps; made at the first picture, which gives the size."""

    def __init__(self, target: Any, *, base: Fraction, rate: Fraction) -> None:
        self._target, self._rate = target, rate
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._base, self._of = base, base
        if codec == "mpeg4" and base < _FINEST_MPEG4:
            self._base = _FINEST_MPEG4
        # Without frames that refer to later ones, every frame is written at its own time.
        options = {"crf": "20", "preset": "veryfast", "bf": "0"}
        if codec == "mpeg4":
            options = {"qmin": "2", "qmax": "5"}
        self._stream = target.add_stream(codec, rate=rate, options=options)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = self._base
        self._size: tuple[int, int] | None = None
        self._waiting: list[Any] = []

    def later(self, packet: Any) -> None:
        """Writes a packet of sound, once the first picture has settled the file's head."""
        if self._size is None:
            self._waiting.append(packet)
        else:
            self._target.mux(packet)

    def add(self, picture: NDArray[np.uint8], stamp: int) -> None:
        """Encodes the next picture, (H, W, 3) uint8 RGB, with its stamp on the clip's clock."""
        picture = _even(picture)
        height, width = picture.shape[:2]
        if self._size is None:
            self._stream.width, self._stream.height = self._size = (width, height)
            self._encode(picture, stamp)
            for packet in self._waiting:
                self._target.mux(packet)
            self._waiting.clear()
            return
        self._encode(picture, stamp)

    def _encode(self, picture: NDArray[np.uint8], stamp: int) -> None:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        assert self._size is not None
        if (frame.width, frame.height) != self._size:  # streams may change their size
            frame = frame.reformat(*self._size)
        frame.pts, frame.time_base = round(stamp * self._of / self._base), self._base
        self._target.mux(self._stream.encode(frame))

    def finish(self) -> bool:
        """Writes what is left; whether there was any picture."""
        if self._size is None:
            return False
        self._target.mux(self._stream.encode(None))
        return True


def _drawn(image: NDArray[np.uint8], marks: list[Mark]) -> NDArray[np.uint8]:
    """The frame with its marks: enlarged if words could not be read in it, halved if it is huge."""
    height, width = image.shape[:2]
    if height * width > MOST_DRAWN:
        scale = 0.5
    elif (scale := -(-MIN_SIDE // max(height, width))) == 1:
        return draw_frame(image, marks)
    size = (round(width * scale), round(height * scale))
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    return draw_frame(resized, [replace(m, box=_times(m.box, scale)) for m in marks])


def _times(box: Box, scale: float) -> Box:
    x0, y0, x1, y1 = box
    return (x0 * scale, y0 * scale, x1 * scale, y1 * scale)


def _even(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with its last row and column doubled where their number is odd."""
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
