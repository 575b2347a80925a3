"""A server on this machine's network, asked by the clients that people have."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2 as httpx
import pytest
from typer.testing import CliRunner

from mien.cli import app as cli
from mien.faces import WholeFinder
from mien.serve import server as server_module
from mien.serve.app import create_app
from mien.serve.server import Server, listening
from mien.serve.service import Service
from tests.serve.conftest import LIMITS, mp4, png
from tests.serve.test_chat import shown

openai = pytest.importorskip("openai")


@contextmanager
def running(service):
    opened = listening("127.0.0.1", 0)
    server = Server(create_app(service), service.desk)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{opened.getsockname()[1]}", server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def live(responder):
    with running(Service([responder], finder=WholeFinder, limits=LIMITS)) as (address, _):
        yield address


@pytest.fixture(scope="module")
def client(live):
    with openai.OpenAI(base_url=f"{live}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_openai_s_client(client):
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"
    answer = client.chat.completions.create(model="tiny", messages=[shown(1)])
    assert answer.choices[0].message.content
    assert answer.choices[0].message.mien["action_units"]
    assert answer.usage.total_tokens > 10
    pieces = list(
        client.chat.completions.create(
            model="tiny",
            messages=[shown(1)],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    said = "".join(p.choices[0].delta.content or "" for p in pieces if p.choices)
    assert said == answer.choices[0].message.content
    assert pieces[-1].usage == answer.usage


def test_openai_s_client_knows_the_errors(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt", messages=[shown(1)])
    with pytest.raises(openai.BadRequestError, match="picture"):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "?"}])


def test_mien_itself_as_a_client(live, tmp_path):
    (tmp_path / "face.png").write_bytes(png(1))
    model = f"openai:tiny@{live}/v1"
    asked = ["analyze", str(tmp_path / "face.png"), "--faces", "whole", "--model", model]
    result = CliRunner().invoke(cli, [*asked, "--format", "jsonl"])
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    assert row["status"] == "ok"
    assert row["expression"]["label"]
    assert row["text"]


def test_a_client_that_leaves_a_stream_frees_its_place(live):
    form = {"files": [("files", ("v.mp4", mp4(20)))], "data": {"every": "1"}}
    with httpx.stream(
        "POST", f"{live}/v1/analyze", **form, headers={"Accept": "text/event-stream"}
    ) as answer:
        assert next(answer.iter_lines()).startswith("event: row")
    until = time.monotonic() + 10
    while "mien_videos_under_way 0.0" not in httpx.get(f"{live}/metrics").text:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_connections_without_a_request_are_closed(responder, monkeypatch):
    monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.3)
    with running(Service([responder], finder=WholeFinder, limits=LIMITS)) as (address, _):
        port = int(address.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as slow:
            slow.sendall(b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nX")
            assert slow.recv(1) == b""


def test_an_end_under_load_answers_what_was_accepted(responder):
    service = Service([responder], finder=WholeFinder, limits=LIMITS)

    def ask(number):
        body = {"model": "tiny", "messages": [shown(number)]}
        try:
            return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=20).status_code
        except httpx.ConnectError:
            return "refused"

    with ThreadPoolExecutor(24) as pool, running(service) as (address, server):
        statuses = [pool.submit(ask, number) for number in range(24)]
        while not service.desk.requests:
            time.sleep(0.01)
        server.stop()
        started = time.monotonic()
        found = [status.result() for status in statuses]
    assert time.monotonic() - started < 10
    assert 200 in found
    assert set(found) <= {200, 429, 503, "refused"}
    assert service.desk.requests == 0
    assert not service.ready


@pytest.mark.slow
def test_the_command_ends_well_at_sigterm(tiny_folder):
    command = [sys.executable, "-m", "mien", "serve", "--model", str(tiny_folder)]
    command += ["--port", "0", "--faces", "whole", "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stderr.readline().split()[-1]
        process.stderr.readline()

        def ask(number):
            body = {"model": str(tiny_folder), "messages": [shown(number)]}
            try:
                url = f"{address}/v1/chat/completions"
                return httpx.post(url, json=body, timeout=60).status_code
            except httpx.ConnectError:
                return "refused"

        until = time.monotonic() + 60
        while ask(0) != 200:
            assert time.monotonic() < until
        with ThreadPoolExecutor(32) as pool:
            statuses = [pool.submit(ask, number) for number in range(64)]
            while not any(s.done() for s in statuses):
                time.sleep(0.005)
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            found = [status.result() for status in statuses]
        assert process.wait(timeout=15) == 0
        assert time.monotonic() - started < 10
        assert set(found) <= {200, 429, 503, "refused"}
        assert found.count(200) > 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()


def test_the_command_says_what_is_wrong():
    run = CliRunner().invoke
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run(cli, ["serve", "--port", port])
        assert result.exit_code == 1
        assert port in result.stderr
    assert run(cli, ["serve", "--host", "0.0.0.0", "--token", "short"]).exit_code == 2
    assert run(cli, ["serve", "--model", "recorded:x.jsonl"]).exit_code == 2
    assert run(cli, ["serve", "--model", "no/such", "--port", "0"]).exit_code == 2
