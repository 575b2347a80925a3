"""The server's life: from a free port to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.serve.desk import LAST_SECONDS, Desk

HEAD_SECONDS = 10.0
"""In which the head of a request has to be here."""
_OPEN_FILES = 8192


class _TimedHead(H11Protocol):
    """Closes connections whose request does not come."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE and self._late is not None:
            self._late.cancel()
            self._late = None
        elif self.conn.their_state is h11.IDLE and self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        self._late = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


class Server(uvicorn.Server):
    """Ends at a signal: what was accepted is answered first, the rest is refused.

    Args:
        app: the application.
        desk: who accepts.
    """

    def __init__(self, app: FastAPI, desk: Desk) -> None:
        config = uvicorn.Config(
            app,
            http=_TimedHead,
            ws="none",
            loop="asyncio",
            lifespan="on",
            access_log=False,
            log_level="critical",
            server_header=False,
            limit_concurrency=4000,
            h11_max_incomplete_event_size=64 * 1024,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)
        self.desk = desk
        self._told_at: float | None = None

    def stop(self) -> None:
        """Lets it end; called again, at once."""
        if self._told_at is None:
            self._told_at = time.monotonic()
        else:
            self.should_exit = self.force_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {n: signal.signal(n, self._told) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        if self._told_at is not None:
            self.desk.close()
            waited = time.monotonic() - self._told_at
            self.should_exit |= not self.desk.requests or waited > LAST_SECONDS + 0.5
        return bool(await super().on_tick(counter))

    def _told(self, number: int, frame: FrameType | None) -> None:
        self.stop()


def listening(host: str, port: int) -> socket.socket:
    """A socket that connections come to.

    Raises:
        OSError: if the port is taken or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(2048)
    except BaseException:
        opened.close()
        raise
    return opened


def many_files() -> None:
    """Lets the process have a connection for each of many clients, where the system allows it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
