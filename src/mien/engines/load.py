"""From a model's name to who answers for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mien.engines.base import EngineError
from mien.engines.request import Responder
from mien.untrusted import TextError, read_json_object

if TYPE_CHECKING:
    import torch

    from mien.engines.endpoint import EndpointResponder
    from mien.engines.local_responder import Answers

PICTURES, CLIPS = "mien/nano", "mien/nano-video"
"""Who looks at pictures, and who at clips where it is installed, if no model is named."""

EMBEDDED: dict[str, str] = {PICTURES: "nano", CLIPS: "nano_video"}
"""Models inside the package: name to folder under `mien/weights`."""

OWN_TYPES = ("feallm", "emo_llama")
"""`model_type` of mien's own models in their config.json."""

BASELINES = ("py-feat", "deepface", "fer")
"""Toolkits that are no models of `--model`, but baselines of benchmarks/."""

FORMS = """\
  mien/nano              the embedded model
  mien/nano-video        the embedded model for videos
  FOLDER                 a model of mien, or any Hugging Face model for pictures and text
  hf:REPO_OR_FOLDER      any Hugging Face model for pictures and text, on this machine
  openai:MODEL           any OpenAI-compatible endpoint, with --endpoint URL
  openai:MODEL@URL       the same, with its address
  gemini:MODEL           Google's Gemini
  recorded:FILE.jsonl    answers that were given before"""


