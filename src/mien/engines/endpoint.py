"""Models behind an endpoint: many requests under way, limits, retries, no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mien.engines.background import Background, stream
from mien.engines.base import EngineError
from mien.engines.http_client import http_library
from mien.engines.pace import Clock, Pace, Sleep, back_off, retry_after
from mien.engines.pictures import SURROUNDED
from mien.engines.request import Reply, Request, Responder
from mien.engines.wire import (
    BadReplyError,
    Options,
    Wire,
    WithheldError,
    complaint_of,
    host_of,
    is_local,
)

RETRIED = frozenset({408, 409, 425, 429})
"""Statuses worth another try, beside all of 500 and more."""
PATIENCE = 300.0
"""Longest pause in seconds that a `Retry-After` may order."""
PICTURE_TOKENS = 300
"""Rough price of a picture, for the limit of tokens before the endpoint has counted."""
LONGEST_BODY = 8 * 2**20
"""Bytes of an answer that are read, unpacked; more makes a failed reply."""
SECRET = 8
"""Length from which a key is one: "EMPTY" and "ollama", which local servers take, are words."""


class _TooLongError(Exception):
    """An answer is longer than `LONGEST_BODY`."""


@dataclass(frozen=True, slots=True)
class _Raw:
    """An endpoint's answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The JSON in it.

        Raises:
            ValueError: if there is none.
        """
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why one try failed, what to do then, and the wait that the endpoint asks for."""

    reason: str
    retry: bool = False
    wait: float | None = None
    complaint: str | None = None  # set where a weaker request may be taken


