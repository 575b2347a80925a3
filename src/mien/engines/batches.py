"""Requests in batches for models on this machine."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice

from mien.engines.request import Request


def batches(requests: Iterable[Request], size: int) -> Iterator[list[Request]]:
    """Up to `size` requests at a time, drawn as they are needed."""
    source = iter(requests)
    while batch := list(islice(source, size)):
        yield batch


def alike(batch: list[Request], key: Callable[[Request], Hashable]) -> Iterator[list[Request]]:
    """The requests of a batch, those of one key together, in order of first appearance."""
    groups: dict[Hashable, list[Request]] = {}
    for request in batch:
        groups.setdefault(key(request), []).append(request)
    yield from groups.values()
