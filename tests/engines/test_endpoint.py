import asyncio
import gzip
import json
import logging
import re
import threading
import time
from functools import partial

import numpy as np
import pytest

from mien.engines.base import EngineError
from mien.engines.endpoint import LONGEST_COMPLAINT, EndpointResponder
from mien.engines.pace import Pace
from mien.engines.request import Request
from tests.engines.bad_server import Answer, bad_server, said

KEY = "sk-very-secret-0123456789"
SCHEMA = {"type": "object", "properties": {"expression": {"type": "string"}}}


def picture(value=0):
    return np.full((4, 6, 3), value, np.uint8)


def requests(count, **fields):
    return [Request(str(i), (picture(i % 200),), f"face {i}", **fields) for i in range(count)]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.waits = 0.0, []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The pauses of the official client and of the limits take no time."""
    made = Time()
    monkeypatch.setattr("anyio.sleep", made.sleep)
    monkeypatch.setattr(
        "mien.engines.endpoint.Pace", partial(Pace, clock=made.clock, sleep=made.sleep)
    )
    return made


def responder(server, **changes):
    settings = {"key": KEY, "timeout": 5.0, "attempts": 4, **changes}
    return EndpointResponder("tiny", server.url, name="openai:tiny", **settings)


def ask(server, items, **changes):
    asked = responder(server, **changes)
    try:
        return list(asked.respond(items))
    finally:
        asked.close()


def collect(replies, into):
    """Ids as they come, so that those before an error are kept."""
    for reply in replies:
        into.append(reply.id)


def test_request_and_reply_on_the_wire():
    with bad_server(lambda seen: said("Happiness.", reasoning_content="hm")) as server:
        item = Request("a", (picture(1), picture(2)), "Look.", system="Be brief.", schema=SCHEMA)
        (reply,) = ask(server, [item])
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    system, user = seen.body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in user["content"]] == ["image_url", "image_url", "text"]
    assert user["content"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert (seen.body["temperature"], seen.body["max_tokens"], seen.body["seed"]) == (0, 256, 0)
    assert seen.body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (reply.id, reply.status, reply.text) == ("a", "ok", "Happiness.")
    assert reply.usage == {"prompt_tokens": 11, "completion_tokens": 3}
    assert reply.seconds > 0


def everything_at_once(seen):
    """A fault for each kind of request; most are good at the second or third try."""
    number = int(seen.prompt.split()[1])
    kind, again = number % 10, seen.turn > 0
    good = said(f"answer {number}")
    if kind == 1 and not again:
        return Answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "7"})
    if kind == 2 and seen.turn < 2:
        return Answer(500, b"<html>oops</html>", {"Content-Type": "text/html"})
    if kind == 3:
        return Answer(200, b'{"choices": [')
    if kind == 4:
        return said("")
    if kind == 5:
        return Answer(200, {"id": "x"})
    if kind == 6 and not again:
        return Answer(reset=True)
    if kind == 7:
        return Answer(200, b"<html>a proxy</html>", {"Content-Type": "text/html"})
    if kind == 8:
        return Answer(400, {"error": {"message": "picture too small"}})
    if kind == 9 and not again:
        return Answer(503, {"detail": "loading"})
    return good


def test_nothing_is_lost_and_every_id_comes_back_once():
    drawn, under_way = [], []

    def source():
        for item in requests(60):
            drawn.append(item.id)
            yield item

    with bad_server(everything_at_once) as server:
        asked = responder(server, concurrency=5)
        replies = {}
        for reply in asked.respond(source()):
            assert reply.id not in replies
            replies[reply.id] = reply
            under_way.append(len(drawn) - len(replies))
        asked.close()
    assert set(replies) == {str(i) for i in range(60)}
    assert server.most <= 5
    assert max(under_way) <= 5  # drawn as needed, not all at once
    by_kind = {kind: [replies[str(i)] for i in range(kind, 60, 10)] for kind in range(10)}
    for kind in (0, 1, 2, 6, 9):
        for reply in by_kind[kind]:
            assert (reply.status, reply.text) == ("ok", f"answer {reply.id}")
    assert {(r.status, r.text) for r in by_kind[4]} == {("ok", "")}
    reasons = {kind: {r.error for r in by_kind[kind]} for kind in (3, 5, 7, 8)}
    assert reasons[3] == {"the answer is no JSON (application/json) (4 tries)"}
    assert reasons[5] == {"the answer has no choices (4 tries)"}
    assert reasons[7] == {"the answer is no JSON (text/html) (4 tries)"}
    assert reasons[8] == {"status 400: picture too small"}
    for kind in (3, 5, 7, 8):
        assert all(r.status == "failed" and r.text is None for r in by_kind[kind])
    assert server.turns("face 8") == 1  # what is wrong with the request is not asked again
    assert server.turns("face 3") == 4


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_hung_endpoint_is_cut_by_the_timeout(fault):
    def behave(seen):
        if seen.prompt == "face 1":
            return Answer(delay=30) if fault == "hang" else Answer(200, {}, drip=True)
        return said("fine")

    with bad_server(behave) as server:
        replies = {r.id: r for r in ask(server, requests(3), timeout=0.3, attempts=2)}
    assert replies["1"].error == "no answer within 0.3 s (2 tries)"
    assert replies["0"].text == replies["2"].text == "fine"


def test_retry_after_is_kept_and_too_long_a_one_is_not_waited_for(clock):
    def behave(seen):
        if seen.turn:
            return said("fine")
        wait = "17" if seen.prompt == "face 0" else "86400"
        return Answer(429, {"error": {"message": "limit"}}, {"Retry-After": wait})

    with bad_server(behave) as server:
        first, second = ask(server, requests(2), concurrency=1)
    assert first.text == "fine"
    assert clock.now == 17
    assert second.error == "status 429: limit; the endpoint asks to wait 86400 s"


def test_a_pause_that_one_is_told_holds_all_back(clock, monkeypatch):
    async def no_time(seconds):
        await asyncio.sleep(0)

    monkeypatch.setattr("anyio.sleep", no_time)  # the client's own wait: only the limits' is left

    def behave(seen):
        return said("fine") if seen.turn else Answer(429, {}, {"Retry-After": "30"})

    with bad_server(behave) as server:
        (reply,) = ask(server, requests(1))
    assert reply.text == "fine"
    assert clock.now == pytest.approx(30)


def test_waits_between_tries_grow_and_are_bounded(clock):
    with bad_server(lambda seen: Answer(500, {})) as server:
        (reply,) = ask(server, requests(1), attempts=9)
        assert server.turns("face 0") == 9
    assert reply.error == "status 500 (9 tries)"
    longest = [0.5, 1, 2, 4, 8, 8, 8, 8]
    assert len(clock.waits) == len(longest)
    assert all(w / 2 <= s <= w for s, w in zip(clock.waits, longest, strict=True))


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (Answer(401, {"error": {"message": f"bad key {KEY}"}}), "MY_KEY"),
        (Answer(403, b"no"), "--key-env"),
        (Answer(404, {"error": "model 'tiny' not found"}), "--endpoint"),
        (Answer(307, b"", {"Location": "http://elsewhere.example/"}), "--endpoint"),
        (Answer(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "used up"),
    ],
)
def test_what_no_request_can_pass_is_an_error_that_names_the_remedy(answer, remedy):
    with bad_server(lambda seen: answer) as server:
        asked = responder(server, key_name="MY_KEY", concurrency=2)
        with pytest.raises(EngineError, match=remedy) as caught:
            list(asked.respond(requests(5)))
        count = len(server.seen)
        assert count <= 4
        with pytest.raises(EngineError, match=remedy):  # and is not asked again
            list(asked.respond(requests(5)))
        assert len(server.seen) == count
        asked.close()
    assert KEY not in str(caught.value)


def test_replies_that_are_ready_are_given_before_the_error():
    gate = threading.Event()

    def behave(seen):
        if seen.prompt == "face 1":
            gate.wait(5)
            time.sleep(0.05)  # the good answers are on their way
            return Answer(401, {})
        if seen.prompt == "face 3":
            gate.set()
        return said("fine")

    got = []
    with bad_server(behave) as server:
        asked = responder(server, concurrency=4)
        with pytest.raises(EngineError):
            collect(asked.respond(requests(4)), got)
        asked.close()
    assert sorted(got) == ["0", "2", "3"]


def test_a_server_that_never_answered_is_an_error_with_a_hint():
    with bad_server(lambda seen: said("")) as server:
        pass  # it is gone now
    with pytest.raises(EngineError, match="is the server running"):
        ask(server, requests(3), attempts=2)


def test_a_page_that_is_no_api_ends_the_run():
    page = Answer(200, b"<html>a login page</html>", {"Content-Type": "text/html"})
    with bad_server(lambda seen: page) as server, pytest.raises(EngineError) as error:
        ask(server, requests(50), concurrency=2)
    assert "the answer is no JSON (text/html)" in str(error.value)
    assert "--endpoint" in str(error.value)
    assert len(server.seen) < 20  # not all of the 50 were tried


def test_the_key_is_in_no_error_log_or_text(caplog):
    def behave(seen):
        return Answer(500, {"error": {"message": f"key {KEY} is tired"}})

    with caplog.at_level(logging.DEBUG), bad_server(behave) as server:
        asked = responder(server)
        replies = list(asked.respond(requests(2)))
        texts = [repr(asked), str(asked.identity()), str(asked.settings()), caplog.text]
        texts += [repr(reply) for reply in replies]
        asked.close()
    assert "key *** is tired" in replies[0].error
    assert "127.0.0.1" in caplog.text  # the log was on
    assert all(KEY not in text for text in texts)


def test_a_key_that_a_server_echoes_is_blanked_everywhere():
    def behave(seen):
        if seen.prompt == "face 0":
            return said(f"Happiness. {KEY} {KEY.upper()}")
        if seen.prompt == "face 1":
            return said(f"Fear {'x' * 230} {KEY}")
        if seen.prompt == "face 3":
            return Answer(200, {"error": {"message": f"{'z' * 190} {KEY}"}})
        return Answer(400, {"error": {"message": f"{'y' * 220} {KEY}"}})

    with bad_server(behave) as server:
        replies = {r.id: r for r in ask(server, requests(4))}
    assert replies["0"].text == "Happiness. *** ***"
    assert "zzz" in replies["3"].error
    assert KEY[:8] not in "".join(repr(reply) for reply in replies.values())


def test_a_word_that_stands_for_no_key_is_not_blanked():
    with bad_server(lambda seen: said("None.")) as server:
        (reply,) = ask(server, requests(1), key="none")
    assert reply.text == "None."


@pytest.mark.parametrize("before", [0, LONGEST_COMPLAINT - 10, LONGEST_COMPLAINT - len(KEY) - 2])
def test_a_long_error_is_cut_and_no_half_of_the_key_stays(before):
    text = " " * before + f"no {KEY} " + "o" * 7_000_000
    with bad_server(lambda seen: Answer(400, text.encode())) as server:
        (reply,) = ask(server, requests(1))
    assert len(reply.error) < 300
    assert KEY[:4] not in reply.error


def test_an_answer_is_read_up_to_a_bound(monkeypatch):
    monkeypatch.setattr("mien.engines.endpoint_client.LONGEST_BODY", 2**20)
    bomb = gzip.compress(b" " * 2**22)
    packed = Answer(200, bomb, {"Content-Encoding": "gzip"})
    answers = {"face 0": said("x" * 2**21), "face 1": packed, "face 2": said("fine")}
    with bad_server(lambda seen: answers[seen.prompt]) as server:
        replies = {r.id: r for r in ask(server, requests(3))}
    assert {replies[i].error for i in "01"} == {"the answer is longer than 1 MB"}
    assert replies["2"].text == "fine"
    assert len(server.seen) == 3  # a longer answer comes of the same question, too


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"choices": ' + b"9" * 100_000 + b"}",
        b"\xff\xfe{",
    ],
)
def test_json_that_cannot_be_read_is_a_failed_answer(body):
    answers = {"face 0": Answer(200, body), "face 1": said("fine")}
    with bad_server(lambda seen: answers[seen.prompt]) as server:
        # the good answer comes first: a server that never gave one ends the run
        found = ask(server, list(requests(2))[::-1], attempts=2, concurrency=1)
    replies = {r.id: r for r in found}
    assert replies["0"].error == "the answer is no JSON (application/json) (2 tries)"
    assert replies["1"].text == "fine"


def test_numbers_and_characters_that_are_none_do_no_harm():
    body = said("\ud800 Happiness.").body | {"usage": {"prompt_tokens": 10**400}}
    with bad_server(lambda seen: Answer(body=body)) as server:
        (reply,) = ask(server, requests(1))
    assert (reply.text, reply.usage) == ("\ufffd Happiness.", {})


@pytest.mark.parametrize("address", ["http://[", "http://localhost:99999/v1", "http://a b/v1", ""])
def test_an_address_that_is_none(address):
    with pytest.raises(EngineError, match="http://localhost:8000/v1"):
        EndpointResponder("tiny", address, name="openai:tiny")


def test_what_an_endpoint_refuses_is_left_out_and_remembered():
    def behave(seen):
        body = seen.body
        kind = body.get("response_format", {}).get("type")
        if "max_tokens" in body:
            message = "'max_tokens' is not supported with this model. Use 'max_completion_tokens'"
        elif "temperature" in body:
            message = "Unsupported value: temperature does not support 0"
        elif kind:
            message = f"response_format {kind} is not available"
        else:
            return said("fine")
        return Answer(400, {"error": {"message": message}})

    with bad_server(behave) as server:
        asked = responder(server, concurrency=1)
        first, second = asked.respond(requests(2, schema=SCHEMA))
        settings = asked.settings()
        asked.close()
    assert first.text == second.text == "fine"
    assert server.turns("face 0") == 5
    assert server.turns("face 1") == 1
    kinds = [s.body.get("response_format", {}).get("type") for s in server.seen]
    assert kinds == [*["json_schema"] * 3, "json_object", None, None]
    assert settings["refused by the endpoint"] == "temperature"
    assert settings["schema"] == "none"


def test_a_request_that_is_refused_whatever_is_left_out_changes_nothing_for_the_others():
    def behave(seen):
        bad = seen.prompt == "face 0"
        return Answer(400, {"error": "no"}) if bad else said("fine")

    with bad_server(behave) as server:
        first, second = ask(server, requests(2, schema=SCHEMA), concurrency=1)
    assert first.error == "status 400: no"
    assert second.text == "fine"
    assert server.seen[-1].body["response_format"]["type"] == "json_schema"


def test_cut_and_withheld_answers_say_so():
    answers = {
        "face 0": said("Happi", finish="length"),
        "face 1": said(None, finish="content_filter"),
        "face 2": said(None, refusal="I cannot help."),
        "face 3": said(None, finish="length", reasoning_content="so much to think"),
    }
    with bad_server(lambda seen: answers[seen.prompt]) as server:
        replies = {r.id: r for r in ask(server, requests(4))}
    assert replies["0"].text == "Happi"
    assert replies["0"].warnings == ("the answer was cut at the limit of tokens",)
    assert replies["1"].error == "the endpoint's content filter withheld the answer"
    assert (replies["2"].status, replies["2"].text) == ("ok", "I cannot help.")
    assert (replies["3"].status, replies["3"].text) == ("ok", "")
    assert server.turns("face 1") == 1


def test_stopping_early_stops_at_once():
    def behave(seen):
        return said("fine") if seen.prompt == "face 0" else Answer(delay=30)

    with bad_server(behave) as server:
        asked = responder(server, concurrency=3, timeout=60)
        replies = asked.respond(requests(50))
        assert next(replies).text == "fine"
        replies.close()
        asked.close()
        assert len(server.seen) <= 4


def test_a_source_that_fails_loses_no_answer():
    def source():
        yield from requests(3)
        raise OSError("the disk is gone")

    got = []
    with bad_server(lambda seen: said("fine")) as server:
        asked = responder(server)
        with pytest.raises(OSError, match="the disk is gone"):
            collect(asked.respond(source()), got)
        asked.close()
    assert sorted(got) == ["0", "1", "2"]


def test_a_picture_that_cannot_be_sent_fails_alone():
    bad = Request("bad", (np.zeros((4, 4), np.uint8),), "grey")
    with bad_server(lambda seen: said("fine")) as server:
        replies = {r.id: r for r in ask(server, [bad, *requests(1)])}
    assert "cannot be sent" in replies["bad"].error
    assert replies["0"].text == "fine"


def test_identity_names_model_and_address_and_no_secret():
    asked = EndpointResponder("tiny", "https://api.example/v1", name="x", key=KEY)
    assert asked.identity() == {  # answers are kept under it: another one would be asked for anew
        "model": "tiny",
        "endpoint": "https://api.example/v1",
        "api": "chat completions",
        "temperature": "0",
        "seed": "0",
        "pictures": "PNG",
    }
    assert asked.sends_to == "api.example"
    assert KEY not in json.dumps([dict(asked.identity()), dict(asked.settings())])
    for address in ("https://user:pw@api.example/v1", "https://api.example/v1?key=pw"):
        with pytest.raises(EngineError) as caught:
            EndpointResponder("tiny", address, name="x")
        assert "pw" not in str(caught.value)
    with pytest.raises(EngineError, match="no address"):
        EndpointResponder("tiny", "localhost:8000", name="x")


def test_nothing_of_the_environment_is_sent_but_the_key(monkeypatch):
    settings = {
        "OPENAI_API_KEY": "sk-of-the-environment",
        "OPENAI_ADMIN_KEY": "sk-of-the-admin",
        "OPENAI_ORG_ID": "org-of-mine",
        "OPENAI_PROJECT_ID": "project-of-mine",
        "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer other-key\nX-Mine: private-thing",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with bad_server(lambda seen: said("fine")) as server:
        ask(server, requests(1))
        ask(server, requests(1), key=None)
    with_key, without = (seen.headers for seen in server.seen)
    assert with_key["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in without
    for headers in (with_key, without):
        sent = " ".join(f"{name} {value}" for name, value in headers.items()).lower()
        assert not re.search("environment|admin|of-mine|other-key|private|stainless-os", sent)


def test_no_proxy_stands_before_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with bad_server(lambda seen: said("fine")) as server:
        (reply,) = ask(server, requests(1))
    assert reply.text == "fine"


def test_another_machine_is_asked_through_the_proxy_of_the_environment(monkeypatch):
    with bad_server(lambda seen: said("fine")) as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        asked = EndpointResponder("tiny", "http://gpu.example/v1", name="x", key=KEY)
        (reply,) = asked.respond(requests(1))
        asked.close()
    assert reply.text == "fine"
    assert server.seen[0].path.startswith("http://gpu.example/v1/")


def test_a_redirect_is_not_followed():
    with bad_server(lambda seen: said("fine")) as other:
        away = Answer(307, b"", {"Location": f"{other.url}/chat/completions"})
        with bad_server(lambda seen: away) as server, pytest.raises(EngineError):
            ask(server, requests(1))
        assert other.seen == []
