"""Video files as clips, decoded with PyAV."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from numpy.typing import NDArray

from mien.media.cuts import SMALL
from mien.media.decoding import Decoding
from mien.media.pictures import AGAIN, MediaError

# Only files with frames in them: FFmpeg also reads play lists, which name other files and hosts.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,kux,asf,mpegts,mpeg,mpegvideo,h264,hevc,"
    "av1,obu,ivf,mxf,ogg,dv,mjpeg,yuv4mpegpipe,nut,wav,mp3,flac,aac,m4v"
)
_PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
_JUMP = 5.0  # seconds from which jumping to a key frame is quicker than decoding what lies between
MAX_FRAME = 40_000_000
"""Pixels of a frame; of 8K video one has 33 million."""
_HD_LINES = 720  # players take untagged video from this height on as BT.709


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    index: int
    time: float
    frame: av.VideoFrame
    pixel_shape: Fraction

    def image(self) -> NDArray[np.uint8]:
        return upright_rgb(self.frame, self.pixel_shape)

    def small(self) -> NDArray[np.uint8]:
        return _small(self.frame)


class Video:
    """A video file; see `mien.media.frames.ClipFile`."""

    def __init__(self, source: Path | bytes, *, name: str, max_pixels: int) -> None:
        self._source, self._name = source, name
        self._open()
        try:
            self._most = min(max_pixels, MAX_FRAME)
            self._check_size(self._stream)
            self._shape = pixel_shape(self._stream)
            rate = self._stream.average_rate or self._stream.guessed_rate
            self._step = float(1 / rate) if rate else 0.04
        except BaseException:
            self._container.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _check_size(self, of: Any) -> None:
        if of.width * of.height > self._most:
            raise MediaError(
                f"{self._name}: refused, too large ({of.width} x {of.height} pixels, limit "
                f"{self._most:,}). Scale it down"
            )

    def _open(self) -> None:
        self._container = open_container(self._source, name=self._name)
        try:
            self._stream = video_stream(self._container, name=self._name)
        except MediaError:
            self._container.close()
            raise
        # Not by frame: damage would then be told of late, and not of the same frame each time.
        self._stream.thread_type = "SLICE"

    def _reopen(self) -> None:
        """Goes back to the start, also in files in which one cannot jump."""
        self._container.close()
        self._open()

    def frames(self) -> Iterator[_Decoded]:
        """All frames in order. Raises a MediaError behind the last where something is wrong."""
        run = Decoding(self._container, self._stream)
        before, origin, shift, good = -self._step, 0.0, 0.0, 0
        for frame in run:
            time = _stamp(frame)
            if time is None:
                time = before + self._step
            else:
                origin = origin if good else time
                time += shift - origin
                if good and time <= before:
                    # Joined recordings start their clock again.
                    shift += before + self._step - time
                    time = before + self._step
            before = time
            self._check_size(frame)  # it may change on the way
            good += 1
            yield _Decoded(run.index, time, frame, self._shape)
        if not good:
            raise MediaError(f"{self._name}: no frame can be decoded{run.why}. {AGAIN}")
        missing = self._missing(run)
        if missing or run.why:
            where = f" of {missing:.1f} s" if missing else ""
            raise MediaError(
                f"{self._name}: cut off or broken after {good} frames, at "
                f"{before + self._step:.1f} s{where}{run.why}; the frames before were read. {AGAIN}"
            )
        if run.lost:
            what = "1 damaged frame was" if run.lost == 1 else f"{run.lost} damaged frames were"
            at = "" if run.first_lost is None else f", from {run.first_lost - origin:.1f} s on"
            raise MediaError(f"{self._name}: {what} left out{at}. {AGAIN}")

    def frames_at(self, indices: Sequence[int]) -> Iterator[_Decoded]:
        """The frames of these numbers, which rise; jumps where that is quicker."""
        wanted = sorted(set(indices))
        stamps = self._stamps() if wanted and wanted[-1] * self._step > _JUMP else []
        if not stamps:  # near enough, or a file in which one cannot jump
            left = set(wanted)
            for raw in self.frames():
                if raw.index in left:
                    left.discard(raw.index)
                    yield raw
                if not left:
                    return
            return
        yield from self._jump(wanted, stamps)

    def times(self) -> list[float]:
        """Seconds of each frame and of the end, by the packets, without decoding."""
        stamps = self._stamps()
        base = self._stream.time_base or Fraction(1, 1000)
        if stamps:
            found = [float((stamp - stamps[0]) * base) for stamp in stamps]
        else:
            found = [raw.time for raw in self._all()]
            self._reopen()
        if not found:
            return []
        last = float(np.median(np.diff(found))) if len(found) > 1 else self._step
        return [*found, found[-1] + last]

    def _all(self) -> Iterator[_Decoded]:
        """Frames up to a fault, which is told when they are read in earnest."""
        try:
            yield from self.frames()
        except MediaError:
            return

    def _missing(self, run: Decoding) -> float | None:
        """How long the file says it is in seconds, if it ended well before that."""
        length, start = self._container.duration, self._container.start_time or 0
        if length is None or run.end is None:
            return None
        if "matroska" in self._container.format.name:  # whose length counts from zero
            length -= start
        seconds = length / av.time_base
        short = seconds - (run.end - start / av.time_base)
        return seconds if short > max(0.25, 2.5 * self._step) else None

    def _stamps(self) -> list[int]:
        """Rising stamps of all frames; empty where a packet has none."""
        stamps = []
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_discard:
                    if packet.pts is None:
                        return []
                    stamps.append(packet.pts)
        except FFmpegError:
            pass  # told when the frames are read
        finally:
            self._reopen()
        return sorted(stamps)

    def _seek(self, stamp: int) -> None:
        try:
            self._container.seek(stamp, stream=self._stream, backward=True)
        except FFmpegError as error:
            raise MediaError(f"{self._name}: one cannot jump in it ({error}). {AGAIN}") from error

    def _jump(self, wanted: Sequence[int], stamps: Sequence[int]) -> Iterator[_Decoded]:
        base = self._stream.time_base or Fraction(1, 1000)
        number: dict[int | None, int] = {stamp: index for index, stamp in enumerate(stamps)}
        left = [index for index in wanted if index < len(stamps)]
        while left:
            target = left[0]
            self._seek(stamps[target])
            found = False
            for frame in Decoding(self._container, self._stream):
                index = number.get(frame.pts)
                if index is None or index < left[0]:
                    continue
                if index > left[0]:
                    left = [i for i in left if i >= index]
                    found = True
                if left and index == left[0]:
                    found = True
                    self._check_size(frame)
                    yield _Decoded(
                        index, float((stamps[index] - stamps[0]) * base), frame, self._shape
                    )
                    left.pop(0)
                if not left or float((stamps[left[0]] - stamps[index]) * base) > _JUMP:
                    break
            if not found:
                left.pop(0)


def open_container(source: Path | bytes, *, name: str) -> Any:
    """Opens a video file for reading.

    Raises:
        MediaError: if there is none, or it is no video.
    """
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file,pipe"}
    options["advanced_editlist"] = "0"  # else an MP4's frames with stamps below zero are lost
    try:
        place: Any = io.BytesIO(source) if isinstance(source, bytes) else str(source)
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size == 0:
            raise MediaError(f"{name}: empty (0 bytes). {AGAIN}")
        return av.open(place, options=options, metadata_errors="replace")
    except FileNotFoundError as error:
        raise MediaError(f"{name}: no such file. Check the path") from error
    except PermissionError as error:
        raise MediaError(f"{name}: no permission to read it. Check its owner and mode") from error
    except FFmpegError as error:
        raise MediaError(
            f"{name}: not a video that can be read, or cut off at its start ({error.strerror}). "
            f"{AGAIN}, as MP4 for example"
        ) from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{name}: cannot be read ({error}). Check path and disk") from error


def video_stream(container: Any, *, name: str) -> Any:
    """The moving pictures of a container: not the cover of a piece of music.

    Raises:
        MediaError: if there are none.
    """
    for stream in container.streams.video:
        cover = stream.disposition & Disposition.attached_pic
        if not cover and stream.codec_context is not None:
            return stream
    if container.streams.audio:
        raise MediaError(f"{name}: holds only sound. Name a file with moving pictures")
    raise MediaError(f"{name}: holds no video. {AGAIN}, or name another file")


def pixel_shape(stream: Any) -> Fraction:
    """Width over height of a pixel, as it is to be shown."""
    ratio = stream.sample_aspect_ratio
    return Fraction(ratio) if ratio and Fraction(1, 8) < ratio < 8 else Fraction(1)


def upright_rgb(frame: av.VideoFrame, shape: Fraction = Fraction(1)) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a decoded frame: square pixels, turned and mirrored as it says.

    Args:
        frame: in any pixel format.
        shape: of its pixels, see `pixel_shape`.
    """
    width = max(1, round(frame.width * shape))
    options: dict[str, Any] = {}
    if int(frame.colorspace) == 2 and frame.height >= _HD_LINES and "yuv" in frame.format.name:
        options["src_colorspace"] = "ITU709"
    image: Any = frame.reformat(
        width=width, height=frame.height, format="rgb24", interpolation="BICUBIC", **options
    ).to_ndarray()
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return np.ascontiguousarray(image if matrix is None else _turned(image, bytes(matrix)))


