"""An event loop in a thread of its own, so that plain code can have many requests under way."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Background:
    """Runs coroutines in a thread; works where the caller has an event loop of its own, too."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mien-endpoint", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Starts a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """Cancels what is under way and ends the thread."""
        if self.loop.is_closed():
            return
        self.submit(_cancel_others()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def stream(
    background: Background,
    items: Iterable[Item],
    start: Callable[[Item], Coroutine[Any, Any, Result]],
    *,
    limit: int,
) -> Iterator[Result]:
    """Results as they come, with at most `limit` under way.

    An item is drawn when there is room for it, so that memory stays flat. Where the items raise,
    what is under way is finished and given first. Where a coroutine raises, what is ready is given
    first and the rest is cancelled, as it is when the caller stops early.

    Args:
        background: where the coroutines run.
        items: drawn in the caller's thread.
        start: makes the coroutine of an item, in the caller's thread.
        limit: coroutines under way at a time.
    """
    source = iter(items)
    broken: Exception | None = None
    running: set[Future[Result]] = set()
    done: queue.SimpleQueue[Future[Result]] = queue.SimpleQueue()
    more = True
    try:
        while True:
            while more and len(running) < limit:
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                except Exception as error:
                    more, broken = False, error
                else:
                    future = background.submit(start(item))
                    running.add(future)
                    future.add_done_callback(done.put)
                if not done.empty():
                    break  # a slow source does not hold back what is ready
            if not running:
                break
            future = _next(done)
            running.discard(future)
            failed = future.exception()
            if failed is not None:
                yield from _ready(done)
                raise failed
            yield future.result()
        if broken is not None:
            raise broken
    finally:
        for future in running:
            future.cancel()


def _next(done: queue.SimpleQueue[Future[Result]]) -> Future[Result]:
    while True:
        try:
            return done.get(timeout=0.5)  # not for ever: Ctrl-C must get through everywhere
        except queue.Empty:
            continue


def _ready(done: queue.SimpleQueue[Future[Result]]) -> Iterator[Result]:
    while not done.empty():
        future = done.get()
        if not future.cancelled() and future.exception() is None:
            yield future.result()
