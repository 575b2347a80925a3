"""Reading ahead: order, bounds, errors, and an early end."""

import threading

import pytest

from mien.media.ahead import ahead


def test_items_come_in_order():
    assert list(ahead(iter(range(50)), depth=3)) == list(range(50))


def test_no_more_than_the_depth_wait():
    drawn, go = [], threading.Event()

    def items():
        for i in range(20):
            drawn.append(i)
            if i == 5:
                go.set()
            yield i

    reading = ahead(items(), depth=3)
    assert next(reading) == 0
    # One is given, three wait and one is held by the thread: a sixth needs another `next`.
    assert not go.wait(0.3)
    assert len(drawn) <= 5
    assert next(reading) == 1
    assert go.wait(10)
    reading.close()


def test_errors_come_behind_the_items_before_them():
    def items():
        yield 1
        raise ValueError("broken here")

    reading = ahead(items())
    assert next(reading) == 1
    with pytest.raises(ValueError, match="broken here"):
        next(reading)


def test_closing_ends_the_thread_and_closes_the_items():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    reading = ahead(items())
    assert next(reading) == 1
    reading.close()
    assert closed.is_set()
    assert threading.active_count() == before
