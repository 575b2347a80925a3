"""`mien chat`: its options."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.commands.options import FaceFinder, Finder, Yes, model_options
from mien.model_options import ModelOptions


class ChatWords(StrEnum):
    """Who writes the answers."""

    auto = "auto"
    model = "model"
    numbers = "numbers"


@model_options
def chat(
    photo: Annotated[str, typer.Argument(help="A picture, or - for standard input.")],
    ask: Annotated[
        list[str] | None,
        typer.Option(help="Ask this and end; may be given several times, in order."),
    ] = None,
    face: Annotated[int, typer.Option(min=0, help="Number of the face; 0 is the largest.")] = 0,
    save: Annotated[
        Path | None, typer.Option(help="Write the talk to this JSONL file at the end.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="mien/nano, a folder, hf:REPO, openai:NAME, gemini:NAME, recorded:FILE."),
    ] = "mien/nano",
    yes: Yes = False,
    faces: Finder = FaceFinder.mediapipe,
    words: Annotated[
        ChatWords,
        typer.Option(help="Who writes: the model, or texts from its numbers. auto: by the model."),
    ] = ChatWords.auto,
    seed: Annotated[int, typer.Option(help="For the wording of texts made from numbers.")] = 0,
    *,
    options: ModelOptions,
) -> None:
    """Talk about a face: its expression, its action units, and what speaks for what.

    Questions come from --ask, from standard input (a line each), or from the keyboard. Answers go
    to standard output, everything else to standard error unless you sit at a terminal.

    Exit codes: 0 done, 1 the picture cannot be read, has no face, or a question had no answer,
    2 wrong usage, 130 interrupted.
    """
    from mien.commands.chat_loop import run_chat

    raise typer.Exit(
        run_chat(
            photo,
            ask=ask or [],
            face=face,
            save=save,
            model=model,
            options=options,
            yes=yes,
            faces=faces.value,
            words=words.value,
            seed=seed,
        )
    )
