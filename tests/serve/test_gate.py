"""Who may speak to the server, how much of it, and what it tells of itself."""

import asyncio
import tempfile
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from mien.serve.app import create_app
from mien.serve.desk import Desk
from mien.serve.errors import ApiError
from mien.serve.intake import Intake
from mien.serve.limits import Limits
from tests.serve.conftest import LIMITS, png


def test_only_the_server_s_own_names(client):
    assert client.get("/health", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/health", headers={"Host": "[::1]:8000"}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "", "[::1"):
        answer = client.get("/health", headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_host")


def test_pages_elsewhere_may_not_ask(client, service):
    send = {"files": [("files", ("a.png", png()))], "headers": {"Origin": "http://evil.example"}}
    assert client.post("/v1/analyze", **send).status_code == 403
    own = {"Origin": "http://localhost"}
    assert client.get("/v1/models", headers=own).status_code == 200
    assert client.get("/v1/models", headers={"Origin": "null"}).status_code == 403
    app = create_app(service, origins=["http://good.example"])
    other = TestClient(app, base_url="http://localhost")
    good = other.get("/v1/models", headers={"Origin": "http://good.example"})
    assert good.headers["access-control-allow-origin"] == "http://good.example"
    assert other.get("/v1/models", headers={"Origin": "http://evil.example"}).status_code == 403


def test_the_token_is_asked_for(service):
    app = create_app(service, token="s3cret-token", hosts=None)
    client = TestClient(app, base_url="http://anything.example")
    answer = client.get("/v1/models")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["code"] == "invalid_api_key"
    for wrong in ("Bearer x", "Basic s3cret-token", "Bearer s3cret-token\u00e9", "Bearer"):
        headers = {"Authorization": wrong.encode()}
        assert client.get("/metrics", headers=headers).status_code == 401
    right = {"Authorization": "Bearer s3cret-token"}
    assert client.get("/v1/models", headers=right).status_code == 200
    assert client.get("/health").status_code == 200


def test_a_server_of_any_name_needs_a_token(service):
    with pytest.raises(ValueError, match="token"):
        create_app(service, hosts=None)


def test_it_tells_of_itself(client):
    assert client.get("/ready").json() == {"status": "ready", "models": ["tiny"]}
    client.post("/v1/analyze", files=[("files", ("a.png", png()))], data={"numbers": "1"})
    client.get("/nowhere")
    text = client.get("/metrics").text
    assert 'mien_requests_total{path="/v1/analyze",status="200"}' in text
    assert 'mien_requests_total{path="other",status="404"}' in text
    assert 'mien_batch_size_count{model="tiny"}' in text
    assert client.get("/nowhere").json()["error"]["code"] == "not_found"
    assert client.get("/v1/analyze").status_code == 405


def test_pages_load_nothing_from_elsewhere(client):
    for path in ("/", "/docs"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "http" not in answer.text.replace("http-equiv", "")
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "/v1/analyze" in client.get("/docs").text


def test_what_nobody_foresaw_is_told_without_its_words(service, caplog):
    app = create_app(service)

    @app.get("/boom")
    def boom():
        raise RuntimeError("holds a secret")

    client = TestClient(app, base_url="http://localhost")
    answer = client.get("/boom")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "RuntimeError" in caplog.text
    assert "secret" not in answer.text + caplog.text


def test_too_many_bytes(client):
    answer = client.post("/v1/analyze", content=b"x" * 3_000_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    pieces = (b"x" * 100_000 for _ in range(30))  # of unknown length
    assert client.post("/v1/analyze", content=pieces).status_code == 413
    packed = {"Content-Encoding": "gzip"}
    assert client.post("/v1/analyze", content=b"x", headers=packed).status_code == 415


def test_uploads_never_touch_a_disk(client, monkeypatch):
    def refuse(self):
        raise AssertionError("an upload was written to a file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    files = [("files", ("a.png", png() + b"x" * 1_500_000))]
    assert client.post("/v1/analyze", files=files, data={"numbers": "1"}).status_code == 200


def test_when_full_others_are_told_to_come_again(client, service):
    service.desk.requests += LIMITS.requests
    try:
        answer = client.post("/v1/analyze", files=[("files", ("a.png", png()))])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert client.get("/health").status_code == 200
    finally:
        service.desk.requests -= LIMITS.requests
    assert service.desk.requests == service.desk.held_bytes == 0


class _Wire:
    """One request to an `Intake`, by hand."""

    def __init__(self, app, *messages, limits=LIMITS):
        self.desk, self.sent = Desk(limits), []
        self.messages, self.gone = list(messages), asyncio.Event()
        self.intake = Intake(app, self.desk)

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    async def run(self):
        scope = {"type": "http", "method": "POST", "path": "/v1/analyze", "headers": []}
        await self.intake(scope, self.receive, self.send)

    @property
    def status(self):
        return self.sent[0]["status"]


WHOLE = {"type": "http.request", "body": b"abc"}


async def _never(scope, receive, send):
    raise AssertionError("nothing was accepted")


def test_a_slow_body_is_given_up():
    async def slow():
        wire = _Wire(_never, {"type": "http.request", "body": b"a", "more_body": True})
        await asyncio.wait_for(wire.run(), 5)
        return wire.status, wire.desk.held_bytes

    assert asyncio.run(slow()) == (408, 0)


def test_a_client_that_leaves_ends_the_work():
    ended = []

    async def work(scope, receive, send):
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def leave():
        wire = _Wire(work, WHOLE)
        running = asyncio.ensure_future(wire.run())
        await asyncio.sleep(0.05)
        assert wire.desk.requests == 1
        wire.gone.set()
        await asyncio.wait_for(running, 5)
        return wire.desk.requests, wire.desk.held_bytes, wire.sent

    assert asyncio.run(leave()) == (0, 0, [])
    assert ended


def test_a_client_that_takes_nothing_has_left():
    async def work(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def stuck():
        wire = _Wire(work, WHOLE, limits=replace(LIMITS, body_seconds=0.1))

        async def never(message):
            await asyncio.sleep(60)

        wire.send = never
        with pytest.raises(ConnectionAbortedError):
            await asyncio.wait_for(wire.run(), 5)
        return wire.desk.requests

    assert asyncio.run(stuck()) == 0


def test_a_server_that_stops_refuses_and_answers_what_it_accepted():
    async def stop():
        done = asyncio.Event()

        async def work(scope, receive, send):
            await done.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        wire = _Wire(work, WHOLE)
        running = asyncio.ensure_future(wire.run())
        await asyncio.sleep(0.05)
        wire.desk.close()
        late = _Wire(_never, WHOLE)
        late.intake.desk = wire.desk
        await late.run()
        done.set()
        await running
        return wire.status, late.status

    assert asyncio.run(stop()) == (200, 503)


def test_all_bodies_together_are_bounded():
    desk = Desk(Limits(all_bytes=10))
    desk.hold(8)
    with pytest.raises(ApiError) as told:
        desk.hold(3)
    assert told.value.status == 429
    desk.hold(2)


def test_decoded_pictures_wait_for_room():
    async def three():
        desk, order = Desk(Limits(all_pixels=10)), []

        async def hold(name, count):
            async with desk.pixels(count):
                order.append((name, desk.held_pixels))
                await asyncio.sleep(0.02)

        await asyncio.gather(hold("a", 6), hold("b", 99), hold("c", 4))
        return order, desk.held_pixels

    assert asyncio.run(three()) == ([("a", 6), ("c", 10), ("b", 10)], 0)


def test_videos_are_bounded():
    desk = Desk(Limits(videos=1))
    with desk.video(), pytest.raises(ApiError) as told:
        desk.check_video()
    assert told.value.status == 429
    desk.check_video()
