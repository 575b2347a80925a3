"""`mien synth`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mien.commands.progress import progress_bar
from mien.partfile import SinkError
from mien.synth.dataset import Made, ProduceError, SettingsError, SourceError, make_dataset
from mien.synth.dataset_settings import StoreFormat
from mien.synth.face_models import loader
from mien.synth.produce import ImageFormat, cores
from mien.synth.scene import Split
from mien.synth.summary import render_summary
from mien.terminal import Console


def run_synth(
    out: Path,
    *,
    count: int,
    seed: int,
    size: int,
    models: Sequence[str],
    ict: Path | None,
    format: StoreFormat,
    split: Split,
    image_format: ImageFormat,
    processes: int | None,
) -> int:
    """Runs the command and returns its exit code; see `mien synth --help` for the arguments."""
    errors = Console(stderr=True)
    in_hand = 0
    try:
        with progress_bar(errors) as progress:
            task = progress.add_task("faces", total=count)

            def each(done: int) -> None:
                nonlocal in_hand
                in_hand = done
                progress.update(task, completed=done)

            made = make_dataset(
                out,
                count=count,
                models=[loader(name, ict=ict) for name in dict.fromkeys(models)],
                seed=seed,
                split=split,
                size=size,
                format=format,
                image_format=image_format,
                processes=processes or cores(),
                each=each,
            )
    except (SourceError, SettingsError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    except (ProduceError, SinkError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        errors.print(
            f"interrupted at {in_hand:,} of {count:,} pictures; whole shards are kept in {out}, "
            "and the same command goes on from there",
            markup=False,
            soft_wrap=True,
        )
        return 130
    _show(made, out)
    return 0


def _show(made: Made, out: Path) -> None:
    console = Console()
    speed = f", {made.per_second:.1f} a second" if made.per_second else ""
    news = f"{made.pictures:,} made now{speed}" if made.pictures else "all were there already"
    console.print(
        f"{made.summary.pictures:,} pictures of {made.summary.people:,} people in {out} ({news})",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(render_summary(made.summary))
