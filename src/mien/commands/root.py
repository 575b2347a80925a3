"""What holds for every command: untrusted words, readers that go away, and the end by a signal."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mien.partfile import sink_error
from mien.quiet import libraries_held_back
from mien.terminal import say, shown, to_nowhere

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


class Root(TyperGroup):
    """The `mien` command."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        """As typer's; an error names its option harmlessly."""
        with _guarded():
            return super().make_context(*args, **more)

    def invoke(self, *args: Any) -> Any:
        """As typer's, with an end that is right for pipes."""
        with _guarded():
            return super().invoke(*args)


class App(typer.Typer):
    """As typer's; while one of its commands runs, libraries are held back."""

    def command(self, *args: Any, **options: Any) -> Any:
        """As typer's."""
        return super().command(*args, **{"cls": Command, **options})


class Command(TyperCommand):
    """A command during which nobody but mien writes to the terminal."""

    held_back: tuple[int, ...] = (1, 2)

    def invoke(self, *args: Any) -> Any:
        """As typer's."""
        with libraries_held_back(*self.held_back):
            return super().invoke(*args)


class LongCommand(Command):
    """A command that runs for hours: what native code says before a crash is not held back."""

    held_back = (1,)


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader had enough (`| head`)
        with contextlib.suppress(OSError, ValueError):
            to_nowhere(sys.stdout)
        raise typer.Exit(0) from None
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer's help
            raise typer.Exit(0) from None
        raise
    except OSError as error:
        if error.filename is not None or error.errno not in _DISK:
            raise
        with contextlib.suppress(OSError, ValueError):
            to_nowhere(sys.stdout)
        say(f"error: {sink_error('standard output', error)}", err=True)
        raise typer.Exit(1) from None
    except Exception as error:
        # Errors of usage, whatever typer calls them today, hold the user's words in this field.
        if isinstance(message := getattr(error, "message", None), str):
            error.message = shown(message, lines=True)  # type: ignore[attr-defined]
        raise


def interrupted_by_signals() -> None:
    """Lets SIGTERM (schedulers, containers) and SIGHUP (lost terminals) end as Ctrl-C does.

    What was finished is then kept, as everywhere behind `except KeyboardInterrupt`. Processes that
    are forked from this one die of these signals as usual: their parent ends them so.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    taken = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        taken.append(signal.SIGHUP)
    # `nohup` and the like set them to be ignored; that stays.
    taken = [number for number in taken if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)

    def usual() -> None:
        for number in taken:
            if signal.getsignal(number) is interrupt:
                signal.signal(number, signal.SIG_DFL)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=usual)
