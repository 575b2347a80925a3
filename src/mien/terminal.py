"""What every command says on a terminal, with texts from outside made harmless.

File names, cells of tables and words of servers may hold escape codes, control characters and marks
of direction, which rewrite a terminal or make one name look like another. `shown` writes them out;
`say` and `Console`, through which all commands speak, use it on everything.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, TextIO

import rich.console
from rich.console import ConsoleDimensions, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from mien.quiet import own

_JOINERS = "\u200c\u200d"  # emoji and Persian names need them; they move nothing

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(text: object, *, lines: bool = False) -> str:
    r"""The text with everything that is not plainly visible written out, such as `\u001b`.

    The escapes are those of JSON, so that JSON stays JSON.

    Args:
        text: anything from outside; other objects are turned into text.
        lines: leave line ends as they are.
    """
    words = str(text)
    if words.isprintable():
        return words
    kept = _JOINERS + ("\n" if lines else "")
    return "".join(c if _harmless(c) or c in kept else _escape(c) for c in words)


def _harmless(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i]:02x}{data[i + 1]:02x}" for i in range(0, len(data), 2))


def say(text: object = "", *, err: bool = False) -> None:
    """Prints lines on standard output, or on standard error.

    Raises:
        BrokenPipeError: if the reader of standard output went away.
    """
    stream = own(2 if err else 1)
    if stream is None:  # closed when the program began
        return
    try:
        print(shown(text, lines=True), file=stream, flush=True)
    except BrokenPipeError:
        if not err:
            raise
        to_nowhere(stream)


def to_nowhere(stream: TextIO) -> None:
    """Sends what is still written to a stream whose reader went away into the void.

    Without this Python complains when it flushes the stream at its end.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Console(rich.console.Console):
    """Rich's console, on which nothing from outside comes out raw or is read as markup."""

    def __init__(self, **options: Any) -> None:
        file = own(2 if options.get("stderr") else 1)
        super().__init__(**{"markup": False, "emoji": False, "file": file, **options})

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        """As rich's, which asks only the descriptors that libraries' noise is kept from."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            columns, rows = os.get_terminal_size(self.file.fileno())
            if columns and rows and not {"COLUMNS", "LINES"} & os.environ.keys():
                return ConsoleDimensions(columns, rows)
        return super().size

    def busy(self, text: str) -> Live:
        """Shows, while a block lasts, that something is being done.

        Unlike rich's `status` it leaves what others print alone.
        """
        spinner = Spinner("dots", shown(text), style="status.spinner")
        return Live(
            spinner, console=self, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """As rich's, of the text as it is shown; tables then know its width."""
        return super().render_str(shown(text, lines=True), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich's; ready-made pieces are made harmless here."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(shown(segment.text, lines=True), segment.style)

    def on_broken_pipe(self) -> None:
        """Goes on silently without standard error; without a reader of the output, it raises."""
        self.quiet = True
        if not self.stderr:
            raise BrokenPipeError
        to_nowhere(sys.stderr)


class Formatter(logging.Formatter):
    """Lines of a log, which name files, too."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record), lines=True)
