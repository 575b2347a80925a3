"""What the server tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Figures:
    """Counters of one server; no label holds anything that a client chose."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "mien_requests_total", "Answers", ("path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "mien_request_seconds",
            "From the first byte to the last",
            ("path",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.left = Counter(
            "mien_clients_left_total", "Clients that left before the end", registry=self.registry
        )
        self.rows = Counter("mien_rows_total", "Rows of analyses", registry=self.registry)
        self.batches = Histogram(
            "mien_batch_size",
            "Requests in one forward pass",
            ("model",),
            buckets=_SIZES,
            registry=self.registry,
        )

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Adds a figure that is asked for when it is read."""
        Gauge(name, about, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)


class Counted:
    """Counts answers by path and status.

    Args:
        app: the application.
        figures: where.
        paths: that have a label of their own.
    """

    def __init__(self, app: ASGIApp, figures: Figures, paths: frozenset[str]) -> None:
        self.app, self.figures, self.paths = app, figures, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self.paths else "other"
        status = ""

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        with self.figures.seconds.labels(path).time():
            await self.app(scope, receive, noted)
        if status:
            self.figures.requests.labels(path, status).inc()
        else:
            self.figures.left.inc()