def _turned(image: NDArray[np.uint8], matrix: bytes) -> NDArray[np.uint8]:
    """Applies a display matrix, of which only quarter turns and mirrors occur."""
    a, b, _, c, d, *_ = struct.unpack("<9i", matrix)
    # A pixel (x, y) is shown at (a x + c y, b x + d y), the y axis down.
    if abs(a) + abs(d) < abs(b) + abs(c):
        image = image.swapaxes(0, 1)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    return image[::-1] if d < 0 else image


def _small(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """(36, 64, 3): Y, U and V, picked out of the planes where they are bytes: that is quick."""
    width, height = SMALL
    if frame.format.name not in _PLANAR or min(frame.width, frame.height) < 2 * max(SMALL):
        small = frame.reformat(width=width, height=height, format="yuv444p", interpolation="AREA")
        return np.ascontiguousarray(small.to_ndarray().transpose(1, 2, 0))
    channels = []
    for plane in frame.planes:
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        rows = np.linspace(0, plane.height - 1, height).astype(int)
        columns = np.linspace(0, plane.width - 1, width).astype(int)
        channels.append(lines[rows[:, None], columns])
    return np.stack(channels, axis=-1)


def _stamp(frame: av.VideoFrame) -> float | None:
    """Seconds on the file's own clock."""
    if frame.pts is None or frame.time_base is None:
        return None
    return float(frame.pts * frame.time_base)
