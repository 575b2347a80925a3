"""What the server takes of one request, and of all together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

_MB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds; what passes one is refused with an error that names it.

    Attributes:
        body_bytes: of one request.
        all_bytes: of the requests that are being read or answered, together.
        body_seconds: in which a request has to be here as a whole, and for which a client may take
            nothing of the answer.
        files: pictures and videos of one request.
        pixels: of a picture, or of a frame.
        all_pixels: of decoded pictures of all requests together; more wait until there is room.
        animation_pixels: of all frames of an animated picture together.
        video_seconds: of a video that is analysed.
        work_seconds: that an analysis may take.
        frames: of a video that are looked at.
        rows: of an answer in one piece; streams have no such bound.
        requests: that are answered or wait for it at a time; more are told to come again.
        videos: that are analysed at a time.
        threads: that read pictures, find faces and wait for the model; a batch has no more faces
            of requests with one face each.
        finders: face finders, shared by the threads.
        max_tokens: of an answer in words; a request for more gets this.
        characters: of the words of a talk.
        question_bytes: of instructions and question to a model of mien, whose context is short.
        answer_seconds: after which waiting for a model is given up.
    """

    body_bytes: int = 64 * _MB
    all_bytes: int = 128 * _MB
    body_seconds: float = 30.0
    files: int = 64
    pixels: int = 25_000_000
    all_pixels: int = 100_000_000
    animation_pixels: int = 2_500_000_000
    video_seconds: float = 600.0
    work_seconds: float = 3600.0
    frames: int = 6000
    rows: int = 20_000
    requests: int = 128
    videos: int = 2
    threads: int = 32
    finders: int = 2
    max_tokens: int = 1024
    characters: int = 100_000
    question_bytes: int = 3000
    answer_seconds: float = 120.0

    @classmethod
    def of_this_machine(cls, **changes: Any) -> Limits:
        """The usual bounds, with more face finders where there are more cores.

        Args:
            **changes: fields instead.
        """
        cores = os.cpu_count() or 1
        return cls(**{"finders": min(8, max(2, cores)), **changes})
