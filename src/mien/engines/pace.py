"""How fast an endpoint is asked: limits per minute, and pauses that it orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Bucket:
    """What may be spent: it fills at a steady rate up to its size.

    Args:
        per_minute: how fast it fills.
        size: what it holds, and holds at the start.
    """

    def __init__(self, per_minute: float, size: float, clock: Clock) -> None:
        self.rate, self.size, self.clock = per_minute / 60, size, clock
        self.level, self.seen = size, clock()

    def wait_for(self, amount: float) -> float:
        """Seconds until so much is there; more than the bucket holds is taken as all of it."""
        now = self.clock()
        self.level = min(self.size, self.level + (now - self.seen) * self.rate)
        self.seen = now
        return max(0.0, (min(amount, self.size) - self.level) / self.rate)

    def take(self, amount: float) -> None:
        """Spends; it may fall below nothing, which those that come later wait for."""
        self.level -= amount


class Pace:
    """Limits of requests and tokens per minute, and pauses, for all requests to one endpoint.

    Args:
        rpm: requests per minute, evenly spaced; None is no limit.
        tpm: tokens per minute; None is no limit.
        clock, sleep: replaced in tests.
    """

    def __init__(
        self,
        rpm: float | None = None,
        tpm: float | None = None,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        for name, value in (("rpm", rpm), ("tpm", tpm)):
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}; it must be above 0, or None for no limit")
        self.clock, self.sleep = clock, sleep
        self.requests = Bucket(rpm, 1, clock) if rpm else None
        self.tokens = Bucket(tpm, tpm, clock) if tpm else None
        self.resume = clock()
        self._turn = asyncio.Lock()

    async def wait(self, tokens: float) -> None:
        """Returns when a request of about so many tokens may be sent, first come first served."""
        async with self._turn:
            while (seconds := self._seconds(tokens)) > 1e-6:
                await self.sleep(seconds)
            if self.requests:
                self.requests.take(1)
            if self.tokens:
                self.tokens.take(tokens)

    def correct(self, expected: float, used: float) -> None:
        """Puts right what `wait` was told, once the endpoint has counted."""
        if self.tokens:
            self.tokens.take(used - expected)

    def pause(self, seconds: float) -> None:
        """No request is sent for so long."""
        self.resume = max(self.resume, self.clock() + seconds)

    def _seconds(self, tokens: float) -> float:
        waits = [self.resume - self.clock()]
        if self.requests:
            waits.append(self.requests.wait_for(1))
        if self.tokens:
            waits.append(self.tokens.wait_for(tokens))
        return max(waits)
