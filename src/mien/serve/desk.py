"""Who is let in: how much is under way, and whether the server is about to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from mien.serve.errors import ApiError
from mien.serve.limits import Limits

RETRY_AFTER = 1
LAST_SECONDS = 5.0
"""How long what was accepted may go on when the server stops."""


class Desk:
    """Counts what is under way; for the thread of the event loop alone.

    Attributes:
        requests: that were accepted and are not yet answered.
        videos: among them.
        held_bytes: of their bodies, and of those that are being read.
        held_pixels: of their decoded pictures.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = self.videos = self.held_bytes = self.held_pixels = 0
        self._pixels_freed = asyncio.Event()
        self._closed_at: float | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing more is accepted."""
        return self._closed_at is not None

    @property
    def must_end(self) -> bool:
        """Whether what goes on has to end now."""
        return self._closed_at is not None and time.monotonic() - self._closed_at > LAST_SECONDS

    def close(self) -> None:
        """Accepts nothing more; what was accepted goes on for some seconds."""
        if self._closed_at is None:
            self._closed_at = time.monotonic()

    def check(self) -> None:
        """Refuses where there is no place now.

        Raises:
            ApiError: of status 503 or 429.
        """
        if self.closed:
            raise stopping()
        if self.requests >= self.limits.requests:
            raise _busy(f"{self.limits.requests} requests are under way")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Counts one request."""
        self.check()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextmanager
    def video(self) -> Iterator[None]:
        """Counts one video."""
        self.check_video()
        self.videos += 1
        try:
            yield
        finally:
            self.videos -= 1

    def check_video(self) -> None:
        """Refuses where there is no place for a video now.

        Raises:
            ApiError: of status 429.
        """
        if self.videos >= self.limits.videos:
            raise _busy(f"{self.limits.videos} videos are being analysed")

    @asynccontextmanager
    async def pixels(self, count: int) -> AsyncIterator[None]:
        """Waits until there is room for so many decoded pixels, and counts them."""
        most = self.limits.all_pixels
        count = min(count, most)
        while self.held_pixels + count > most:
            self._pixels_freed.clear()
            await self._pixels_freed.wait()
        self.held_pixels += count
        try:
            yield
        finally:
            self.held_pixels -= count
            self._pixels_freed.set()

    def hold(self, count: int) -> None:
        """Counts bytes that have come; give them back with a negative count.

        Raises:
            ApiError: of status 429, if all requests together hold too many.
        """
        if self.held_bytes + count > self.limits.all_bytes:
            raise _busy("the requests under way hold as many bytes as the server takes")
        self.held_bytes += count


def stopping() -> ApiError:
    """What is told while the server stops."""
    return ApiError(503, "stopping", "the server is about to stop", retry_after=10)


def _busy(why: str) -> ApiError:
    return ApiError(429, "busy", f"{why}; come again in a moment", retry_after=RETRY_AFTER)
