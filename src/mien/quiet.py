"""Keeps libraries' greetings and warnings off the terminal, and nothing else.

Standard output is for data or what was asked for, and standard error for what mien has to say. A
command runs inside `libraries_held_back`; `quiet_stderr` and `quiet_library` are for mien as a
library, around calls that are known to talk.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import TextIO

# Informational and warning lines of absl, TensorFlow Lite, LiteRT.
_CHATTER = re.compile(
    r"(INFO: |WARNING: (All log|Logging before|Attempting to use)|[IW]\d{4} [\d:. ]+\d+ \S+:\d+\])"
)
_ERROR = re.compile(r"([EF]\d{4} |.*\b(error|fatal|traceback)\b)", re.IGNORECASE)
# What no warning looks like: absl's errors, and exceptions of threads.
_TROUBLE = re.compile(r"^([EF]\d{4} |Traceback \(most recent call last\))")

_MOST = 100_000  # bytes of what was held that are kept, the last ones

_own: dict[int, TextIO] = {}


def own(number: int) -> TextIO | None:
    """The stream for what mien itself says: standard output (1) or standard error (2).

    None where it was closed when the program began.
    """
    return _own.get(number) or _pythons(number)


@contextlib.contextmanager
def libraries_held_back(*numbers: int) -> Iterator[None]:
    """Holds back, while a command runs, all that does not go to the streams of `own`.

    An error that nobody foresaw brings what was held to standard error, and so does an error of a
    thread in it; a crash of native code says where it was. Streams that are not the process's own,
    as in tests and notebooks, are left alone. With `MIEN_NOISE=1` everything comes through.

    Args:
        numbers: file descriptors, 1 and 2.
    """
    if _own or os.environ.get("MIEN_NOISE", "0") != "0":
        yield
        return
    unforeseen = False
    held: list[list[str]] = []
    try:
        with contextlib.ExitStack() as stack:
            for number in numbers:
                if _of_process(number):
                    stack.enter_context(_own_stream(number))
                    held.append(stack.enter_context(_held(number)))
            if 2 in _own and not faulthandler.is_enabled():
                faulthandler.enable(_own[2])
                stack.callback(faulthandler.disable)
            try:
                yield
            except Exception as error:
                # What typer handles has an exit code; what goes wrong with files is said.
                unforeseen = not (hasattr(error, "exit_code") or isinstance(error, OSError))
                raise
    finally:
        lines = [line for one in held for line in one]
        if unforeseen or any(map(_TROUBLE.match, lines)):
            _pass_on(lines)


@contextlib.contextmanager
def at_the_terminal(*numbers: int) -> Iterator[None]:
    """Gives the process its own streams back, for functions that ask the user something.

    Args:
        numbers: file descriptors, 1 and 2.
    """
    with contextlib.ExitStack() as stack:
        for number in numbers:
            if number in _own:
                _own[number].flush()
                stack.enter_context(_directed(number, _own[number].fileno()))
        yield


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what native code writes to file descriptor 2, then passes on all but the chatter.

    Affects the whole process, so it belongs around short start-up calls only.
    """
    with _held(2) as lines:
        yield
    _pass_on([line for line in lines if not _CHATTER.match(line)])


@contextlib.contextmanager
def quiet_library() -> Iterator[None]:
    """Holds back all that a library prints; errors pass, and everything where it fails.

    Affects the whole process, so it belongs around short calls only.
    """
    out: list[str] = []
    lines: list[str] = []
    try:
        with _held(1) as out, _held(2) as lines:
            yield
    except BaseException:
        _pass_on([*out, *lines])
        raise
    _pass_on([line for line in lines if _ERROR.match(line)])


def _pass_on(lines: Sequence[str]) -> None:
    rest = "".join(lines)
    if rest.strip():
        os.write(2, rest.encode())


def _pythons(number: int) -> TextIO:
    return sys.stdout if number == 1 else sys.stderr


def _of_process(number: int) -> bool:
    """Whether Python writes to this file descriptor, and it is open."""
    try:
        return _pythons(number).fileno() == number
    except (AttributeError, OSError, ValueError):
        return False


@contextlib.contextmanager
def _own_stream(number: int) -> Iterator[None]:
    stream = _pythons(number)
    stream.flush()
    buffering = 1 if getattr(stream, "line_buffering", False) else -1
    with open(  # noqa: PTH123 - a descriptor, no path
        os.dup(number), "w", buffering, encoding=stream.encoding, errors=stream.errors
    ) as _own[number]:
        try:
            yield
        finally:
            del _own[number]


@contextlib.contextmanager
def _held(number: int) -> Iterator[list[str]]:
    """What is written to a file descriptor inside; the last lines are there when it ends."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as held:
        try:
            with _directed(number, held.fileno()):
                yield lines
        finally:
            held.seek(max(0, held.seek(0, os.SEEK_END) - _MOST))
            lines += held.read().decode(errors="replace").splitlines(keepends=True)


@contextlib.contextmanager
def _directed(number: int, target: int) -> Iterator[None]:
    """Sends what is written to one file descriptor to another."""
    try:
        saved = os.dup(number)
    except OSError:  # closed: nothing can be written
        yield
        return
    _flush(number)
    os.dup2(target, number)
    try:
        yield
    finally:
        _flush(number)
        os.dup2(saved, number)
        os.close(saved)


def _flush(number: int) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        _pythons(number).flush()
