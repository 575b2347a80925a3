"""Requests of many callers share forward passes, and each gets the answer that it gets alone."""

import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from queue import Full

import numpy as np
import pytest

from mien.engines import EngineError, Reply, Request, Responder
from mien.faces import CropSpec
from mien.language import prompt_for
from mien.serve.batching import BatchedResponder, Caller, CallerLeftError

# The killed thread is told of when it is collected, in whatever test that is.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Echo(Responder):
    """Answers with the prompt; notes the batches that it is asked."""

    name, crop_spec = "echo", CropSpec(8)

    def __init__(self):
        self.batches, self.go, self.begun = [], threading.Event(), threading.Event()
        self.go.set()

    def identity(self):
        return {"model": self.name}

    def tokens(self, request, text):
        return {"prompt_tokens": len(request.prompt), "completion_tokens": len(text)}

    def respond(self, requests):
        asked = list(requests)
        self.batches.append([r.prompt for r in asked])
        self.begun.set()
        assert self.go.wait(10)
        if any(r.prompt == "kill" for r in asked):
            raise SystemExit
        if any(r.prompt == "bad" for r in asked):
            raise RuntimeError("holds a secret")
        for request in reversed(asked):
            if request.prompt != "lost":
                yield Reply(request.id, text=request.prompt)


def asked(prompt):
    return Request("same id", (), prompt)


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def held(echo):
    """A responder whose model waits in its first batch."""
    shared = BatchedResponder(echo, batch_size=4, wait=0.05, most=6)
    echo.go.clear()
    first = shared.ask(asked("first"))
    assert echo.begun.wait(5)
    yield shared
    echo.go.set()
    assert first.result(5).text == "first"
    shared.close()


def test_what_waits_is_answered_together(echo, held):
    replies = [held.ask(asked(f"{n}")) for n in range(6)]
    echo.go.set()
    assert [r.result(5).text for r in replies] == list("012345")
    assert all(r.result().id == "same id" for r in replies)
    assert echo.batches == [["first"], list("0123"), list("45")]


def test_what_was_taken_back_is_not_asked(echo, held):
    gone, stays = held.ask(asked("gone")), held.ask(asked("stays"))
    assert gone.cancel()
    echo.go.set()
    assert stays.result(5).text == "stays"
    assert echo.batches == [["first"], ["stays"]]


def test_a_full_queue_refuses_who_does_not_wait(echo, held):
    replies = [held.ask(asked(f"{n}")) for n in range(6)]
    with pytest.raises(Full):
        held.ask(asked("one too many"))
    echo.go.set()
    assert all(r.result(5).status == "ok" for r in replies)


def test_a_caller_that_leaves_takes_back_what_it_asked(echo, held):
    caller = Caller(held)
    with ThreadPoolExecutor(1) as pool:
        replies = pool.submit(lambda: list(caller.respond([asked("a"), asked("b")])))
        while held.waiting < 2:
            time.sleep(0.01)
        caller.leave()
        with pytest.raises(CallerLeftError):
            replies.result(5)
    echo.go.set()
    with pytest.raises(CallerLeftError):
        list(caller.respond([asked("c")]))
    held.ask(asked("last")).result(5)
    assert echo.batches == [["first"], ["last"]]


def test_a_bad_request_harms_no_other(echo, held, caplog):
    good, bad = held.ask(asked("good")), held.ask(asked("bad"))
    echo.go.set()
    assert good.result(5).text == "good"
    with pytest.raises(EngineError) as told:
        bad.result(5)
    assert "secret" not in str(told.value) + caplog.text


def test_no_reply_is_an_error(echo, held):
    lost = held.ask(asked("lost"))
    echo.go.set()
    with pytest.raises(EngineError):
        lost.result(5)


def test_a_killed_thread_is_started_again(echo):
    shared = BatchedResponder(echo, batch_size=1)
    killed, after = shared.ask(asked("kill")), shared.ask(asked("after"))
    with pytest.raises(EngineError):
        killed.result(5)
    assert after.result(5).text == "after"
    assert shared.alive
    shared.close()


def test_closing_cancels_what_waits(echo, held):
    waits = held.ask(asked("waits"))
    threading.Timer(0.1, echo.go.set).start()
    held.close()
    with pytest.raises(CancelledError):
        waits.result(5)
    with pytest.raises(EngineError):
        held.ask(asked("late"))
    assert not held.alive


def test_tokens_are_counted_where_asked_for(echo):
    shared = BatchedResponder(echo)
    assert shared.ask(asked("abc"), counted=True).result(5).usage["prompt_tokens"] == 3
    assert not shared.ask(asked("abc")).result(5).usage
    shared.close()


def test_answers_equal_single_ones(responder):
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (48, 48, 3), np.uint8) for _ in range(6)]
    prompts = [prompt_for("analysis"), prompt_for("au_detection"), "What does it show?"]
    requests = [
        Request(f"{n}", (picture,), prompts[n % 3], words=n != 4, max_tokens=12)
        for n, picture in enumerate(pictures)
    ]
    alone = [next(iter(responder.respond([request]))) for request in requests]
    sizes = []
    shared = BatchedResponder(responder, wait=0.3, on_batch=sizes.append)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda r: next(iter(shared.respond([r]))), requests))
    shared.close()
    assert max(sizes) > 1
    for one, other in zip(alone, together, strict=True):
        assert (one.id, one.text) == (other.id, other.text)
        scores = one.numbers.expression.scores
        assert other.numbers.expression.scores == pytest.approx(scores, abs=1e-5)
        for unit, same in zip(one.numbers.action_units, other.numbers.action_units, strict=True):
            assert same.probability == pytest.approx(unit.probability, abs=1e-5)
