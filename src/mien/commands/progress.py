"""The progress bar of all commands."""

from __future__ import annotations

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mien.terminal import Console, shown


class _Words(TextColumn):
    """The description, which may hold names of files."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(shown(task.description))


def progress_bar(console: Console) -> Progress:
    """A bar that goes away when done, and is not drawn where nobody looks."""
    return Progress(
        _Words(),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # what libraries print does not belong above the bar
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
