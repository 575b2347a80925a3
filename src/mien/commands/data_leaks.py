"""`mien data leaks`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mien.commands.data_export import roots_of
from mien.terminal import say


def leaks(
    sets: Annotated[
        list[str],
        typer.Argument(help="Folders, sets of `mien data build`, or NAME=DIR@SPLIT; two or more."),
    ],
    bits: Annotated[
        int, typer.Option(min=0, max=20, help="Bits out of 64 that near pictures may differ in.")
    ] = 6,
    source: Annotated[
        list[str] | None, typer.Option(help="NAME=DIR, where pictures of built sets are now.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the whole report.")] = None,
) -> None:
    """Find pictures and people that two sets share, near-duplicates and mirrored ones included.

    Exit codes: 0 nothing is shared, 1 something is, or something cannot be read, 2 wrong usage.
    """
    from mien.commands.progress import progress_bar
    from mien.data.build.settings import BuildError
    from mien.data.leak_sets import entries_of
    from mien.data.leaks import find_leaks
    from mien.data.readers import AskError, DataError
    from mien.partfile import SinkError, write_whole
    from mien.terminal import Console

    if len(set(sets)) != len(sets) or len(sets) < 2:
        raise typer.BadParameter("give at least two different sets", param_hint="sets")
    roots = roots_of(source or [])
    try:
        with progress_bar(Console(stderr=True)) as bar:
            task = bar.add_task("pictures", total=None)
            found = find_leaks(
                {name: entries_of(name, roots) for name in sets},
                bits=bits,
                each=lambda: bar.advance(task),
            )
        if out is not None:
            text = json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n"
            write_whole(out, text.encode("utf-8", "backslashreplace"))
    except (AskError, BuildError) as error:
        say(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except (DataError, SinkError) as error:
        say(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    for name, count in found.pictures.items():
        broken, flat = len(found.unreadable[name]), found.flat[name]
        say(f"{name}: {count:,} pictures, {broken:,} unreadable, {flat:,} without contrast")
        for line in found.unreadable[name][:3]:
            say(f"  {line}")
    for one in found.comparisons:
        say(
            f"{one.names[0]} and {one.names[1]}: {len(one.pairs):,} pictures nearly the same, "
            f"{len(one.subjects):,} people in both"
        )
        for pair in one.pairs[:10]:
            mirrored = ", mirrored" if pair.mirrored else ""
            say(f"  {pair.first} = {pair.second} ({pair.difference} bits{mirrored})")
        for subject in one.subjects[:10]:
            say(f"  person {subject}")
    broken = any(found.unreadable.values())
    raise typer.Exit(0 if found.clean and not broken else 1)
