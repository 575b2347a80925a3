"""From a model's name to who answers for it."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.engines.base import EngineError
from mien.engines.request import Responder
from mien.model_options import USUAL, ModelOptions
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
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps", "xpu", or whatever
            else this build of torch computes on.

    Raises:
        EngineError: if the name is unknown, or nothing can be computed on the device.
    """
    import torch

    if device == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        with warnings.catch_warnings(action="ignore"):
            found = torch.device(device)
    except RuntimeError:
        raise EngineError(
            f"unknown device {device!r}; use auto, cpu, cuda, cuda:1, mps or xpu"
        ) from None
    try:
        torch.ones(1, device=found).item()
    except Exception:  # each kind of device that a build lacks raises one of its own
        raise EngineError(
            f"device {device!r} is not on this machine, or this torch cannot use it; use another,"
            " or auto; `mien doctor` lists devices"
        ) from None
    return found


def load_responder(
    model: str = PICTURES,
    *,
    answers: Answers = "guided",
    options: ModelOptions = USUAL,
    **changes: Any,
) -> Responder:
    """Loads who answers any prompt with a model.

    Args:
        model: one of `FORMS`.
        answers: how models of mien answer, see `LocalResponder`.
        options: how it is run.
        **changes: fields of `ModelOptions` instead, such as `device="cpu"`.

    Raises:
        EngineError: if there is no such model, or its files are damaged.
        TypeError: if a change is no field of `ModelOptions`.
    """
    options = replace(options, **changes)
    _check_quantize(model, options.quantize)
    kind, _, rest = model.partition(":")
    if kind in ("openai", "gemini") and rest:
        return _endpoint(model, options)
    if kind == "recorded" and rest:
        from mien.engines.recorded import RecordedResponder

        return RecordedResponder(rest, name=model)
    if kind == "hf" and rest:
        return _hugging_face(rest, model, options)
    folder = own_folder(model)
    if folder is None:
        return _hugging_face(model, model, options)
    from mien.engines.local_responder import LocalResponder

    return LocalResponder.from_folder(
        folder,
        name=model,
        device=resolve_device(options.device),
        answers=answers,
        batch_size=options.batch_size,
        quantize=options.quantize,
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


def _hugging_face(source: str, name: str, options: ModelOptions) -> Responder:
    from mien.engines.hugging_face import HuggingFaceResponder

    return HuggingFaceResponder.load(
        source,
        name=name,
        device=resolve_device(options.device),
        batch_size=options.batch_size,
        quantize=options.quantize,
    )


def _endpoint(model: str, options: ModelOptions) -> EndpointResponder:
    from mien.engines.endpoint_address import GEMINI, OPENAI, host_of, keeps_secrets

    try:
        from mien.engines.endpoint import EndpointResponder
    except ModuleNotFoundError as error:
        if error.name not in ("openai", "httpx2"):
            raise
        raise EngineError(f"{model} needs the openai package: pip install 'mien[openai]'") from None
    kind, name, base = _place(model, options.endpoint)
    variable = options.key_env or ("GEMINI_API_KEY" if kind == "gemini" else "OPENAI_API_KEY")
    key = os.environ.get(variable, "").strip() or None
    needed = options.key_env is not None or host_of(base) in (host_of(OPENAI), host_of(GEMINI))
    if key is None and needed:
        raise EngineError(f"{model} needs a key: put it into the environment variable {variable}")
    if options.key_env is None and not keeps_secrets(base):
        key = None
    return EndpointResponder(
        name,
        base,
        name=f"{kind}:{name}",
        key=key,
        key_name=variable,
        concurrency=options.concurrency,
        rpm=options.rpm,
        tpm=options.tpm,
        timeout=options.timeout,
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
        endpoint: see `ModelOptions`.

    Raises:
        EngineError: if the address is none.
    """
    from mien.engines.endpoint_address import host_of, is_local

    kind, _, rest = model.partition(":")
    if kind not in ("openai", "gemini") or not rest:
        return None
    *_, base = _place(model, endpoint)
    return Destination(host_of(base), is_local(base))
