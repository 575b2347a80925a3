"""`mien data export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.terminal import say


def export(
    folder: Annotated[Path, typer.Argument(help="A folder that `mien data build` made.")],
    to: Annotated[
        str, typer.Option(help="llava, sharegpt, ms-swift, trl, vlmevalkit or openface-csv.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    source: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DIR, where pictures are now; by default where they were."),
    ] = None,
    copy_images: Annotated[
        bool,
        typer.Option(
            "--copy-images",
            help="Copy pictures and videos to images/ and videos/ beside the file.",
        ),
    ] = False,
) -> None:
    """Write a set of instruction data in the format of a trainer, benchmark or older tool.

    Rows whose pictures cannot be read are left out and counted.

    Exit codes: 0 done, 1 something cannot be read or written, 2 wrong usage.
    """
    from mien.data.build.settings import BuildError
    from mien.data.build.shards import Folder
    from mien.data.export.export_set import export as export_set
    from mien.partfile import SinkError

    lost: list[str] = []
    try:
        opened = Folder.open(folder)
        if not opened.complete:
            raise BuildError(f"{folder} is not finished; run the same `mien data build` again")
        roots = roots_of(source or [])
        count = export_set(opened, to, out, roots=roots, copy_images=copy_images, lost=lost.append)
    except BuildError as error:
        say(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except SinkError as error:
        say(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    say(f"{count:,} rows in {out}; the terms of {folder / 'NOTICE'} bind them too")
    if lost:
        say(
            f"warning: {len(lost):,} rows are left out, for {len(set(lost)):,} pictures or videos "
            f"that cannot be read; the first: {lost[0]}",
            err=True,
        )
        raise typer.Exit(1)


def roots_of(pairs: list[str]) -> dict[str, Path]:
    """Folders from words like ``rafdb=DIR``.

    Raises:
        typer.BadParameter: if a word is not of that form.
    """
    found = {}
    for pair in pairs:
        name, sign, folder = pair.partition("=")
        if not sign or not name or not folder:
            raise typer.BadParameter(f"{pair!r} is not like rafdb=DIR", param_hint="--source")
        found[name] = Path(folder).expanduser()
    return found
