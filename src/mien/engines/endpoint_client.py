"""The HTTP client below the official one: what leaves this machine, and what is taken in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import httpx2
import openai

from mien.engines.endpoint_address import is_local
from mien.engines.endpoint_chat import BadReplyError, WithheldError, read
from mien.engines.pace import Pace

LONGEST_BODY = 8 * 2**20
"""Bytes of an answer that are read, unpacked; more makes a failed reply."""
LONGEST_PAUSE = 120.0
"""Seconds that the official client waits at most where a `Retry-After` asks for it."""
RETRIES = "x-stainless-retry-count"
SENT = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type"}
    | {"host", "idempotency-key", "user-agent", RETRIES}
)
"""Headers that are sent. The official client adds others, which describe this machine or come from
OPENAI_CUSTOM_HEADERS and OPENAI_ORG_ID, whatever host it asks."""

expected_tokens: ContextVar[float] = ContextVar("expected_tokens", default=0.0)
"""What the request under way may cost, for the limit of tokens per minute."""


class TooLongError(openai.OpenAIError):
    """An answer is longer than `LONGEST_BODY`; the same question would bring it again."""


class UnreadableError(httpx2.DecodingError):
    """An answer came that says nothing; the official client asks again."""


class GuardedClient(openai.DefaultAsyncHttpxClient):
    """Sends one try at a time within the limits, and takes in whole answers of bounded size.

    Args:
        base: the endpoint's address.
        key: the only credential that is sent; None sends none.
        pace: when a try may be sent.
        concurrency: connections at a time.
        seconds: until a try is given up, however little is missing.

    Attributes:
        reached: whether something came from there that such an API says.
    """

    def __init__(
        self, base: str, *, key: str | None, pace: Pace, concurrency: int, seconds: float
    ) -> None:
        super().__init__(
            timeout=seconds,
            limits=httpx2.Limits(max_connections=concurrency),
            follow_redirects=False,  # the key goes to the host that was named, nowhere else
            trust_env=not is_local(base),  # no proxy between this machine and itself
        )
        self.key, self.pace, self.seconds = key, pace, seconds
        self.reached = False

    async def send(self, request: httpx2.Request, **settings: Any) -> httpx2.Response:
        """Sends a try and reads its answer to the end.

        Raises:
            httpx2.RequestError: if there is no answer, or none that can be read.
            TooLongError: if the answer is too long.
        """
        self._keep_to_what_is_ours(request)
        await self.pace.wait(expected_tokens.get())
        try:
            async with asyncio.timeout(self.seconds):  # the library's own would restart per byte
                answer = await self._whole(request, settings)
        except TimeoutError:
            raise httpx2.ReadTimeout("no answer in time", request=request) from None
        if answer.is_success:
            try:
                read(answer.content, answer.headers.get("content-type", ""))
            except BadReplyError as error:
                raise UnreadableError(str(error), request=request) from None
            except WithheldError:
                pass  # an answer, too: it is read again where the reply is made
        elif (seconds := _seconds(answer.headers)) <= LONGEST_PAUSE:
            self.pace.pause(seconds)  # all wait, not only the one that was told so
        self.reached = True
        return answer

    def _keep_to_what_is_ours(self, request: httpx2.Request) -> None:
        for name in set(request.headers) - SENT:
            del request.headers[name]
        if self.key is None:
            request.headers.pop("Authorization", None)
        else:
            request.headers["Authorization"] = f"Bearer {self.key}"

    async def _whole(self, request: httpx2.Request, settings: Mapping[str, Any]) -> httpx2.Response:
        answer = await super().send(request, **{**settings, "stream": True})
        body = bytearray()
        try:
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > LONGEST_BODY:
                    raise TooLongError(f"the answer is longer than {LONGEST_BODY // 2**20} MB")
        finally:
            await answer.aclose()
        packed = ("content-encoding", "content-length", "transfer-encoding")
        headers = {k: v for k, v in answer.headers.items() if k not in packed}
        if answer.status_code == 429 and b"insufficient_quota" in body:
            headers["x-should-retry"] = "false"  # no pause brings money
        whole = httpx2.Response(
            answer.status_code, headers=headers, content=bytes(body), request=request
        )
        whole.elapsed = answer.elapsed
        return whole


def tries_of(request: httpx2.Request) -> int:
    """How often a request was sent."""
    return 1 + int(request.headers.get(RETRIES, 0))


def _seconds(headers: httpx2.Headers) -> float:
    """The pause that a `Retry-After` asks for, where it stands there as a number."""
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:
        return 0.0
