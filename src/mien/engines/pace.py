"""How fast an endpoint is asked: limits per minute, pauses that it orders, waits between tries."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0


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


def back_off(tries: int, rng: random.Random) -> float:
    """Seconds to wait behind the n-th failed try: doubling, with jitter so that tries spread."""
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 16))
    return longest * rng.uniform(0.5, 1.0)


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number or an HTTP date.

    Returns:
        None where there is no header or it cannot be read; never below 0.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None
