"""`mien data`: datasets on the user's disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.commands.data_build import build
from mien.commands.data_export import export
from mien.commands.data_leaks import leaks
from mien.commands.data_review import review
from mien.commands.root import App
from mien.terminal import Console, say, shown

if TYPE_CHECKING:
    from mien.data.check_report import Report
    from mien.data.readers import Reader

data_app = App(
    help="Datasets on your disk: what mien reads, whether a copy is whole, what is made of it.",
    no_args_is_help=True,
)

# Commands that have a file of their own, a line each.
data_app.command("build")(build)
data_app.command("export")(export)
data_app.command("leaks")(leaks)
data_app.command("review")(review)


@data_app.command("list")
def list_datasets(
    name: Annotated[str | None, typer.Argument(help="One of them, to see all about it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the datasets that mien reads: labels, licence, how to get them, options."""
    from rich.table import Table

    from mien.data.readers import READERS

    if name is not None:
        _show_one(name, as_json)
        return
    if as_json:
        rows = [_facts(r) for r in READERS.values()]
        say(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "labels", "licence"):
        table.add_column(column, overflow="fold")
    for r in READERS.values():
        table.add_row(r.name, r.labels, r.licence)
    Console().print(table)
    say("`mien data list NAME` says how to get one, where to put it, and its options.")


def _facts(r: Reader) -> dict[str, Any]:
    return {
        **{k: getattr(r, k) for k in ("name", "title", "labels", "licence", "access")},
        **{k: getattr(r, k) for k in ("url", "page")},
        "splits": list(r.splits),
        "options": {name: list(values) for name, values in r.options.items()},
    }


def _show_one(name: str, as_json: bool) -> None:
    """Prints all that is known of one dataset."""
    from mien.data.readers import DataError, reader
    from mien.data.readers.pages import page_of

    try:
        r = reader(name)
    except DataError as error:
        say(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        facts = {**_facts(r), "text": page_of(r)}
        say(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    own = "those that the data name" if r.own_splits else "none"
    say(f"{r.name}: {r.title}\nlabels: {r.labels}")
    say(f"splits: {', '.join(r.splits) or own}")
    for option, values in r.options.items():
        say(f"option {option}: {', '.join(values) or 'any'}")
    say(f"\n{page_of(r).rstrip()}")


@data_app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A name of `mien data list`.")],
    folder: Annotated[Path, typer.Argument(help="Folder of the dataset, or its file.")],
    split: Annotated[str | None, typer.Option(help="Check this split only.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Option of the reader, as fold=2; repeatable.")
    ] = None,
    open_pictures: Annotated[
        bool, typer.Option("--open-pictures", help="Decode every picture, which takes long.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a dataset on disk with what is published, and find what is missing or broken.

    Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, 130 interrupted.
    """
    from mien.commands.progress import progress_bar
    from mien.data.check import check_dataset
    from mien.data.readers import AskError, DataError

    try:
        with progress_bar(Console(stderr=True)) as bar:
            task = bar.add_task("samples", total=None)
            report = check_dataset(
                name,
                folder,
                split=split,
                open_pictures=open_pictures,
                progress=lambda: bar.advance(task),
                **parse_options(option or []),
            )
    except DataError as error:
        if as_json:
            say(json.dumps({"name": name, "ok": False, "error": str(error)}))
        else:
            say(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, AskError) else 1) from None
    if as_json:
        say(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        _show(report)
    raise typer.Exit(0 if report.ok else 1)


def parse_options(pairs: list[str]) -> dict[str, str]:
    """Options of a reader from words like ``fold=2``.

    Raises:
        typer.BadParameter: if a word has no name or no value.
    """
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key or not value:
            raise typer.BadParameter(f"{pair!r} is not like fold=2", param_hint="--option")
        found[key] = value
    return found


def _show(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    console = Console()
    labels = {label for counts in report.splits.values() for label in counts.expressions}
    units = sorted({au for counts in report.splits.values() for au in counts.units})
    table = Table(title=f"{report.name} in {report.root}")
    table.add_column("")
    for split in report.splits:
        table.add_column(split, justify="right")
    rows = [("samples", [f"{c.samples:,}" for c in report.splits.values()])]
    rows += [
        (label, [f"{c.expressions[label]:,}" for c in report.splits.values()])
        for label in sorted(labels)
    ]
    rows += [
        (f"AU{au}", [_unit_cell(c.units.get(au)) for c in report.splits.values()]) for au in units
    ]
    for head, cells in rows:
        table.add_row(head, *cells)
    console.print(table)
    if units:
        console.print("Units: present / absent / unknown.")
    for line in report.remarks:
        console.print(Text(shown(f"  {line}")))
    for line in report.differences:
        console.print(Text(shown(f"! {line}"), style="yellow"))
    for name, found in report.findings.items():
        if found.count:
            console.print(Text(shown(f"! {found.count:,} {name}"), style="yellow"))
            for example in found.examples:
                console.print(Text(shown(f"    {example}")))
            if found.count > len(found.examples):
                console.print("    ...")
    for line in report.remedies:
        console.print(Text(shown(line)))
    if report.ok and report.compared:
        console.print("Nothing is wrong.")
    elif report.ok:
        console.print(
            "Nothing wrong was found. Whether it is all there cannot be said: no published counts"
            " are known."
        )


def _unit_cell(values: list[int] | None) -> str:
    return "" if values is None else " / ".join(f"{v:,}" for v in values)
