"""Chat completions: OpenAI's API, which vLLM, SGLang, Ollama, llama.cpp and others speak too."""

from __future__ import annotations

from typing import Any

from mien.engines.pictures import png_base64
from mien.engines.request import Request
from mien.engines.wire import (
    BadReplyError,
    Options,
    Said,
    WithheldError,
    check_base,
    complaint_of,
    host_of,
    is_count,
)

OPENAI = "https://api.openai.com/v1"
SEED = 0


class OpenAIWire:
    """Speaks chat completions.

    Args:
        model: the endpoint's name of the model.
        base: address up to and with `/v1`.
    """

    api = "chat completions"

    def __init__(self, model: str, base: str = OPENAI) -> None:
        self.model, self.base = model, check_base(base)
        # OpenAI's own newer models refuse the old name; other servers may not know the new one.
        newer = host_of(self.base) == host_of(OPENAI)
        self.options = Options(token_field="max_completion_tokens" if newer else "max_tokens")

    def url(self) -> str:
        """See `Wire`."""
        return f"{self.base}/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        """See `Wire`."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, options: Options) -> dict[str, Any]:
        """See `Wire`."""
        content: list[dict[str, Any]] = [
            {
                "type": "image_url",
                "image_url": {"url": f"data:image/png;base64,{png_base64(image)}"},
            }
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
            "model": self.model,
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

    def read(self, data: Any) -> Said:
        """See `Wire`."""
        choices = data.get("choices") if isinstance(data, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise BadReplyError(complaint_of(data)[:200] or "the answer has no choices")
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
    return {name: found[name] for name in names if is_count(found.get(name))}
