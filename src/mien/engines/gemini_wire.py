"""Google's generateContent, over plain HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mien.engines.pictures import png_base64
from mien.engines.request import Request
from mien.engines.wire import (
    BadReplyError,
    Options,
    Said,
    WithheldError,
    check_base,
    complaint_of,
    is_count,
)

GEMINI = "https://generativelanguage.googleapis.com/v1beta"
SEED = 0
_KNOWN = {
    *("type", "format", "description", "nullable", "enum", "items", "properties", "required"),
    *("minItems", "maxItems", "minimum", "maximum", "anyOf", "propertyOrdering"),
}
"""Keywords of JSON schema that `responseSchema` takes; others make it refuse the request."""


class GeminiWire:
    """Speaks generateContent.

    Args:
        model: for example "gemini-2.5-flash", with or without "models/".
        base: address up to and with the version.
    """

    api = "generateContent"

    def __init__(self, model: str, base: str = GEMINI) -> None:
        self.model, self.base = model.removeprefix("models/"), check_base(base)
        self.options = Options()

    def url(self) -> str:
        """See `Wire`."""
        return f"{self.base}/models/{quote(self.model)}:generateContent"

    def headers(self, key: str | None) -> dict[str, str]:
        """See `Wire`; the key stays out of the address, which libraries log."""
        return {"x-goog-api-key": key} if key else {}

    def body(self, request: Request, options: Options) -> dict[str, Any]:
        """See `Wire`."""
        parts: list[dict[str, Any]] = [
            {"inline_data": {"mime_type": "image/png", "data": png_base64(image)}}
            for image in request.images
        ]
        asked = [question for question, _ in request.history] + [request.prompt]
        parts.append({"text": asked[0]})
        contents: list[dict[str, Any]] = [{"role": "user", "parts": parts}]
        for (_, answer), question in zip(request.history, asked[1:], strict=True):
            contents.append({"role": "model", "parts": [{"text": answer}]})
            contents.append({"role": "user", "parts": [{"text": question}]})
        config: dict[str, Any] = {"maxOutputTokens": request.max_tokens}
        if options.temperature:
            config["temperature"] = 0
        if options.seed:
            config["seed"] = SEED
        if request.schema is not None and options.schema != "none":
            config["responseMimeType"] = "application/json"
            if options.schema == "schema":
                config["responseSchema"] = response_schema(request.schema)
        body: dict[str, Any] = {
            "contents": contents,
            "generationConfig": config,
        }
        if request.system:
            body["system_instruction"] = {"parts": [{"text": request.system}]}
        return body

    def read(self, data: Any) -> Said:
        """See `Wire`."""
        if not isinstance(data, dict):
            raise BadReplyError("the answer is no JSON object")
        candidates = data.get("candidates")
        if not isinstance(candidates, list) or not candidates:
            feedback = data.get("promptFeedback")
            blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
            if blocked:
                raise WithheldError(f"the endpoint blocked the request ({blocked})")
            raise BadReplyError(complaint_of(data)[:200] or "the answer has no candidates")
        first = candidates[0] if isinstance(candidates[0], dict) else {}
        content = first.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        text = "".join(
            str(part.get("text") or "")
            for part in parts or ()
            if isinstance(part, dict) and not part.get("thought")
        )
        finish = first.get("finishReason")
        warnings: tuple[str, ...] = ()
        if finish == "MAX_TOKENS":
            warnings = ("the answer was cut at the limit of tokens",)
        elif finish not in (None, "STOP", "FINISH_REASON_UNSPECIFIED"):
            if not text:
                raise WithheldError(f"the endpoint withheld the answer ({finish})")
            warnings = (f"the endpoint cut the answer ({finish})",)
        elif content is None:
            raise BadReplyError("the answer has no content")
        return Said(text, _usage(data.get("usageMetadata")), warnings)


def response_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema in the part of the language that the API takes.

    Enumerations of numbers become plain numbers: the API takes words only.
    """
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key not in _KNOWN or (
            key == "enum" and not all(isinstance(item, str) for item in value)
        ):
            continue
        if key == "properties":
            value = {name: response_schema(inner) for name, inner in value.items()}
        elif key == "items":
            value = response_schema(value)
        elif key == "anyOf":
            value = [response_schema(inner) for inner in value]
        made[key] = value
    return made


def _usage(usage: Any) -> dict[str, int]:
    found = usage if isinstance(usage, dict) else {}
    names = {"prompt_tokens": "promptTokenCount", "completion_tokens": "candidatesTokenCount"}
    return {name: found[theirs] for name, theirs in names.items() if is_count(found.get(theirs))}
