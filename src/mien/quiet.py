"""Keeps libraries' greetings and warnings off the terminal, and nothing else.

Standard output is for data or what was asked for, and standard error for what mien has to say.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence

# Informational and warning lines of absl, TensorFlow Lite, LiteRT.
_CHATTER = re.compile(
    r"(INFO: |WARNING: (All log|Logging before|Attempting to use)|[IW]\d{4} [\d:. ]+\d+ \S+:\d+\])"
)
_ERROR = re.compile(r"([EF]\d{4} |.*\b(error|fatal|traceback)\b)", re.IGNORECASE)


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


@contextlib.contextmanager
def _held(number: int) -> Iterator[list[str]]:
    """What is written to a file descriptor inside; the lines are there when it ends."""
    lines: list[str] = []
    try:
        saved = os.dup(number)
    except OSError:  # closed: nothing to keep quiet
        yield lines
        return
    stream = sys.stdout if number == 1 else sys.stderr
    with tempfile.TemporaryFile() as held:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
        os.dup2(held.fileno(), number)
        try:
            yield lines
        finally:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
            os.dup2(saved, number)
            os.close(saved)
            held.seek(0)
            lines += held.read().decode(errors="replace").splitlines(keepends=True)
