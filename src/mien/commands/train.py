"""`mien train`: recipes, what they would do, and the run itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.terminal import Formatter, say

if TYPE_CHECKING:
    from mien.train.fit_stage import Feed


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="YAML file, or feallm-7b, feallm-qwen, emo-llama-7b, nano."),
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="field=value, such as data.train.0.rows=DIR; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run. [default: the recipe's, or runs/NAME]")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what an earlier run left there first.")
    ] = False,
    change: Annotated[
        bool,
        typer.Option(
            "--change", help="Go on although recipe, rows or processes have changed since."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Load and read everything, say what would be done, stop."),
    ] = False,
) -> None:
    """Train a model by a recipe; a run that was stopped goes on with the same command.

    Exit codes: 0 done, 1 training or an output failed, 2 wrong usage, 130 interrupted.
    """
    if fresh and change:
        say("error: --fresh begins again and --change goes on; give one of them", err=True)
        raise typer.Exit(2)
    raise typer.Exit(
        run_train(
            recipe, overrides=set_ or [], out=out, fresh=fresh, change=change, dry_run=dry_run
        )
    )


def run_train(
    source: str,
    *,
    overrides: list[str],
    out: Path | None,
    fresh: bool = False,
    change: bool = False,
    dry_run: bool = False,
) -> int:
    """Runs `mien train`; returns the exit code."""
    import logging
    import warnings

    from mien.train.fields import RecipeError
    from mien.train.recipe import load_recipe

    try:
        recipe = load_recipe(source, overrides)
    except RecipeError as error:
        return _failed(error, 2)
    folder = out or recipe.out or Path("runs") / recipe.name
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])

    warnings.simplefilter("ignore")

    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    from mien.partfile import SinkError
    from mien.train.checkpoints import CheckpointError
    from mien.train.interrupts import Interrupted, TrainingError
    from mien.train.processes import finish, is_main
    from mien.train.rows import RowsError
    from mien.train.run import prepare, stage_data
    from mien.train.run import train as train_recipe
    from mien.train.run_summary import overview

    if is_main():
        logging.getLogger("mien").setLevel(logging.INFO)
    disable_progress_bar()
    set_verbosity_error()
    try:
        if dry_run:
            read = []  # most stages learn from the same rows
            for number, stage in enumerate(recipe.stages):
                ready = prepare(recipe, number, recipe.start, fill=False)
                lines = [*overview(recipe, number, ready)]
                if is_main():
                    data = stage_data(recipe, stage)
                    if data not in read and (told := [*_rehearsed(ready.feed)]):
                        lines += told
                        read.append(data)
                    say("\n".join(lines))
            return 0
        result = train_recipe(recipe, out=folder, resume=not fresh, change=change)
    except (RecipeError, RowsError) as error:
        return _failed(error, 2)
    except (TrainingError, CheckpointError, SinkError, ImportError) as error:
        return _failed(error, 1)
    except Interrupted as error:
        if is_main():
            say(f"{error}; to go on: {_command(source, overrides, out)}", err=True)
        return 130
    if is_main():
        say(str(result))
    finish()
    return 0


def _rehearsed(feed: Feed) -> Iterator[str]:
    """Reads all rows of a stage, and says what they hold."""
    from mien.commands.progress import progress_bar
    from mien.terminal import Console
    from mien.train.collate import Collator
    from mien.train.dry_run import rehearse
    from mien.train.items import TrainItems

    if not isinstance(feed.train, TrainItems) or not isinstance(feed.collator, Collator):
        return
    with progress_bar(Console(stderr=True)) as progress:
        rows = progress.add_task("rows", total=sum(len(one.rows) for one in feed.train.sources))
        found = rehearse(feed.train, feed.collator, each=lambda: progress.advance(rows))
    dropped = f"; {found.dropped:,} are longer and dropped" if found.dropped else ""
    yield f"  all {found.rows:,} rows read: the longest has {found.longest} tokens{dropped}"


def _failed(error: Exception, code: int) -> int:
    from mien.train.processes import is_main, rank

    who = "" if is_main() else f"process {rank()}: "
    say(f"{who}error: {error}", err=True)
    return code


def _command(source: str, overrides: list[str], out: Path | None) -> str:
    """What goes on with a run; many processes need their launcher again."""
    from mien.train.processes import processes

    if processes() > 1:
        return f"start it as before, with {processes()} processes"
    words = ["mien", "train", source]
    for override in overrides:
        words += ["--set", override]
    if out is not None:
        words += ["--out", str(out)]
    return shlex.join(words)
