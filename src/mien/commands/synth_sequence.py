"""`mien synth sequence`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from mien.commands.options import FaceModelName, Ict, People, Split


def sequence(
    out: Annotated[Path, typer.Option(help="Folder for the clips; a run that stopped goes on.")],
    count: Annotated[
        int, typer.Option(min=1, max=100_000_000, help="Clips that there are to be.")
    ] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds give other clips.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side in pixels, even.")] = 256,
    model: Annotated[FaceModelName, typer.Option(help="Face model.")] = FaceModelName.anny,
    ict: Ict = None,
    fps: Annotated[float, typer.Option(min=5, max=120, help="Frames a second.")] = 25,
    seconds: Annotated[float, typer.Option(help="Length of each clip.")] = 3,
    split: People = Split.train,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Clips made at a time. Default: one a core.")
    ] = None,
) -> None:
    """Render short clips of faces whose expression comes and goes, labelled frame by frame.

    Exit codes: 0 done, 1 an output failed or nothing can be rendered, 2 wrong usage, 130
    interrupted (the same command goes on).
    """
    raise typer.Exit(
        run_sequence(
            out,
            count=count,
            seed=seed,
            size=size,
            model=model.value,
            ict=ict,
            fps=fps,
            seconds=seconds,
            split=split.value,
            processes=processes,
        )
    )


def run_sequence(
    out: Path,
    *,
    count: int,
    seed: int,
    size: int,
    model: str,
    ict: Path | None,
    fps: float,
    seconds: float,
    split: str,
    processes: int | None,
) -> int:
    """Runs the command and returns its exit code; see `mien synth sequence --help`."""
    from mien.commands.progress import progress_bar
    from mien.partfile import SinkError
    from mien.synth.clip_files import ClipFolder, codec
    from mien.synth.dataset_settings import SettingsError
    from mien.synth.face_models import SourceError, load, loader
    from mien.synth.produce import cores
    from mien.synth.renderer import RenderError
    from mien.synth.sequence import ClipSettings, SequenceError, make_clips, recorded
    from mien.synth.sequence_sheet import write_sheet
    from mien.terminal import Console

    errors = Console(stderr=True)
    folder = ClipFolder(out)
    try:
        settings = ClipSettings(
            seed=seed,
            split=split,  # type: ignore[arg-type]
            size=size,
            fps=fps,
            seconds=seconds,
            codec=codec(),
        )
        load_model = loader(model, ict=ict)
        folder.prepare(recorded(settings, load(load_model)))
    except (SourceError, SettingsError, ValueError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    except SinkError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 1
    if settings.codec != "libx264":
        errors.print(f"H.264 (libx264) is missing; the clips are {settings.codec}", markup=False)
    before = len([number for number in folder.done() if number < count])
    made = 0
    try:
        clips = make_clips(
            folder, load_model, settings, count=count, processes=processes or cores()
        )
        with progress_bar(errors) as progress, closing(clips):
            task = progress.add_task("clips", total=count, completed=before)
            for _ in clips:
                made += 1
                progress.advance(task)
        write_sheet(folder)
    except (SinkError, SequenceError, RenderError, SourceError, ImportError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        errors.print(
            f"interrupted; {before + made} of {count} clips are done, and the same command goes on",
            markup=False,
        )
        return 130
    kept = f", {before} were there" if before else ""
    Console().print(f"{made} clips made{kept}: {out}", markup=False, soft_wrap=True)
    return 0
