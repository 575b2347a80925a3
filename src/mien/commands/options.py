"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
Endpoint = Annotated[
    str | None, typer.Option(help="Address for openai:NAME, such as http://localhost:11434/v1.")
]
KeyEnv = Annotated[
    str | None, typer.Option(help="Environment variable that holds the endpoint's key.")
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Faces may be sent to the model's host, if it is another.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Ict = Annotated[
    Path | None, typer.Option(help="Checkout or packed .npz of ICT-FaceKit; or $MIEN_ICT.")
]
People = Annotated[
    Split, typer.Option(help="'test' shows people and combinations that 'train' never has.")
]
