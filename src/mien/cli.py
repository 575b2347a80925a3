"""The command line: a sub-command is one call, and heavy modules load inside it."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien._version import __version__
from mien.commands.bench import app as bench_app
from mien.commands.chat import chat
from mien.commands.data import data_app
from mien.commands.init import init
from mien.commands.merge import merge
from mien.commands.options import (
    FaceFinder,
    FaceModelName,
    Finder,
    Ict,
    People,
    Split,
    Yes,
    model_options,
)
from mien.commands.root import App, LongCommand, Root, interrupted_by_signals
from mien.commands.serve import serve
from mien.commands.synth_sequence import sequence
from mien.commands.train import train
from mien.model_options import ModelOptions
from mien.quiet import libraries_held_back
from mien.terminal import say

app = App(
    name="mien",
    cls=Root,
    help="Reads facial expressions and action units, and says why. All on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Format(StrEnum):
    """What `mien analyze` writes."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


class StoreFormat(StrEnum):
    """How `mien synth` stores pictures."""

    parquet = "parquet"
    folder = "folder"


class ImageFormat(StrEnum):
    """How pictures are encoded."""

    webp = "webp"
    png = "png"
    jpg = "jpg"


def _version(wanted: bool) -> None:
    if wanted:
        say(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Reads facial expressions and action units, and says why."""


@app.command()
@model_options
def analyze(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Pictures, videos, folders, 'globs*.png', or - for standard input."),
    ],
    format: Annotated[
        Format | None,
        typer.Option(help="What to write. Default: by the suffix of --out, else a table."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the rows. Default: standard output.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Folder for pictures and videos with boxes and labels.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML file for a report.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="mien/nano, a folder, hf:REPO, openai:NAME, gemini:NAME, recorded:FILE. "
            "[default: mien/nano, and mien/nano-video for videos where it is installed]"
        ),
    ] = None,
    yes: Yes = False,
    faces: Finder = FaceFinder.mediapipe,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Numbers only; leaves out the text, which is slow.")
    ] = False,
    fps: Annotated[
        float | None, typer.Option(help="Frames of a video to look at each second. [default: 5]")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Instead: so many, evenly over the video.")
    ] = None,
    every: Annotated[int | None, typer.Option(help="Instead: one of so many frames.")] = None,
    scenes: Annotated[
        bool, typer.Option("--scenes", help="Instead: the first frame behind each cut.")
    ] = False,
    start: Annotated[float, typer.Option(help="Begin so many seconds into a video.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="Stop so many seconds into it.")] = None,
    clip_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames of a person that a model for videos reads as one."),
    ] = None,
    around_apex: Annotated[
        bool, typer.Option("--around-apex", help="These in a row around the strongest expression.")
    ] = False,
    seed: Annotated[int, typer.Option(help="For models that draw by chance.")] = 0,
    *,
    options: ModelOptions,
) -> None:
    """Say which expression and action units the faces show, and why.

    Exit codes: 0 done, 1 nothing could be read or an output failed, 2 wrong usage, 130 interrupted.
    """
    from mien.engines.load import is_embedded
    from mien.quick_start import quick_start

    with quick_start(is_embedded(model) and options.quantize is None):
        from mien.commands.analyze import run_analyze
        from mien.engines.track_clips import ClipFrames

    if fps is None and frames is None and every is None and not scenes:
        fps = 5.0
    sampling = {"rate": fps, "count": frames, "every": every, "scene": scenes}

    raise typer.Exit(
        run_analyze(
            inputs,
            format=format.value if format else None,
            out=out,
            overlay=overlay,
            report=report,
            model=model,
            faces=faces.value,
            numbers=numbers,
            seed=seed,
            yes=yes,
            options=options,
            sampling={**sampling, "start": start, "end": end},
            clip_frames=ClipFrames(clip_frames, "apex" if around_apex else "track"),
        )
    )


synth_app = App(invoke_without_command=True)
app.add_typer(synth_app, name="synth")
app.add_typer(data_app, name="data")
app.add_typer(bench_app, name="bench")
app.command()(chat)
app.command(cls=LongCommand)(train)
app.command()(init)
app.command()(merge)
app.command(cls=LongCommand)(serve)
# Sub-commands of `mien synth`, a line each: synth_app.command("name")(function)
synth_app.command("sequence")(sequence)


@synth_app.callback()
def synth(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pictures; a run that was stopped goes on.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000_000, help="Number of pictures.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other faces.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side in pixels.")] = 256,
    model: Annotated[
        list[FaceModelName] | None,
        typer.Option(help="3D face model; give both and they take turns. [default: anny]"),
    ] = None,
    ict: Ict = None,
    format: Annotated[
        StoreFormat, typer.Option(help="Parquet files, or a folder of pictures with JSON lines.")
    ] = StoreFormat.parquet,
    split: People = Split.train,
    image_format: Annotated[
        ImageFormat, typer.Option(help="How pictures are encoded.")
    ] = ImageFormat.webp,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Default: one for each core.")
    ] = None,
) -> None:
    """Render faces whose action units and expressions are known exactly.

    Exit codes: 0 done, 1 rendering or an output failed, 2 wrong usage, 130 interrupted.
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise typer.BadParameter("give the folder for the pictures", param_hint="--out")
    with libraries_held_back(1, 2):
        from mien.commands.synth import run_synth

        raise typer.Exit(
            run_synth(
                out,
                count=count,
                seed=seed,
                size=size,
                models=[name.value for name in model or [FaceModelName.anny]],
                ict=ict,
                format=format.value,
                split=split.value,
                image_format=image_format.value,
                processes=processes,
            )
        )


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that are installed: size, licence, training data, figures."""
    from mien.commands.models import run_models

    run_models(as_json=as_json)


@app.command()
def doctor() -> None:
    """Check versions, devices and optional parts, and say what to install."""
    from mien.commands.doctor import run_doctor

    raise typer.Exit(run_doctor())


def main() -> None:
    """Entry point of the `mien` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names need not fit into a terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        Path.cwd()
    except OSError:  # libraries end the process there without a word
        say("error: the folder that this shell stands in is gone; change to another", err=True)
        sys.exit(2)
    interrupted_by_signals()
    try:
        app()
    except KeyboardInterrupt:
        say("interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
