"""Face finders that many threads share, each used by one at a time."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from mien.faces import Finder, FinderError, NearFinder
from mien.schema import Face


class SharedFinder:
    """Some finders of one kind as one.

    Args:
        make: makes a finder; the first is made at once.
        most: finders at a time.
    """

    def __init__(self, make: Callable[[], Finder], most: int = 2) -> None:
        first = make()
        self.name = first.name
        self._make, self._most, self._count = make, most, 1
        self._free: queue.LifoQueue[Finder] = queue.LifoQueue()
        self._free.put(first)
        self._counting = threading.Lock()
        self._closed = False

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """All faces of a picture, the largest first."""
        with self._one() as finder:
            return finder.find(image)

    def find_near(self, image: NDArray[np.uint8], known: list[Face]) -> list[Face]:
        """The faces near where they were; the whole picture where its finder cannot look so."""
        with self._one() as finder:
            if isinstance(finder, NearFinder):
                return finder.find_near(image, known)
            return finder.find(image)

    def close(self) -> None:
        """Closes those that are free; nobody gets another."""
        self._closed = True
        while True:
            try:
                self._free.get_nowait().close()
            except queue.Empty:
                return

    @contextmanager
    def _one(self) -> Iterator[Finder]:
        finder = self._taken()
        try:
            yield finder
        finally:
            self._free.put(finder)

    def _taken(self) -> Finder:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            with self._counting:
                more = self._count < self._most
                self._count += more
            if more:
                return self._make()
        while not self._closed:
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=0.2)
        raise FinderError("the face finders are closed")
