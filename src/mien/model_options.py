"""How a model is run: what every command and every way to load a model has in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How a model is run, wherever it is.

    Attributes:
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps", "xpu"; for models on
            this machine.
        batch_size: faces or questions at a time, for models on this machine.
        quantize: "8bit" or "4bit" for language models on this machine; needs bitsandbytes.
        endpoint: address of an OpenAI-compatible endpoint; by default `$MIEN_ENDPOINT`, else
            `$OPENAI_BASE_URL`, else OpenAI's own.
        key_env: environment variable that holds the key; `OPENAI_API_KEY` or `GEMINI_API_KEY` by
            default.
        concurrency: requests under way at an endpoint at a time.
        rpm, tpm: most requests and tokens a minute at an endpoint; None is no limit.
        timeout: seconds until a try at an endpoint is given up.
    """

    device: str = "auto"
    batch_size: int = 16
    quantize: str | None = None
    endpoint: str | None = None
    key_env: str | None = None
    concurrency: int = 8
    rpm: float | None = None
    tpm: float | None = None
    timeout: float = 120.0


USUAL = ModelOptions()
"""Of a model whose options are not given."""