def resolve_device(device: str = "auto") -> torch.device:
    """The device of that name.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        EngineError: if the name is unknown or the device is not on this machine.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise EngineError(
            f"unknown device {device!r}; use auto, cpu, cuda, cuda:1 or mps"
        ) from None
    missing = (found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count()) or (
        found.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise EngineError(f"device {device!r} is not on this machine; `mien doctor` lists devices")
    return found


def load_responder(
    model: str = "mien/nano",
    *,
    device: str = "auto",
    batch_size: int = 16,
    endpoint: str | None = None,
    key_env: str | None = None,
    concurrency: int = 8,
    rpm: float | None = None,
    tpm: float | None = None,
    timeout: float = 120.0,
    answers: Answers = "guided",
    quantize: str | None = None,
) -> Responder:
    """Loads who answers any prompt with a model.

    Args:
        model: one of `FORMS`.
        device: see `resolve_device`; for models on this machine.
        batch_size: requests at a time, for models on this machine.
        endpoint: address of an OpenAI-compatible endpoint; by default `$MIEN_ENDPOINT`, else
            `$OPENAI_BASE_URL`, else OpenAI's own.
        key_env: environment variable that holds the key; `OPENAI_API_KEY` or `GEMINI_API_KEY` by
            default.
        concurrency: requests under way at an endpoint at a time.
        rpm, tpm: limits of requests and tokens per minute at an endpoint.
        timeout: seconds until a try at an endpoint is given up.
        answers: how models of mien answer, see `LocalResponder`.
        quantize: "8bit" or "4bit" for language models on this machine.

    Raises:
        EngineError: if there is no such model, or its files are damaged.
    """
    _check_quantize(model, quantize)
    kind, _, rest = model.partition(":")
    if kind in ("openai", "gemini") and rest:
        return _endpoint(
            model,
            endpoint=endpoint,
            key_env=key_env,
            concurrency=concurrency,
            rpm=rpm,
            tpm=tpm,
            timeout=timeout,
        )
    if kind == "recorded" and rest:
        from mien.engines.recorded import RecordedResponder

        return RecordedResponder(rest, name=model)
    if kind == "hf" and rest:
        return _hugging_face(rest, model, device, batch_size, quantize)
    folder = own_folder(model)
    if folder is None:
        return _hugging_face(model, model, device, batch_size, quantize)
    from mien.engines.local_responder import LocalResponder

    return LocalResponder.from_folder(
        folder,
        name=model,
        device=resolve_device(device),
        answers=answers,
        batch_size=batch_size,
        quantize=quantize,
    )


def own_folder(model: str) -> Path | None:
    """Folder of a model of mien; None where the name is one of another kind.

    Raises:
        EngineError: if the name has none of the known forms, or an embedded model is damaged.
    """
    from mien.weights import WeightsError, installed, verify

    if model in EMBEDDED:
        try:
            if model == CLIPS and not installed(EMBEDDED[CLIPS]):
                raise EngineError(
                    f"{CLIPS} is not part of this installation of mien; use {PICTURES}, or install"
                    " a version of mien that has it"
                )
            return verify(EMBEDDED[model])
        except WeightsError as error:
            raise EngineError(str(error)) from error
    kind, _, rest = model.partition(":")
    if rest and kind in ("openai", "gemini", "recorded", "hf"):
        return None
    config = Path(model) / "config.json"
    if not config.is_file() and (Path(model) / "adapter_config.json").is_file():
        raise EngineError(
            f"{model} holds adapters, not a model; fold them in: mien merge {model} --out FOLDER"
        )
    if not config.is_file() and model in BASELINES:
        raise EngineError(
            f"{model} is a baseline, not a model of --model; in a checkout of mien's repository:"
            f" python benchmarks/classical_baselines.py {model} SUITE"
        )
    if not config.is_file():
        raise EngineError(f"unknown model {model!r}: no folder with a config.json. Known:\n{FORMS}")
    try:
        found = read_json_object(config)
    except OSError as error:
        raise EngineError(f"{config}: cannot be read ({error.strerror}); copy it again") from error
    except TextError as error:
        raise EngineError(str(error)) from error
    own = found.get("model_type") in OWN_TYPES
    return Path(model) if own else None


def is_embedded(model: str | None) -> bool:
    """Whether a name, or none, stands for a model inside the package."""
    return model is None or model in EMBEDDED


def default_clip_model() -> str | None:
    """Name of the embedded model that reads clips; None where this installation has none.

    Raises:
        EngineError: if it is there, but damaged.
    """
    from mien.weights import WeightsError, installed

    try:
        if not installed(EMBEDDED[CLIPS]):
            return None
    except WeightsError as error:
        raise EngineError(str(error)) from error
    own_folder(CLIPS)
    return CLIPS


def check_model(model: str) -> None:
    """Whether a name has one of the known forms; loads nothing.

    Raises:
        EngineError: if it has none of them, or an embedded model is damaged.
    """
    own_folder(model)


def _check_quantize(model: str, quantize: str | None) -> None:
    if quantize and model.partition(":")[0] in ("openai", "gemini", "recorded"):
        raise EngineError(
            f"--quantize is for language models on this machine, and {model} is none; leave it out"
        )


def _hugging_face(
    source: str, name: str, device: str, batch_size: int, quantize: str | None
) -> Responder:
    from mien.engines.hugging_face import HuggingFaceResponder

    return HuggingFaceResponder.load(
        source,
        name=name,
        device=resolve_device(device),
        batch_size=batch_size,
        quantize=quantize,
    )


def _endpoint(
    model: str,
    *,
    endpoint: str | None,
    key_env: str | None,
    concurrency: int,
    rpm: float | None,
    tpm: float | None,
    timeout: float,
) -> EndpointResponder:
    from mien.engines.endpoint_address import GEMINI, OPENAI, host_of, keeps_secrets

    try:
        from mien.engines.endpoint import EndpointResponder
    except ModuleNotFoundError as error:
        if error.name not in ("openai", "httpx2"):
            raise
        raise EngineError(f"{model} needs the openai package: pip install 'mien[openai]'") from None
    kind, name, base = _place(model, endpoint)
    variable = key_env or ("GEMINI_API_KEY" if kind == "gemini" else "OPENAI_API_KEY")
    key = os.environ.get(variable, "").strip() or None
    needed = key_env is not None or host_of(base) in (host_of(OPENAI), host_of(GEMINI))
    if key is None and needed:
        raise EngineError(f"{model} needs a key: put it into the environment variable {variable}")
    if key_env is None and not keeps_secrets(base):
        key = None
    return EndpointResponder(
        name,
        base,
        name=f"{kind}:{name}",
        key=key,
        key_name=variable,
        concurrency=concurrency,
        rpm=rpm,
        tpm=tpm,
        timeout=timeout,
    )


def _place(model: str, endpoint: str | None) -> tuple[str, str, str]:
    """The kind of an endpoint, its name of the model, and its address."""
    from mien.engines.endpoint_address import OPENAI, check_base, gemini_base

    kind, _, rest = model.partition(":")
    if kind == "gemini":
        return kind, rest.removeprefix("models/"), check_base(gemini_base(endpoint))
    name, at, address = rest.partition("@http")
    own = (endpoint, os.environ.get("MIEN_ENDPOINT"), os.environ.get("OPENAI_BASE_URL"))
    chosen = next((place.strip() for place in own if place and place.strip()), OPENAI)
    return kind, name, check_base(f"http{address}" if at else chosen)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the pictures that a model is asked about are sent.

    Attributes:
        host: its name and, where it is given, its port.
        local: whether it is this machine.
    """

    host: str
    local: bool


def destination(model: str, endpoint: str | None = None) -> Destination | None:
    """Where pictures are sent; None for a model that runs within this process.

    Args:
        model: one of `FORMS`.
        endpoint: see `load_responder`.

    Raises:
        EngineError: if the address is none.
    """
    from mien.engines.endpoint_address import host_of, is_local

    kind, _, rest = model.partition(":")
    if kind not in ("openai", "gemini") or not rest:
        return None
    *_, base = _place(model, endpoint)
    return Destination(host_of(base), is_local(base))
