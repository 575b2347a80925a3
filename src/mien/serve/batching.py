"""Requests of many callers in shared forward passes."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.engines import EngineError, Reply, Request, Responder
from mien.engines.batches import batches
from mien.schema import Face
from mien.serve.errors import place_of

if TYPE_CHECKING:
    from mien.models.priors import FacePriors

_LOG = logging.getLogger("mien.serve")


class CallerLeftError(Exception):
    """Whoever asked has gone, and so has what was asked."""


class _Around(Responder):
    """Another responder, from the outside."""

    def __init__(self, inner: Responder) -> None:
        self.inner = inner
        self.name, self.crop_spec = inner.name, inner.crop_spec
        self.action_units, self.clip_frames = inner.action_units, inner.clip_frames
        self.gives_numbers = inner.gives_numbers

    @property
    def sends_to(self) -> str | None:
        return self.inner.sends_to

    def identity(self) -> Mapping[str, str]:
        return self.inner.identity()

    def settings(self) -> Mapping[str, str]:
        return self.inner.settings()

    def face_priors(
        self, image: NDArray[np.uint8], faces: Sequence[Face]
    ) -> list[FacePriors | None]:
        return self.inner.face_priors(image, faces)

    def tokens(self, request: Request, text: str) -> Mapping[str, int]:
        return self.inner.tokens(request, text)


@dataclass(eq=False)
class _Waiting:
    request: Request
    counted: bool
    reply: Future[Reply] = field(default_factory=Future)


class BatchedResponder(_Around):
    """Answers the requests of many threads together; the answers are those of one at a time.

    One thread takes what waits, up to a batch, asks the model once, and hands out the replies. A
    request whose future is cancelled before that is left out. What fails as a batch is asked again
    one by one, so that a bad request harms no other.

    Args:
        inner: who answers; it is asked by one thread alone.
        batch_size: requests at a time.
        wait: seconds for which the first request of a batch waits for others.
        most: requests that may wait; whoever asks for more is blocked (`respond`) or refused
            (`ask`).
        on_batch: is told the size of each batch.
    """

    def __init__(
        self,
        inner: Responder,
        *,
        batch_size: int = 16,
        wait: float = 0.005,
        most: int = 1024,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(inner)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.batch_size, self.wait, self._on_batch = batch_size, wait, on_batch
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(most)
        self._closed = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ensure_thread()

    @property
    def waiting(self) -> int:
        """Requests that wait for a batch, about."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether there is a thread that answers."""
        return self._thread is not None and self._thread.is_alive()

    def ask(self, request: Request, *, counted: bool = False, block: bool = False) -> Future[Reply]:
        """The reply to come; cancelling it takes the request back, if it has not begun.

        Args:
            request: its id need not be unique.
            counted: whether the reply shall have `usage`, by the model's tokenizer.
            block: wait for a place in the queue.

        Raises:
            queue.Full: if too many requests wait.
            EngineError: if the responder is closed.
        """
        if self._closed:
            raise EngineError(f"{self.name} is closed")
        self._ensure_thread()
        waiting = _Waiting(request, counted)
        self._queue.put(waiting, block=block)
        if self._closed:  # closed in between: nobody would answer
            waiting.reply.cancel()
        return waiting.reply

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        yield from Caller(self).respond(requests)

    def close(self) -> None:
        """Ends the thread and the model; what still waits is cancelled."""
        self._closed = True
        with self._starting:
            while True:
                try:
                    left = self._queue.get_nowait()
                except queue.Empty:
                    break
                if left is not None:
                    left.reply.cancel()
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=1)
            if not self._thread.is_alive():
                self.inner.close()

    def _ensure_thread(self) -> None:
        """Starts the thread, again where it has died."""
        if not self.alive:
            with self._starting:
                if not self.alive:
                    self._start_thread()

    def _start_thread(self) -> None:
        if not self._closed:
            self._thread = threading.Thread(
                target=self._work, name=f"mien-batches-{self.name}", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        try:
            self._answer_all()
        finally:
            with self._starting:
                self._start_thread()  # unless it was closed: something has killed this one

    def _answer_all(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = self._gathered(first)
            try:
                if batch:
                    self._answer(batch)
            finally:  # whatever ends this thread, nobody waits for ever
                for one in batch:
                    if not one.reply.done():
                        _fail(one, EngineError(f"{self.name} stopped while it answered"))

    def _gathered(self, first: _Waiting) -> list[_Waiting]:
        """The first one and what joins it in time, without those that were taken back."""
        batch = [first] if first.reply.set_running_or_notify_cancel() else []
        until = time.monotonic() + self.wait
        while len(batch) < self.batch_size:
            try:
                one = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if one is None:
                self._queue.put(None)  # for the next round
                break
            if one.reply.set_running_or_notify_cancel():
                batch.append(one)
        return batch

    def _answer(self, batch: list[_Waiting]) -> None:
        if self._on_batch is not None:
            self._on_batch(len(batch))
        waiting = {str(number): one for number, one in enumerate(batch)}
        try:
            asked = (replace(one.request, id=key) for key, one in waiting.items())
            for reply in self.inner.respond(asked):
                one = waiting.pop(reply.id)
                reply = replace(reply, id=one.request.id)
                if one.counted and not reply.usage:
                    # here, as tokenizers are not for two threads at once
                    usage = dict(self.inner.tokens(one.request, reply.text or ""))
                    usage |= {} if reply.text else {"completion_tokens": 0}
                    reply = replace(reply, usage=usage)
                one.reply.set_result(reply)
        except Exception as error:
            left = list(waiting.values())
            if len(batch) > 1:
                for one in left:
                    self._answer([one])
                return
            for one in left:
                _fail(one, _told(self.name, error))
            return
        for one in waiting.values():
            _fail(one, EngineError(f"{self.name} gave no answer"))


class Caller(_Around):
    """One caller's way to a model that many share; `leave` takes back all that it asked.

    Args:
        shared: the model.
    """

    def __init__(self, shared: BatchedResponder) -> None:
        super().__init__(shared)
        self.shared = shared
        self._open: set[Future[Reply]] = set()
        self._left = threading.Event()

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """As `Responder.respond`.

        Raises:
            CallerLeftError: behind `leave`.
        """
        for group in batches(requests, self.shared.batch_size):
            replies = []
            for request in group:
                replies.append(self.shared.ask(request, block=True))
                self._open.add(replies[-1])
                if self._left.is_set():
                    self.leave()
            for reply in replies:
                try:
                    yield reply.result()
                except CancelledError:
                    raise CallerLeftError from None
                finally:
                    self._open.discard(reply)

    def leave(self) -> None:
        """Takes back what has not begun, and refuses what is asked from now on."""
        self._left.set()
        for reply in list(self._open):
            reply.cancel()


def _fail(one: _Waiting, error: EngineError) -> None:
    if not one.reply.cancelled():
        one.reply.set_exception(error)


def _told(name: str, error: Exception) -> EngineError:
    """What callers are told; the words of an unknown error may hold pictures or prompts."""
    if isinstance(error, EngineError):
        return error
    _LOG.error("%s failed: %s at %s", name, type(error).__name__, place_of(error))
    return EngineError(f"{name} failed ({type(error).__name__})")
