"""What all requests share: models, face finders, threads, the desk, the figures."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mien.engines import Responder
from mien.engines.load import EMBEDDED
from mien.faces import Finder, WholeFinder, make_finder
from mien.serve.batching import BatchedResponder
from mien.serve.desk import Desk
from mien.serve.errors import ApiError
from mien.serve.figures import Figures
from mien.serve.finders import SharedFinder
from mien.serve.limits import Limits

Item = TypeVar("Item")
_END: Any = object()


@dataclass(frozen=True, slots=True)
class Served:
    """One model that is served.

    Attributes:
        responder: who answers.
        clips: who answers about people in videos as a whole; None where `responder` does, or frames
            are summed up.
        fingerprint: changes where answers may.
        since: when it was loaded.
    """

    responder: BatchedResponder
    clips: BatchedResponder | None
    fingerprint: str
    since: int = field(default_factory=lambda: int(time.time()))

    @property
    def name(self) -> str:
        return self.responder.name

    @property
    def follows(self) -> bool:
        """Whether it follows free questions, which the embedded models do not."""
        return self.name not in EMBEDDED

    def about(self) -> dict[str, Any]:
        """As in OpenAI's list of models."""
        return {"id": self.name, "object": "model", "created": self.since, "owned_by": "mien"}


def mediapipe() -> Finder:
    """A new finder of the usual kind."""
    return make_finder("mediapipe")


class Service:
    """Everything behind the routes.

    Args:
        responders: who answers; the first is the default.
        clips: model's name to who answers about clips instead.
        finder: makes face finders.
        batch_size: requests in one forward pass.
        batch_wait: seconds for which the first of them waits for others.
        limits: bounds.
    """

    def __init__(
        self,
        responders: Sequence[Responder],
        *,
        clips: Mapping[str, Responder] | None = None,
        finder: Callable[[], Finder] = mediapipe,
        batch_size: int = 16,
        batch_wait: float = 0.005,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.desk, self.figures = Desk(self.limits), Figures()
        self.batch_size, self.batch_wait = batch_size, batch_wait
        others = {name: self._batched(one) for name, one in (clips or {}).items()}
        self.models = {
            one.name: Served(self._batched(one), others.get(one.name), _fingerprint(one))
            for one in responders
        }
        self.finder, self.whole = SharedFinder(finder, self.limits.finders), WholeFinder()
        self.pool = ThreadPoolExecutor(self.limits.threads, "mien-serve")
        self._gauges()

    @property
    def default(self) -> Served:
        """The model where none is named."""
        return next(iter(self.models.values()))

    @property
    def ready(self) -> bool:
        """Whether requests are accepted and answered."""
        return not self.desk.closed and all(m.responder.alive for m in self.models.values())

    def model(self, name: str | None) -> Served:
        """The model of that name.

        Raises:
            ApiError: if there is none.
        """
        if name is None:
            return self.default
        if name not in self.models:
            known = ", ".join(self.models)
            raise ApiError(
                404,
                "model_not_found",
                f"there is no such model here; there is {known}",
                param="model",
            )
        return self.models[name]

    async def in_thread(self, work: Callable[[], Item]) -> Item:
        """What a call gives, in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    async def each(
        self, items: Generator[Item], *, leave: Callable[[], None]
    ) -> AsyncGenerator[Item]:
        """The items, each drawn in a thread.

        Args:
            items: closed at the end, also where the client leaves before it.
            leave: called first then, so that the thread comes to an end soon.
        """
        loop = asyncio.get_running_loop()
        drawn: asyncio.Future[Item] | None = None
        try:
            while True:
                drawn = loop.run_in_executor(self.pool, next, items, _END)
                item = await asyncio.shield(drawn)
                drawn = None
                if item is _END:
                    return
                yield item
        finally:
            leave()
            ended = asyncio.ensure_future(self._closed(items, drawn))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(ended)

    def close(self) -> bool:
        """Ends threads and models; whether all came to their end."""
        self.desk.close()
        everyone = [m.responder for m in self.models.values()]
        everyone += [m.clips for m in self.models.values() if m.clips is not None]
        for one in everyone:
            one.close()
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.finder.close()
        return not any(one.alive for one in everyone)

    async def _closed(self, items: Generator[Item], drawn: asyncio.Future[Item] | None) -> None:
        if drawn is not None:
            await asyncio.wait([drawn])
            if not drawn.cancelled():
                drawn.exception()  # it is nobody's any more
        with contextlib.suppress(RuntimeError):  # there are no threads any more
            await self.in_thread(items.close)

    def _batched(self, responder: Responder) -> BatchedResponder:
        return BatchedResponder(
            responder,
            batch_size=self.batch_size,
            wait=self.batch_wait,
            on_batch=self.figures.batches.labels(responder.name).observe,
        )

    def _gauges(self) -> None:
        self.figures.gauge(
            "mien_requests_under_way", "Requests under way", lambda: self.desk.requests
        )
        self.figures.gauge("mien_videos_under_way", "Videos", lambda: self.desk.videos)
        self.figures.gauge("mien_held_bytes", "Bytes of bodies", lambda: self.desk.held_bytes)
        self.figures.gauge(
            "mien_waiting",
            "Requests that wait for a batch",
            lambda: sum(m.responder.waiting for m in self.models.values()),
        )


def _fingerprint(responder: Responder) -> str:
    text = repr(sorted(responder.identity().items()))
    return f"fp_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
