"""`mien data review`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from mien.commands.data_export import roots_of
from mien.terminal import say


def review(
    paths: Annotated[
        list[Path],
        typer.Argument(help="A folder of `mien data build`; with --agreement, files of marks."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write. Default: review.html in the folder.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Rows to read.")] = 100,
    seed: Annotated[int, typer.Option(help="Raters to be compared take the same one.")] = 0,
    source: Annotated[
        list[str] | None, typer.Option(help="NAME=DIR, where the pictures are now.")
    ] = None,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Say how well two raters or more agree.")
    ] = False,
) -> None:
    """Write a page to read some rows on and mark them; or compare the marks of several raters.

    Exit codes: 0 done, 1 something cannot be written, 2 wrong usage.
    """
    from mien.data.build.settings import BuildError
    from mien.data.build.shards import Folder
    from mien.data.review.review_form import review_page
    from mien.partfile import SinkError, write_whole

    try:
        if agreement:
            _agreement(paths)
            return
        if len(paths) != 1:
            raise BuildError("give one folder of `mien data build`, or --agreement with files")
        page = review_page(
            Folder.open(paths[0]), count=count, seed=seed, roots=roots_of(source or [])
        )
        target = out or paths[0] / "review.html"
        write_whole(target, page.encode())
    except BuildError as error:
        say(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except SinkError as error:
        say(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    say(f"open {target} in a browser; its pictures are under the terms of their datasets")


def _agreement(paths: list[Path]) -> None:
    from mien.data.review.reviewer_agreement import MARKS
    from mien.data.review.reviewer_agreement import agreement as agree

    found = agree(paths)
    for name, marks in zip(found.raters, found.marks, strict=True):
        given = ", ".join(f"{mark} {marks[mark]}" for mark in MARKS if marks[mark])
        say(f"{name}: {marks.total()} marks ({given})")
    share = 100 * found.same / found.shared
    say(f"{found.shared} rows marked by two or more; all agree on {share:.1f} %")
    if found.kappa is not None:
        say(f"Cohen's kappa {_figure(found.kappa)}")
    say(f"Krippendorff's alpha {_figure(found.alpha)}")
    for name, marks_of_row in found.differing.items():
        say(f"  {name}: {' / '.join(mark or '-' for mark in marks_of_row)}")


def _figure(value: float) -> str:
    return "undefined: all marks are the same" if math.isnan(value) else f"{value:.3f}"
