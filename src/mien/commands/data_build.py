"""`mien data build`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.commands.options import Yes, model_options
from mien.model_options import ModelOptions
from mien.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mien.data.build.build_set import Built
    from mien.data.build.plan import Change, LeftOut, Survey
    from mien.data.build.settings import BuildSettings
    from mien.data.build.sources import Source, Terms
    from mien.engines.request import Responder
    from mien.terminal import Console


class DataFormat(StrEnum):
    """Files of a set."""

    jsonl = "jsonl"
    parquet = "parquet"


class MissingFiles(StrEnum):
    """What happens to samples whose pictures are not there."""

    stop = "stop"
    leave_out = "leave-out"
    keep = "keep"


@model_options
def build(
    out: Annotated[Path, typer.Option(help="Folder for the set; a stopped run goes on.")],
    source: Annotated[
        list[str],
        typer.Option(
            help="NAME=DIR, a dataset of `mien data list`; ALIAS: before it, @SPLIT and "
            ",option=value behind it. Repeatable."
        ),
    ],
    split: Annotated[
        str, typer.Option(help="Split of the sources; 'all' takes every one.")
    ] = "train",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Divide people where a source names no splits.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=1, help="Which of the folds is the test split.")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Tasks, with commas. Default: all but 'expression'.")
    ] = None,
    per_sample: Annotated[
        int | None, typer.Option(min=1, help="Most tasks a sample gets. Default: all it carries.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Rows in the set, evenly drawn. Default: all.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DIR[@SPLIT]: leave out whom and what it shows too. Repeatable."),
    ] = None,
    missing: Annotated[
        MissingFiles,
        typer.Option(help="Samples without their picture: end, leave out, or do not look."),
    ] = MissingFiles.stop,
    seed: Annotated[int, typer.Option(help="Another seed gives other tasks and words.")] = 0,
    format: Annotated[DataFormat, typer.Option(help="JSON lines or Parquet.")] = DataFormat.jsonl,
    embed_images: Annotated[
        bool, typer.Option("--embed-images", help="Put the pictures into Parquet.")
    ] = False,
    pseudo: Annotated[
        Path | None,
        typer.Option(help="JSON lines of `mien analyze`: units for samples without any."),
    ] = None,
    check_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the templates' texts read back.")
    ] = 0.02,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Default: one for each core.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Model that writes descriptions, reasons and conversations."),
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="How often a refused text is retried.")] = 2,
    unknown_units: Annotated[
        bool, typer.Option("--unknown-units", help="A teacher may name units without a label.")
    ] = False,
    attributes: Annotated[
        bool, typer.Option("--attributes", help="A teacher may speak of age, gender, descent.")
    ] = False,
    similar: Annotated[
        float, typer.Option(help="From this overlap on, texts are near-duplicates; 2 is never.")
    ] = 0.9,
    yes: Yes = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Print what the teacher would cost, and stop.")
    ] = False,
    price_in: Annotated[float, typer.Option(help="Price of a million tokens sent.")] = 0.0,
    price_out: Annotated[float, typer.Option(help="Price of a million tokens received.")] = 0.0,
    budget: Annotated[
        float | None, typer.Option(help="Stop when the set has cost so much, over all runs.")
    ] = None,
    *,
    options: ModelOptions,
) -> None:
    """Make instruction data from labelled faces: label-true text, by templates or a teacher.

    Exit codes: 0 done, 1 something cannot be read, written or asked, 2 wrong usage, 3 the budget is
    spent, 130 interrupted.
    """
    from mien.data.build.budget import BudgetSpentError, Prices
    from mien.data.build.build_set import WorkerLostError, prepare
    from mien.data.build.exclude_overlap import label_of
    from mien.data.build.missing_media import AbsentError
    from mien.data.build.plan import nothing_shared
    from mien.data.build.settings import BuildError, BuildSettings
    from mien.data.build.tasks import DEFAULT_TASKS
    from mien.data.checks.rules import CheckRules
    from mien.data.readers import DataError
    from mien.engines.base import EngineError
    from mien.media import MediaError
    from mien.partfile import SinkError
    from mien.terminal import Console

    errors = Console(stderr=True)

    def say(text: object) -> None:
        errors.print(str(text), markup=False, highlight=False, soft_wrap=True)

    responder: Responder | None = None
    try:
        sources = _sources(source, folds, fold)
        if teacher is not None:
            from mien.engines.load import load_responder

            responder = load_responder(teacher, options=options)
        settings = BuildSettings(
            split=split,
            tasks=tuple(t.strip() for t in tasks.split(",")) if tasks else DEFAULT_TASKS,
            per_sample=per_sample,
            count=count,
            seed=seed,
            format=format.value,
            embed_images=embed_images,
            check_share=check_share,
            rules=CheckRules(unknown_units=unknown_units, attributes=attributes, similar=similar),
            teacher=_identity(responder),
            retries=retries,
            against=tuple(label_of(what) for what in against or ()),
        )
        change = _change(pseudo)
        terms = {s.name: s.terms() for s in sources}
        shared = _shared(against, sources, split, errors) if against else nothing_shared
        with errors.busy("labels are read"):
            settings, found = prepare(
                sources, settings, change, missing=missing.value, shared=shared
            )
        prices = Prices(price_in, price_out)
        if estimate:
            _show_estimate(sources, settings, found, change, prices)
            raise typer.Exit(0)
        built = _run(
            sources,
            settings,
            found,
            out,
            terms=terms,
            change=change,
            responder=responder,
            prices=prices,
            budget=budget,
            yes=yes,
            processes=processes,
            errors=errors,
        )
    except BudgetSpentError as error:
        say(f"stopped: {error}")
        raise typer.Exit(3) from None
    except BuildError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None
    except (AbsentError, DataError, EngineError, MediaError, SinkError, WorkerLostError) as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say(f"interrupted; whole files are kept in {out}, and the same command goes on from there")
        raise typer.Exit(130) from None
    finally:
        if responder is not None:
            responder.close()
    _show(built, out)
    if not built.rows:
        say(f"error: no row was kept; {out / 'report.html'} says why each text was set aside")
        raise typer.Exit(1)


def _sources(texts: list[str], folds: int | None, fold: int | None) -> list[Source]:
    from mien.data.build.people import with_folds
    from mien.data.build.settings import BuildError
    from mien.data.build.sources import parse_sources

    sources = parse_sources(texts)
    if folds is None and fold is None:
        return sources
    if folds is None or fold is None:
        raise BuildError("--folds and --fold go together: --folds 5 --fold 1")
    return with_folds(sources, folds, fold)


def _shared(against: list[str], sources: list[Source], split: str, errors: Console) -> LeftOut:
    from mien.commands.progress import progress_bar
    from mien.data.build.exclude_overlap import find_shared

    with progress_bar(errors) as progress:
        task = progress.add_task("pictures compared", total=None)
        found = find_shared(against, sources, split, each=lambda: progress.advance(task))
    if found.unreadable:
        errors.print(
            f"{len(found.unreadable):,} pictures cannot be read and were not compared, the first: "
            f"{found.unreadable[0]}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return found.why


def _identity(responder: Responder | None) -> dict[str, str]:
    if responder is None:
        return {}
    from mien.data.build.prompts import fingerprint

    return {**responder.identity(), "prompts": fingerprint()}


def _change(pseudo: Path | None) -> Change:
    from mien.data.build.plan import unchanged
    from mien.data.build.pseudo import pseudo_labels

    return unchanged if pseudo is None else pseudo_labels(pseudo)


def _run(
    sources: Sequence[Source],
    settings: BuildSettings,
    found: Survey,
    out: Path,
    *,
    terms: dict[str, Terms],
    change: Change,
    responder: Responder | None,
    prices: object,
    budget: float | None,
    yes: bool,
    processes: int | None,
    errors: Console,
) -> Built:
    from mien.commands.progress import progress_bar
    from mien.data.build.build_set import build as build_set
    from mien.synth.produce import cores

    with progress_bar(errors) as progress:
        task = progress.add_task("rows", total=settings.count or found.rows)

        def each(rows: int) -> None:
            progress.update(task, completed=rows)

        if responder is None:
            return build_set(
                sources,
                settings,
                found,
                out,
                terms=terms,
                change=change,
                processes=processes or cores(),
                each=each,
            )
        from mien.commands.consent import confirmed
        from mien.data.build.budget import Budget, Prices
        from mien.data.build.permission import check_upload
        from mien.data.build.teacher import Teacher
        from mien.data.build.teacher_replies import REPLIES, Replies

        for line in check_upload(responder, terms, allowed=yes, ask=confirmed):
            errors.print(line, markup=False, highlight=False, soft_wrap=True)
        assert isinstance(prices, Prices)
        spending = Budget(prices, budget)
        asked = progress.add_task("teacher's texts", total=None)

        @contextmanager
        def writer() -> Iterator[Teacher]:
            with Replies(out / REPLIES) as replies:
                spending.settle(0.0, replies.prompt_tokens, replies.completion_tokens)
                yield Teacher(
                    responder,
                    replies,
                    settings,
                    {source.name: source.folder for source in sources},
                    budget=spending,
                    said=lambda: progress.advance(asked),
                )

        return build_set(
            sources, settings, found, out, terms=terms, change=change, writer=writer, each=each
        )


def _show_estimate(
    sources: Sequence[Source],
    settings: BuildSettings,
    found: Survey,
    change: Change,
    prices: object,
) -> None:
    from mien.data.build.budget import PICTURE_TOKENS, Prices
    from mien.data.build.budget import estimate as estimate_items
    from mien.data.build.plan import items, thin

    assert isinstance(prices, Prices)
    cost = estimate_items(thin(items(sources, settings, found, change), found.rows, settings))
    for task, number in sorted(cost.requests.items()):
        say(f"{task}: {number:,} requests")
    say(
        f"{cost.requests.total():,} requests, about {cost.sent:,.0f} tokens sent "
        f"({PICTURE_TOKENS} for each picture) and {cost.received:,.0f} received"
    )
    if prices.input or prices.output:
        say(f"about {prices.of(cost.sent, cost.received):,.2f}, without retries")
    else:
        say("give --price-in and --price-out, per million tokens, for a price")


def _show(built: Built, out: Path) -> None:
    from mien.data.build.splits import in_order, published_split

    checks = built.report.checks
    aside = sum(checks["set_aside"].values())
    say(
        f"{built.rows:,} rows about {built.report.samples:,} faces or clips in {out} "
        f"({built.made} files made now, {aside:,} texts set aside)"
    )
    for source, counts in built.report.left_out.items():
        for why, number in counts.items():
            say(f"  {number:,} sample{'s'[: number > 1]} of {source} left out: {why}")
    for rule, number in checks["refused"].items():
        say(f"  {rule}: {number:,} texts refused, {checks['set_aside'].get(rule, 0):,} for good")
    splits = in_order(map(published_split, built.report.splits))
    if len(splits) > 1:
        sets = " ".join(f"{out}@{split}" for split in splits)
        say(f"pictures were compared by their paths alone; by sight: mien data leaks {sets}")
    say(f"read {out / 'report.html'}, and {out / 'NOTICE'} before you pass it on")
