"""Whole files out of pipes and streams, within bounds of size and time."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 512 * 1024 * 1024
"""What is read of a pipe or a stream."""
PIPE_SECONDS = 20.0
"""How long a named pipe is waited for."""
_CHUNK = 1 << 20


class StreamError(ValueError):
    """What came is too much, or nothing came; the message says which, and the remedy."""


def read_stream(stream: BinaryIO, most: int = MOST_BYTES) -> bytes:
    """All of a stream.

    Raises:
        StreamError: if it is too long.
    """
    data = bytearray()
    while part := stream.read(_CHUNK):
        data += part
        if len(data) > most:
            raise StreamError(_too_long(most))
    return bytes(data)


def read_pipe(path: Path, most: int = MOST_BYTES, seconds: float = PIPE_SECONDS) -> bytes:
    """All that is written into a named pipe.

    Raises:
        StreamError: if nothing is written for some time, or too much.
        OSError: if it cannot be opened.
    """
    data = bytearray()
    # Opened without waiting for a writer, who may never come.
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            ready, _, _ = select.select([pipe], [], [], 0.1)
            try:
                part = os.read(pipe, _CHUNK) if ready else b""
            except BlockingIOError:
                continue
            if part:
                data += part
                limit = time.monotonic() + seconds
                if len(data) > most:
                    raise StreamError(_too_long(most))
            elif ready and data:
                return bytes(data)
            elif ready:  # no writer yet: the end of the file is always there
                time.sleep(0.05)
    finally:
        os.close(pipe)
    raise StreamError(
        f"a pipe into which nothing was written for {seconds:g} s. Start its writer, or name a file"
    )


def _too_long(most: int) -> str:
    return f"more than {most // 2**20} MB came through a pipe. Write it to a file and name that"
