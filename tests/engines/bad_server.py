"""A chat-completions server on this machine that misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What the server does with one request.

    Attributes:
        status: of HTTP.
        body: JSON, or bytes that are sent as they are.
        headers: beside the content type.
        delay: seconds before it answers.
        reset: close the connection instead.
        drip: send a byte now and then, and never end.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False
    drip: bool = False


@dataclass
class Seen:
    """One request as it came.

    Attributes:
        prompt: the words of the user.
        turn: how often this prompt came before.
        body: the JSON.
        headers: of HTTP.
        path: of the address.
    """

    prompt: str
    turn: int
    body: dict[str, Any]
    headers: dict[str, str]
    path: str


Behave = Callable[[Seen], Answer]


def said(text: str | None, *, finish: str = "stop", **message: Any) -> Answer:
    """A good answer."""
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    return Answer(body={"choices": [choice], "usage": usage})


class BadServer:
    """What the server saw.

    Attributes:
        url: address up to `/v1`.
        seen: all requests in order.
        most: requests that were under way at a time.
    """

    def __init__(self, behave: Behave) -> None:
        self.behave, self.seen, self.most = behave, list[Seen](), 0
        self.url = ""
        self.gone = threading.Event()
        self._now, self._lock, self._turns = 0, threading.Lock(), Counter[str]()

    def note(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Seen:
        prompt = _prompt(body)
        with self._lock:
            seen = Seen(prompt, self._turns[prompt], body, headers, path)
            self._turns[prompt] += 1
            self.seen.append(seen)
            self._now += 1
            self.most = max(self.most, self._now)
        return seen

    def done(self) -> None:
        with self._lock:
            self._now -= 1

    def turns(self, prompt: str) -> int:
        """How often a prompt came."""
        return self._turns[prompt]


def _prompt(body: dict[str, Any]) -> str:
    if "contents" in body:
        return next(p["text"] for p in body["contents"][0]["parts"] if "text" in p)
    content = body["messages"][-1]["content"]
    return next(part["text"] for part in content if part["type"] == "text")


@contextmanager
def bad_server(behave: Behave) -> Iterator[BadServer]:
    """Runs a server in a thread."""
    state = BadServer(behave)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one piece

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen = state.note(self.path, dict(self.headers.items()), body)
            try:
                self._reply(state.behave(seen))
            except OSError:
                pass  # the client went away
            finally:
                state.done()

        def _reply(self, answer: Answer) -> None:
            state.gone.wait(answer.delay)
            if answer.reset:
                self.close_connection = True
                self.connection.close()
                return
            data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body)
            data = data.encode() if isinstance(data, str) else data
            self.send_response(answer.status)
            headers = {"Content-Type": "application/json", **answer.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) if not answer.drip else 10**6))
            self.end_headers()
            while answer.drip and not state.gone.is_set():
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.02)
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.gone.set()
        server.shutdown()
        thread.join()
        server.server_close()
