"""Before anything goes to another machine: its host is said, and the user has to agree."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import typer

from mien.engines import EngineError, ModelOptions
from mien.engines.load import destination
from mien.quiet import at_the_terminal, own
from mien.terminal import Console, shown


def agree_to_send(
    models: Iterable[str | None],
    options: ModelOptions,
    *,
    yes: bool,
    errors: Console,
    what: str = "faces",
) -> None:
    """Says which hosts the models run on, and asks once where one is another machine.

    Args:
        models: as given to `--model`; None is the embedded one.
        options: how they are run.
        yes: the user agreed on the command line.
        errors: the console that everything but data goes to.
        what: what is sent.

    Raises:
        EngineError: if the user does not agree, or cannot be asked.
    """
    places = [destination(model, options.endpoint) for model in models if model is not None]
    found = dict.fromkeys(place for place in places if place is not None)
    for place in found:
        where = " (this machine)" if place.local else ""
        errors.print(
            f"{what} are sent to {place.host}{where}", markup=False, highlight=False, soft_wrap=True
        )
    remote = [place.host for place in found if not place.local]
    if not remote or yes:
        return
    if not confirmed(f"Send {what} to {', '.join(remote)}?"):
        raise EngineError(
            f"{what} would leave this machine for {', '.join(remote)}; add --yes to allow it, or"
            " use a model on this machine"
        )


def confirmed(question: str) -> bool:
    """Whether somebody at a terminal says yes; False where there is no terminal."""
    errors = own(2)
    if not (sys.stdin.isatty() and errors is not None and errors.isatty()):
        return False
    with at_the_terminal(2):
        return typer.confirm(shown(question), default=False, err=True)