class EndpointResponder(Responder):
    """Answers with a model behind an endpoint.

    A request that fails is tried again with growing pauses where that may help, and makes a failed
    reply where it does not. Options are never scored: endpoints give no likelihoods of whole
    answers, so a request with options is answered in words.

    Args:
        wire: the API that is spoken.
        name: as given to `--model`.
        key: sent with every request and kept nowhere else; None sends none.
        key_name: the environment variable that it came from, for error messages.
        concurrency: requests under way at a time.
        rpm, tpm: limits of requests and tokens per minute; None is no limit.
        timeout: seconds until a try is given up, however little is missing.
        attempts: tries per request, the first among them.
        clock, sleep, rng: replaced in tests.
    """

    crop_spec = SURROUNDED

    def __init__(
        self,
        wire: Wire,
        *,
        name: str,
        key: str | None = None,
        key_name: str = "OPENAI_API_KEY",
        concurrency: int = 8,
        rpm: float | None = None,
        tpm: float | None = None,
        timeout: float = 120.0,
        attempts: int = 6,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        for what, value in (("concurrency", concurrency), ("attempts", attempts)):
            if value < 1:
                raise EngineError(f"{what} is {value}; it must be at least 1")
        if timeout <= 0:
            raise EngineError(f"timeout is {timeout}; it must be above 0 seconds")
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            raise EngineError(
                f"the key in ${key_name} has spaces or characters that no key has; set it again"
            )
        self.http = http_library()
        self.wire, self.name, self.host = wire, name, host_of(wire.base)
        self.concurrency, self.timeout, self.attempts = concurrency, timeout, attempts
        self.options = wire.options
        self.limits = {"rpm": rpm, "tpm": tpm}
        try:
            self.pace = Pace(rpm, tpm, clock=clock, sleep=sleep)
        except ValueError as error:
            raise EngineError(str(error)) from None
        self.rng = rng or random.Random()
        self._key, self._key_name = key, key_name
        self._slots = asyncio.Semaphore(concurrency)
        self._background: Background | None = None
        self._client: Any = None
        self._reached = False  # something has come from there that this API says
        self._fatal: str | None = None

    def identity(self) -> Mapping[str, str]:
        """See `Responder.identity`."""
        return {
            "model": self.wire.model,
            "endpoint": self.wire.base,
            "api": self.wire.api,
            "temperature": "0",
            "seed": "0",
            "pictures": "PNG",
        }

    def settings(self) -> Mapping[str, str]:
        """See `Responder.settings`."""
        limits = {name: f"{value:g}" for name, value in self.limits.items() if value}
        refused = [name for name in ("temperature", "seed") if not getattr(self.options, name)]
        return {
            "host": self.host,
            "concurrency": str(self.concurrency),
            "timeout": f"{self.timeout:g} s",
            "attempts": str(self.attempts),
            "schema": self.options.schema,
            **limits,
            **({"refused by the endpoint": ", ".join(refused)} if refused else {}),
        }

    @property
    def sends_to(self) -> str | None:
        """The host that pictures are sent to; None where it is this machine."""
        return None if is_local(self.wire.base) else self.host

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """See `Responder.respond`."""
        if self._fatal:
            raise EngineError(self._fatal)
        if self._background is None:
            self._background = Background()
        yield from stream(self._background, requests, self._answer, limit=self.concurrency)

    def close(self) -> None:
        """Ends what is under way and closes the connections."""
        if self._background is not None:
            if self._client is not None:
                self._background.submit(self._client.aclose()).result()
            self._background.close()
        self._background = self._client = None

    async def _answer(self, request: Request) -> Reply:
        async with self._slots:
            try:
                return await self._try_all(request)
            except EngineError as error:
                self._fatal = str(error)
                raise

    async def _try_all(self, request: Request) -> Reply:
        options, tried, tries = self.options, set[Options](), 0
        expected = _expected_tokens(request)
        while True:
            try:
                body = await asyncio.to_thread(self._encoded, request, options)
            except ValueError as error:
                return Reply(request.id, "failed", error=f"the request cannot be sent: {error}")
            await self.pace.wait(expected)
            outcome = await self._try_once(request, body)
            if isinstance(outcome, Reply):
                self.options = options if tried else self.options
                self.pace.correct(expected, sum(outcome.usage.values()) or expected)
                return outcome
            if outcome.complaint is not None:
                tried.add(options)
                weaker = options.weaker(outcome.complaint, has_schema=request.schema is not None)
                if weaker is not None and weaker not in tried:
                    options = weaker
                    continue
            tries += 1
            if not outcome.retry or tries >= self.attempts:
                if outcome.retry and not self._reached:
                    raise EngineError(
                        f"{self.host} never answered: {outcome.reason}; is the server running, and"
                        " is the address right (--endpoint)?"
                    )
                count = f" ({tries} tries)" if tries > 1 else ""
                return Reply(request.id, "failed", error=outcome.reason + count)
            if outcome.wait is not None and outcome.wait > PATIENCE:
                asks = f"; the endpoint asks to wait {outcome.wait:.0f} s"
                return Reply(request.id, "failed", error=outcome.reason + asks)
            if outcome.wait is not None:
                self.pace.pause(outcome.wait)
            else:
                await self.pace.sleep(back_off(tries, self.rng))

    def _encoded(self, request: Request, options: Options) -> bytes:
        return json.dumps(self.wire.body(request, options)).encode()

    async def _try_once(self, request: Request, body: bytes) -> Reply | _Failure:
        headers = {"Content-Type": "application/json", **self.wire.headers(self._key)}
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout):  # the client's own would restart per byte
                answer = await self._posted(body, headers)
        except (TimeoutError, self.http.TimeoutException):
            return _Failure(f"no answer within {self.timeout:g} s", retry=True)
        except self.http.ConnectError:
            return _Failure(f"{self.host} cannot be reached", retry=True)
        except self.http.HTTPError as error:
            return _Failure(f"the connection broke ({type(error).__name__})", retry=True)
        except _TooLongError:
            why = f"the answer is longer than {LONGEST_BODY // 2**20} MB"
            return Reply(request.id, "failed", error=why)
        if answer.status != 200:
            self._reached = True
            return self._refused(answer)
        try:
            said = self.wire.read(answer.json())
        except WithheldError as error:
            self._reached = True
            return Reply(request.id, "failed", error=self._line(str(error)))
        except BadReplyError as error:
            return _Failure(self._line(str(error)), retry=True)
        except ValueError:
            kind = answer.headers.get("content-type", "no content type").split(";")[0]
            return _Failure(self._line(f"the answer is no JSON ({kind})"), retry=True)
        self._reached = True
        return Reply(
            request.id,
            text=self._without_key(said.text),
            seconds=time.perf_counter() - started,
            usage=said.usage,
            warnings=tuple(map(self._line, said.warnings)),
        )

    async def _posted(self, body: bytes, headers: Mapping[str, str]) -> _Raw:
        sent = self._connected().stream("POST", self.wire.url(), content=body, headers=headers)
        async with sent as answer:
            found = bytearray()
            async for piece in answer.aiter_bytes():
                found += piece
                if len(found) > LONGEST_BODY:
                    raise _TooLongError
            return _Raw(answer.status_code, answer.headers, bytes(found))

    def _refused(self, answer: _Raw) -> _Failure:
        """What an answer that is not 200 means.

        Raises:
            EngineError: if no request can be answered there.
        """
        status = answer.status
        try:
            complaint = complaint_of(answer.json())
        except ValueError:
            complaint = answer.text
        why = self._line(f"status {status}: {complaint}" if complaint else f"status {status}")
        if status in (401, 403) or (status == 400 and "API_KEY_INVALID" in answer.text):
            raise EngineError(
                f"{self.host} refuses the key ({why}); put a valid one into the environment"
                f" variable {self._key_name}, or name another with --key-env"
            )
        if status in (404, 405) or 300 <= status < 400:
            raise EngineError(
                f"{self.host} has no model {self.wire.model!r} at {self.wire.base} ({why});"
                " check the model's name and --endpoint"
            )
        if status == 429 and "insufficient_quota" in complaint:
            raise EngineError(f"the quota at {self.host} is used up ({why})")
        retry = status in RETRIED or status >= 500
        return _Failure(
            why,
            retry=retry,
            wait=retry_after(answer.headers.get("retry-after")) if retry else None,
            complaint=complaint if status in (400, 422) else None,
        )

    def _connected(self) -> Any:
        if self._client is None:
            self._client = self.http.AsyncClient(
                timeout=self.timeout,
                limits=self.http.Limits(max_connections=self.concurrency),
                follow_redirects=False,  # the key goes to the host that was named, nowhere else
                trust_env=not is_local(self.wire.base),  # no proxy between this machine and itself
            )
        return self._client

    def _line(self, text: str) -> str:
        """One short line without the key and without codes that terminals obey."""
        text = " ".join(self._without_key(text).split())
        text = "".join(c if c.isprintable() else "\ufffd" for c in text)
        return text if len(text) <= 240 else text[:237] + "..."

    def _without_key(self, text: str) -> str:
        """A server's text as it may be kept: the key is blanked, and halves of characters too."""
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self._key and len(self._key) >= SECRET:
            text = re.sub(re.escape(self._key), "***", text, flags=re.IGNORECASE)
        return text


def _expected_tokens(request: Request) -> float:
    words = len(request.prompt) + len(request.system or "")
    words += sum(len(question) + len(answer) for question, answer in request.history)
    return words / 4 + PICTURE_TOKENS * len(request.images) + request.max_tokens
