"""Models behind an endpoint: many requests under way, limits, retries, no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping

import httpx2
import openai

from mien.engines.background import Background, stream
from mien.engines.base import EngineError
from mien.engines.endpoint_address import check_base, host_of, is_local
from mien.engines.endpoint_chat import (
    Options,
    WithheldError,
    body_of,
    complaint_of,
    first_options,
    read,
)
from mien.engines.endpoint_client import (
    GuardedClient,
    TooLongError,
    UnreadableError,
    expected_tokens,
    tries_of,
)
from mien.engines.pace import Pace
from mien.engines.pictures import SURROUNDED
from mien.engines.request import Reply, Request, Responder

PICTURE_TOKENS = 300
"""Rough price of a picture, for the limit of tokens before the endpoint has counted."""
LONGEST_COMPLAINT = 10_000
"""Characters of an error that are looked at."""
SECRET = 8
"""Length from which a key is one: "EMPTY" and "ollama", which local servers take, are words."""


class EndpointResponder(Responder):
    """Answers with a model behind an endpoint, through the official client.

    A request that fails is tried again with growing pauses where that may help, and makes a failed
    reply where it does not. Options are never scored: endpoints give no likelihoods of whole
    answers, so a request with options is answered in words.

    Args:
        model: the endpoint's name of the model.
        base: address up to and with `/v1`.
        name: as given to `--model`.
        key: sent with every request and kept nowhere else; None sends none.
        key_name: the environment variable that it came from, for error messages.
        concurrency: requests under way at a time.
        rpm, tpm: limits of requests and tokens per minute; None is no limit.
        timeout: seconds until a try is given up, however little is missing.
        attempts: tries per request, the first among them.
    """

    crop_spec = SURROUNDED

    def __init__(
        self,
        model: str,
        base: str,
        *,
        name: str,
        key: str | None = None,
        key_name: str = "OPENAI_API_KEY",
        concurrency: int = 8,
        rpm: float | None = None,
        tpm: float | None = None,
        timeout: float = 120.0,
        attempts: int = 7,
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
        self.model, self.base, self.name = model, check_base(base), name
        self.host = host_of(self.base)
        self.concurrency, self.timeout, self.attempts = concurrency, timeout, attempts
        self.options = first_options(self.base)
        self.limits = {"rpm": rpm, "tpm": tpm}
        try:
            self.pace = Pace(rpm, tpm)
        except ValueError as error:
            raise EngineError(str(error)) from None
        self._key, self._key_name = key, key_name
        self._slots = asyncio.Semaphore(concurrency)
        self._background: Background | None = None
        self._http: GuardedClient | None = None
        self._client: openai.AsyncOpenAI | None = None
        self._fatal: str | None = None

    def identity(self) -> Mapping[str, str]:
        return {
            "model": self.model,
            "endpoint": self.base,
            "api": "chat completions",
            "temperature": "0",
            "seed": "0",
            "pictures": "PNG",
        }

    def settings(self) -> Mapping[str, str]:
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
        return None if is_local(self.base) else self.host

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        if self._fatal:
            raise EngineError(self._fatal)
        if self._background is None:
            self._background = Background()
        yield from stream(self._background, requests, self._answer, limit=self.concurrency)

    def close(self) -> None:
        if self._background is not None:
            if self._client is not None:
                self._background.submit(self._client.close()).result()
            self._background.close()
        self._background = self._client = self._http = None

    async def _answer(self, request: Request) -> Reply:
        async with self._slots:
            try:
                return await self._ask(request)
            except EngineError as error:
                self._fatal = str(error)
                raise

    async def _ask(self, request: Request) -> Reply:
        """Asks, and again with weaker options where the endpoint refuses some."""
        options, refused = self.options, set[Options]()
        while True:
            try:
                reply = await self._ask_with(request, options)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refused.add(options)
                weaker = options.weaker(
                    self._complaint(error), has_schema=request.schema is not None
                )
                if weaker is None or weaker in refused:
                    return self._failed(request, error)
                options = weaker
            except openai.OpenAIError as error:
                return self._failed(request, error)
            except WithheldError as error:
                return Reply(request.id, "failed", error=self._line(str(error)))
            except ValueError as error:
                return Reply(request.id, "failed", error=f"the request cannot be sent: {error}")
            else:
                self.options = options if refused else self.options
                return reply

    async def _ask_with(self, request: Request, options: Options) -> Reply:
        body = await asyncio.to_thread(body_of, self.model, request, options)
        expected = _expected_tokens(request)
        expected_tokens.set(expected)
        # not chat.completions.create(): its types are not checked against what really came
        response = await self._connected().post(
            "/chat/completions", body=body, cast_to=httpx2.Response
        )
        said = read(response.content, response.headers.get("content-type", ""))
        self.pace.correct(expected, sum(said.usage.values()) or expected)
        return Reply(
            request.id,
            text=self._without_key(said.text),
            seconds=response.elapsed.total_seconds(),
            usage=said.usage,
            warnings=tuple(map(self._line, said.warnings)),
        )

    def _failed(self, request: Request, error: openai.OpenAIError) -> Reply:
        """The reply to a request that the client gave up.

        Raises:
            EngineError: if no request can be answered there.
        """
        if isinstance(error, openai.APIStatusError):
            reason = self._refused(error)
        elif isinstance(error, openai.APIConnectionError):
            reason = self._line(self._broken(error))
            if self._http is None or not self._http.reached:
                raise EngineError(
                    f"{self.host} never answered: {reason}; is the server running, and"
                    " is the address right (--endpoint)?"
                )
        elif isinstance(error, TooLongError):
            return Reply(request.id, "failed", error=str(error))
        else:
            reason = self._line(f"{type(error).__name__}: {error}")
        tries = tries_of(error.request) if isinstance(error, openai.APIError) else 1
        count = f" ({tries} tries)" if tries > 1 else ""
        return Reply(request.id, "failed", error=reason + count)

    def _broken(self, error: openai.APIConnectionError) -> str:
        """Why there is no answer."""
        cause = error.__cause__
        if isinstance(error, openai.APITimeoutError):
            return f"no answer within {self.timeout:g} s"
        if isinstance(cause, httpx2.ConnectError):
            return f"{self.host} cannot be reached ({cause})"
        if isinstance(cause, UnreadableError):
            return str(cause)
        return f"the connection broke ({type(cause).__name__})"

    def _refused(self, error: openai.APIStatusError) -> str:
        """What an answer that is not 200 means.

        Raises:
            EngineError: if no request can be answered there.
        """
        status, complaint = error.status_code, self._complaint(error)
        why = self._line(f"status {status}: {complaint}" if complaint else f"status {status}")
        if status in (401, 403) or (status == 400 and "API_KEY_INVALID" in error.response.text):
            raise EngineError(
                f"{self.host} refuses the key ({why}); put a valid one into the environment"
                f" variable {self._key_name}, or name another with --key-env"
            )
        if status in (404, 405) or 300 <= status < 400:
            raise EngineError(
                f"{self.host} has no model {self.model!r} at {self.base} ({why});"
                " check the model's name and --endpoint"
            )
        if status == 429 and "insufficient_quota" in complaint:
            raise EngineError(f"the quota at {self.host} is used up ({why})")
        wait = self._line(error.response.headers.get("retry-after", ""))
        return f"{why}; the endpoint asks to wait {wait} s" if wait.isdecimal() else why

    def _connected(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._http = GuardedClient(
                self.base,
                key=self._key,
                pace=self.pace,
                concurrency=self.concurrency,
                seconds=self.timeout,
            )
            self._client = openai.AsyncOpenAI(
                api_key=self._key or "none",  # without one it would look into the environment
                base_url=self.base,
                timeout=self.timeout,
                max_retries=self.attempts - 1,
                http_client=self._http,
            )
        return self._client

    def _complaint(self, error: openai.APIStatusError) -> str:
        try:
            text = complaint_of(json.loads(error.response.content))
        except (ValueError, RecursionError):
            text = error.response.text
        return self._beginning(text)

    def _line(self, text: str) -> str:
        """One short line without the key and without codes that terminals obey."""
        text = " ".join(self._beginning(text).split())
        text = "".join(c if c.isprintable() else "\ufffd" for c in text)
        return text if len(text) <= 240 else text[:237] + "..."

    def _beginning(self, text: str) -> str:
        """A text without the key, up to a bound; half a key at the cut is left out, too."""
        kept = self._without_key(text[:LONGEST_COMPLAINT])
        return kept if len(text) <= LONGEST_COMPLAINT else kept[: -len(self._key or " ")]

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
