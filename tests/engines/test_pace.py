import asyncio

import pytest

from mien.engines.pace import Pace


class Time:
    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


def sent_at(pace, time, tokens):
    """When each of some requests is sent."""

    async def run():
        times = []
        for amount in tokens:
            await pace.wait(amount)
            times.append(round(time.now, 6))
        return times

    return asyncio.run(run())


def test_requests_per_minute_are_evenly_spaced():
    time = Time()
    pace = Pace(rpm=30, clock=time.clock, sleep=time.sleep)
    assert sent_at(pace, time, [1] * 4) == [0, 2, 4, 6]


def test_tokens_per_minute():
    time = Time()
    pace = Pace(tpm=600, clock=time.clock, sleep=time.sleep)  # ten a second
    # 600 are there at the start; a request larger than the limit waits for all of it
    assert sent_at(pace, time, [400, 200, 100, 900]) == [0, 0, 10, 70]


def test_what_was_guessed_is_put_right():
    time = Time()
    pace = Pace(tpm=600, clock=time.clock, sleep=time.sleep)
    assert sent_at(pace, time, [600]) == [0]
    pace.correct(600, 100)  # 500 are given back
    assert sent_at(pace, time, [500, 100]) == [0, 10]


def test_a_pause_holds_all_and_the_longest_counts():
    time = Time()
    pace = Pace(clock=time.clock, sleep=time.sleep)
    pace.pause(9)
    pace.pause(4)
    assert sent_at(pace, time, [1, 1]) == [9, 9]


def test_limits_are_above_zero():
    with pytest.raises(ValueError, match="rpm is 0"):
        Pace(rpm=0)
