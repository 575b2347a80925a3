"""Options that several commands have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.model_options import ModelOptions


class FaceFinder(StrEnum):
    """Who finds the faces."""

    mediapipe = "mediapipe"
    whole = "whole"


class FaceModelName(StrEnum):
    """3D face models that `mien synth` renders."""

    anny = "anny"
    ict = "ict"


class Split(StrEnum):
    """Populations of rendered faces that share no people, skins, lights and combinations."""

    train = "train"
    test = "test"


Finder = Annotated[FaceFinder, typer.Option(help="'whole' takes each picture as one face crop.")]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "--allow-upload", help="Faces may be sent to the model's host, if it is another."
    ),
]
Ict = Annotated[
    Path | None, typer.Option(help="Checkout or packed .npz of ICT-FaceKit; or $MIEN_ICT.")
]
People = Annotated[
    Split, typer.Option(help="'test' shows people and combinations that 'train' never has.")
]


class Quantize(StrEnum):
    """How large language models are made smaller."""

    eight = "8bit"
    four = "4bit"


def _how(kind: Any, help: str, **limits: Any) -> Any:
    return Annotated[
        kind, typer.Option(help=help, rich_help_panel="How the model is run", **limits)
    ]


_HOW: dict[str, Any] = {
    "device": _how(str, "auto, cpu, cuda, cuda:1, mps or xpu."),
    "batch_size": _how(int, "Faces or questions answered at a time.", min=1),
    "quantize": _how(
        Quantize | None, "Load the language model in 8 or 4 bits; needs bitsandbytes."
    ),
    "endpoint": _how(str | None, "Address for openai:NAME, such as http://localhost:11434/v1."),
    "key_env": _how(str | None, "Environment variable that holds the endpoint's key."),
    "concurrency": _how(int, "Requests under way at an endpoint at a time.", min=1),
    "rpm": _how(float | None, "Most requests a minute at an endpoint."),
    "tpm": _how(float | None, "Most tokens a minute at an endpoint."),
    "timeout": _how(float, "Seconds until a try at an endpoint is given up."),
}


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `ModelOptions`, and hands them over as its `options`.

    Typer reads options from a function's signature, so the signature of what is returned has one
    parameter for each field instead.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [one for name, one in signature.parameters.items() if name != "options"]
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=_HOW[field.name],
        )
        for field in fields(ModelOptions)
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        how = {field.name: given.pop(field.name) for field in fields(ModelOptions)}
        if how["quantize"] is not None:
            how["quantize"] = how["quantize"].value
        command(**given, options=ModelOptions(**how))

    everything = [*own, *shared]
    run.__signature__ = signature.replace(parameters=everything)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in everything}
    return run
