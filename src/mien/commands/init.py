"""`mien init`: a start model, put together from models that others have trained."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.terminal import say


class Arch(StrEnum):
    """mien's architectures."""

    feallm = "feallm"
    emo_llama = "emo-llama"


class Dtype(StrEnum):
    """How weights are written."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def init(
    arch: Annotated[Arch, typer.Option(help="What to make.")],
    out: Annotated[Path, typer.Option(help="New folder for the model.")],
    base: Annotated[
        str | None,
        typer.Option(help="A LLaVA for feallm, an InstructBLIP for emo-llama: folder or Hub name."),
    ] = None,
    vision: Annotated[
        str | None, typer.Option(help="Instead, with --text: a vision encoder, such as a SigLIP2.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Instead, with --vision: a language model, such as a Qwen.")
    ] = None,
    keep_base: Annotated[
        bool,
        typer.Option("--keep-base", help="Begin with a LLaVA's own answers; A1 gets a residual."),
    ] = False,
    template: Annotated[
        str | None,
        typer.Option(help="vicuna, chatml or a Jinja file. Default: what suits the tokenizer."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="field=value of the configuration, as YAML; repeatable."),
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="How weights are written. Default: the language model's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the new modules.")] = 0,
) -> None:
    """Make a start model for `mien train`.

    Exit codes: 0 done, 1 it cannot be written, 2 the parts do not make a model.
    """
    code = run_init(
        arch.value,
        out,
        base=base,
        vision=vision,
        text=text,
        keep_base=keep_base,
        template=template,
        fields=set_ or [],
        dtype=dtype.value if dtype else None,
        seed=seed,
    )
    raise typer.Exit(code)


def run_init(
    arch: str,
    out: Path,
    *,
    base: str | None,
    vision: str | None,
    text: str | None,
    keep_base: bool,
    template: str | None,
    fields: list[str],
    dtype: str | None,
    seed: int,
) -> int:
    """Runs `mien init`; returns the exit code."""
    import torch

    from mien.models.parts import parameter_counts
    from mien.partfile import SinkError
    from mien.train.compose import ComposeError, compose
    from mien.train.folders import check_new, new_folder
    from mien.train.start_fields import read_settings

    try:
        check_new(out)
        start = compose(
            arch,  # type: ignore[arg-type]  # compose checks it
            base=base,
            vision=vision,
            text=text,
            keep_base=keep_base,
            template=template,
            fields=read_settings(arch, fields),
            seed=seed,
        )
    except (ComposeError, ValueError, OSError) as error:
        return _failed(error, 1 if isinstance(error, SinkError) else 2)
    if dtype is not None:
        start.model.to(getattr(torch, dtype))
    try:
        with new_folder(out) as folder:
            start.model.save_pretrained(folder)
            start.processor.save_pretrained(folder)
    except SinkError as error:
        return _failed(error, 1)
    parts = [name for name, _ in start.model.model.named_children()]
    for name, count in parameter_counts(start.model.model, parts).items():
        say(f"{name:28} {count / 1e6:10.1f} M parameters")
    for note in start.notes:
        say(note)
    say(str(out))
    return 0


def _failed(error: Exception, code: int) -> int:
    first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    say(f"error: {first}", err=True)
    return code
