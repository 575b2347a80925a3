"""From packets to frames: numbers, damage, and the end of a file."""

from __future__ import annotations

import contextlib
import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any

import av
from av.error import FFmpegError


class Decoding:
    """Decodes a video stream from where its container stands to the end.

    Frames that are damaged, and those that build on them up to the next key frame, are left out.

    Attributes:
        index: number of the last frame that was given, counted over all frames, also lost ones; at
            the end of a cut-off file those are not all known, and the last few may be too low.
        why: what ended it early, for a message; empty where nothing did.
        end: seconds at which the last packet of any stream ends, on the file's clock.
        lost: number of frames left out.
        first_lost: seconds at which the first of them shows, on the file's clock; None where that
            is not known.
    """

    def __init__(
        self, container: Any, stream: Any, *, sound: Callable[[Any], None] | None = None
    ) -> None:
        """Decodes nothing yet.

        Args:
            container, stream: of PyAV.
            sound: takes the packets of sound as they come.
        """
        self._container, self._stream, self._sound = container, stream, sound
        self.index = -1
        self.why = ""
        self.end: float | None = None
        self.lost = 0
        self.first_lost: float | None = None
        # Packets come in the order of decoding, threads hold frames back: a frame's number is the
        # rank of its stamp among those of all packets.
        self._due: list[int] = []
        self._passed = 0
        self._damaged_from: float | None = None
        self._damage = False

    def __iter__(self) -> Iterator[av.VideoFrame]:
        streams = [self._stream, *self._container.streams.audio]
        packets = self._container.demux(streams)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FFmpegError as error:
                self.why = f" ({error.strerror})"
                break
            self._note_end(packet)
            if packet.stream_index == self._stream.index:
                yield from self._frames(packet)
            elif self._sound is not None:
                self._sound(packet)
        if self.why:
            with contextlib.suppress(FFmpegError):  # nothing more in it
                yield from filter(self._good, self._stream.decode(None))
        self._lose(len(self._due), self._due)
        if not self._damage:  # decoders leave out frames that were never meant to be seen
            self.lost = 0

    def _frames(self, packet: Any) -> Iterator[av.VideoFrame]:
        if packet.size and packet.pts is not None and not packet.is_discard:
            heapq.heappush(self._due, packet.pts)
        damaged = packet.size and packet.is_corrupt
        frames = []
        if not damaged:
            try:
                frames = packet.decode()
            except FFmpegError:
                damaged = True
        if damaged:
            self._damage = True
            stamp = -math.inf if packet.pts is None else packet.pts
            self._damaged_from = min(stamp, self._damaged_from or math.inf)
        yield from filter(self._good, frames)

    def _good(self, frame: av.VideoFrame) -> bool:
        """Numbers a frame; whether it can be given."""
        stamp = frame.pts
        earlier: list[int] = []
        while stamp is not None and self._due and self._due[0] <= stamp:
            due = heapq.heappop(self._due)
            self._passed += 1
            if due < stamp:
                earlier.append(due)
        self._lose(len(earlier), earlier)
        index = max(self.index + 1, self._passed - 1)
        self._passed = max(self._passed, index + 1)
        if self._damaged_from is not None and (stamp is None or stamp >= self._damaged_from):
            if not frame.key_frame:
                self.index = index
                self._lose(1, [] if stamp is None else [stamp])
                return False
            self._damaged_from = None
        self.index = index
        if frame.is_corrupt:
            self._damage = True
            self._lose(1, [] if stamp is None else [stamp])
            return False
        return True

    def _lose(self, count: int, stamps: list[int]) -> None:
        if count and not self.lost and stamps and self._stream.time_base is not None:
            self.first_lost = float(min(stamps) * self._stream.time_base)
        self.lost += count

    def _note_end(self, packet: Any) -> None:
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self.end = end if self.end is None else max(self.end, end)
