"""Bodies of requests: read within bounds of bytes and time, and let go when the client leaves."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.serve.desk import Desk
from mien.serve.errors import ApiError

WORK = ("/v1/chat/completions", "/v1/analyze")
"""Paths whose requests are work."""


class Intake:
    """Reads the whole body of a request for work, counts it, and ends it when its client leaves.

    Args:
        app: the application.
        desk: who counts.
    """

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app, self.desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in WORK:
            await self.app(scope, receive, send)
            return
        held = _Held(self.desk)
        try:
            self.desk.check()
            body = await self._read(Headers(scope=scope), receive, held)
            if body:
                with self.desk.place():
                    taken = _Taken(send, self.desk.limits.body_seconds)
                    await _while_connected(self.app, scope, body, receive, taken)
        except ApiError as error:
            await error.response()(scope, receive, send)
        finally:
            held.release()

    async def _read(self, headers: Headers, receive: Receive, held: _Held) -> list[bytes]:
        """The body as the only entry of a list; an empty list where the client left."""
        limits = self.desk.limits
        if headers.get("content-encoding", "identity") != "identity":
            raise ApiError(415, "encoded_body", "send the body as it is, without Content-Encoding")
        said = headers.get("content-length", "0")
        if said.isdecimal() and int(said) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        body = bytearray()
        try:
            async with asyncio.timeout(limits.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return []
                    part = message.get("body", b"")
                    if len(body) + len(part) > limits.body_bytes:
                        raise _too_large(limits.body_bytes)
                    held.take(len(part))
                    body += part
                    more = message.get("more_body", False)
        except TimeoutError:
            why = f"the body did not come within {limits.body_seconds:g} s"
            raise ApiError(408, "slow_body", why) from None
        return [bytes(body)]


class _Taken:
    """Sends; a client that takes nothing for too long has left.

    Args:
        send: to the client.
        seconds: how long it may take nothing.
    """

    def __init__(self, send: Send, seconds: float) -> None:
        self.send, self.seconds = send, seconds

    async def __call__(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self.seconds):
                await self.send(message)
        except TimeoutError:
            raise ConnectionAbortedError("the client takes nothing") from None


class _Held:
    """The bytes of one request at the desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.count = desk, 0

    def take(self, count: int) -> None:
        self.desk.hold(count)
        self.count += count

    def release(self) -> None:
        self.desk.hold(-self.count)
        self.count = 0


async def _while_connected(
    app: ASGIApp, scope: Scope, body: list[bytes], receive: Receive, send: Send
) -> None:
    """Runs the application with a body that is here; cancels it when the client leaves."""
    left = asyncio.ensure_future(_disconnect(receive))

    async def replay() -> Message:
        if body:  # handed over, not kept
            return {"type": "http.request", "body": body.pop(), "more_body": False}
        await asyncio.shield(left)
        return {"type": "http.disconnect"}

    work = asyncio.ensure_future(app(scope, replay, send))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
        try:
            await work
        except asyncio.CancelledError:
            if not left.done():  # the server itself ends it
                raise
    finally:
        left.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413, "too_large", f"the body is larger than {limit // 2**20} MB; send less at a time"
    )
