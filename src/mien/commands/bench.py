"""`mien bench`: run a suite, score answers again, compare two runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mien.commands.options import Yes, model_options
from mien.commands.root import App
from mien.model_options import ModelOptions


class Answers(StrEnum):
    """How a model of mien writes."""

    guided = "guided"
    free = "free"


class Scoring(StrEnum):
    """What an expression is read from."""

    text = "text"
    likelihood = "likelihood"


class BenchGroup(TyperGroup):
    """Takes `mien bench SUITE ...` for `mien bench run SUITE ...`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = App(
    cls=BenchGroup,
    no_args_is_help=True,
    help="Measure models on suites of faces. `mien bench SUITE --model M` is short for run.",
)

Out = Annotated[Path, typer.Option(help="Folder for answers, scores and reports.")]
Samples = Annotated[int, typer.Option(min=10, help="Draws of the bootstrap intervals.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the draws.")]
Data = Annotated[Path | None, typer.Option(help="The dataset on your disk.")]
Pictures = Annotated[
    bool,
    typer.Option(
        "--pictures", help="Show faces of licensed datasets in the report. Do not pass it on then."
    ),
]


@app.command()
@model_options
def run(
    suite: Annotated[str, typer.Argument(help="A suite (`mien bench list`), or your .toml file.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="As in `mien analyze --model`; give several to compare them."),
    ] = None,
    data: Data = None,
    out: Out = Path("bench"),
    limit: Annotated[
        int | None, typer.Option(min=1, help="Ask about so many faces, the same for every model.")
    ] = None,
    answers: Annotated[
        Answers, typer.Option(help="How mien's own models write: after their numbers, or freely.")
    ] = Answers.guided,
    scoring: Annotated[
        Scoring, typer.Option(help="'likelihood' scores the expressions as options; local models.")
    ] = Scoring.text,
    yes: Yes = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew; old answers are renamed.")
    ] = False,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Do not ask again what failed before.")
    ] = False,
    samples: Samples = 1000,
    seed: Seed = 0,
    pictures: Pictures = False,
    judge: Annotated[
        str | None, typer.Option(help="Model that grades descriptions and reasons, as an extra.")
    ] = None,
    *,
    options: ModelOptions,
) -> None:
    """Ask models the questions of a suite, score the answers and write a report.

    Every answer is on disk as soon as it is there; the same command goes on where it was stopped.
    Exit codes: 0 all answered, 1 some failed or nothing, 2 wrong usage, 130 interrupted.
    """
    from mien.commands.bench_run import Asked, run_bench

    asked = Asked(
        suite=suite,
        models=tuple(model or ("mien/nano",)),
        data=data,
        out=out,
        limit=limit,
        answers="guided" if answers is Answers.guided else "free",
        scoring=scoring.value,
        how=options,
        yes=yes,
        restart=restart,
        keep_failed=keep_failed,
        samples=samples,
        seed=seed,
        pictures=pictures,
        judge=judge,
    )
    raise typer.Exit(run_bench(asked))


@app.command("list")
def list_() -> None:
    """List the suites."""
    from mien.commands.bench_show import run_list

    raise typer.Exit(run_list())


@app.command()
def show(
    suite: Annotated[str, typer.Argument(help="A suite, or your .toml file.")],
) -> None:
    """Show what a suite asks, word by word, with its hashes."""
    from mien.commands.bench_show import run_show

    raise typer.Exit(run_show(suite))


@app.command()
def rescore(
    folder: Annotated[Path, typer.Argument(help="Folder of one model, or of a suite.")],
    data: Data = None,
    samples: Samples = 1000,
    seed: Seed = 0,
    pictures: Pictures = False,
) -> None:
    """Read and score recorded answers again, without a model, and write the report anew."""
    from mien.commands.bench_run import run_rescore

    raise typer.Exit(run_rescore(folder, data=data, samples=samples, seed=seed, pictures=pictures))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Folder of one run, or a model in --out.")],
    second: Annotated[str, typer.Argument(help="The other one.")],
    suite: Annotated[str | None, typer.Option(help="Suite, where models are named.")] = None,
    out: Out = Path("bench"),
    samples: Samples = 1000,
    seed: Seed = 0,
) -> None:
    """Differences of two models on the same faces, with their intervals."""
    from mien.commands.bench_show import run_compare

    raise typer.Exit(run_compare(first, second, suite=suite, out=out, samples=samples, seed=seed))
