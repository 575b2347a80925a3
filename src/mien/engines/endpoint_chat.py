"""Requests and replies as chat completions, and what endpoints differ in.

OpenAI's API, which vLLM, SGLang, Ollama, llama.cpp, Gemini and others speak too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mien.engines.endpoint_address import OPENAI, host_of
from mien.engines.pictures import png_base64
from mien.engines.request import Request

SEED = 0


class BadReplyError(ValueError):
    """An endpoint's answer that cannot be read; asking again may help."""


class WithheldError(ValueError):
    """An answer that the endpoint withholds, as its safety filter does; asking again is no use."""


@dataclass(frozen=True, slots=True)
class Options:
    """What endpoints and models disagree about; weakened where one is refused.

    Attributes:
        schema: how a request's JSON schema is sent: whole, as "some JSON object", or not at all.
        token_field: name of the limit of tokens.
        temperature, seed: whether they are sent.
    """

    schema: Literal["schema", "object", "none"] = "schema"
    token_field: str = "max_tokens"
    temperature: bool = True
    seed: bool = True

    def weaker(self, complaint: str, *, has_schema: bool) -> Options | None:
        """What to try where an endpoint refuses a request; None where nothing is left.

        Args:
            complaint: the endpoint's words.
            has_schema: whether the request has a schema.
        """
        named = re.search(r"max_(?:completion_)?tokens", complaint)
        if named and re.search(r"unsupported|not supported|unrecogni|instead|unknown", complaint):
            other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
            return replace(self, token_field=other[self.token_field])
        if self.temperature and re.search(r"\btemperature\b", complaint):
            return replace(self, temperature=False)
        if self.seed and re.search(r"\bseed\b", complaint):
            return replace(self, seed=False)
        if not has_schema or self.schema == "none":
            return None
        return replace(self, schema="object" if self.schema == "schema" else "none")


@dataclass(frozen=True, slots=True)
class Said:
    """What stands in an endpoint's answer.

    Attributes:
        text: the words, perhaps empty.
        usage: tokens by "prompt_tokens" and "completion_tokens", where they are counted.
        warnings: such as an end cut off.
    """

    text: str
    usage: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def first_options(base: str) -> Options:
    """What is tried first at an address."""
    # OpenAI's own newer models refuse the old name; other servers may not know the new one.
    newer = host_of(base) == host_of(OPENAI)
    return Options(token_field="max_completion_tokens" if newer else "max_tokens")


def body_of(model: str, request: Request, options: Options) -> dict[str, Any]:
    """The JSON of a request.

    Raises:
        ValueError: if a picture has no form that can be sent.
    """
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png_base64(image)}"}}
        for image in request.images
    ]
    asked = [question for question, _ in request.history] + [request.prompt]
    content.append({"type": "text", "text": asked[0]})
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    for (_, answer), question in zip(request.history, asked[1:], strict=True):
        messages.append({"role": "assistant", "content": answer})
        messages.append({"role": "user", "content": question})
    if request.system:
        messages.insert(0, {"role": "system", "content": request.system})
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        options.token_field: request.max_tokens,
    }
    if options.temperature:
        body["temperature"] = 0
    if options.seed:
        body["seed"] = SEED
    if request.schema is not None and options.schema == "schema":
        schema = {"name": "answer", "strict": True, "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif request.schema is not None and options.schema == "object":
        body["response_format"] = {"type": "json_object"}
    return body


def read(answer: bytes, content_type: str) -> Said:
    """What an endpoint answered.

    Args:
        answer: the body of its response.
        content_type: what the endpoint calls it, for the error.

    Raises:
        BadReplyError: if there is no answer in it.
        WithheldError: if the endpoint withholds it.
    """
    try:
        data = json.loads(answer)
    except (ValueError, RecursionError):
        kind = content_type.split(";")[0] or "no content type"
        raise BadReplyError(f"the answer is no JSON ({kind})") from None
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BadReplyError(complaint_of(data) or "the answer has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise BadReplyError("the answer has no message")
    text = _text(message.get("content")) or str(message.get("refusal") or "")
    finish = choices[0].get("finish_reason")
    warnings: tuple[str, ...] = ()
    if finish == "content_filter":
        if not text:
            raise WithheldError("the endpoint's content filter withheld the answer")
        warnings = ("the endpoint's content filter cut the answer",)
    elif finish == "length":
        warnings = ("the answer was cut at the limit of tokens",)
    return Said(text, _usage(data.get("usage")), warnings)


def complaint_of(data: Any) -> str:
    """The words of an error in an endpoint's JSON, or an empty text."""
    if isinstance(data, list) and data:  # Gemini wraps its error into a list
        data = data[0]
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        parts = [error.get(name) for name in ("message", "detail", "param", "code", "status")]
        return " ".join(str(part) for part in parts if part)
    return str(error) if error else ""


def _text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    raise BadReplyError(f"the message's content is {type(content).__name__}, not text")


def _usage(usage: Any) -> dict[str, int]:
    names = ("prompt_tokens", "completion_tokens")
    found = usage if isinstance(usage, dict) else {}
    return {name: found[name] for name in names if _is_count(found.get(name))}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53
