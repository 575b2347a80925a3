"""Keeps the start-up chatter of native libraries off the terminal, and nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Informational and warning lines of absl, TensorFlow Lite and LiteRT. Errors look different.
_CHATTER = re.compile(
    r"(INFO: |WARNING: (All log|Logging before|Attempting to use)|[IW]\d{4} [\d:. ]+\d+ \S+:\d+\])"
)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what native code writes to file descriptor 2, then passes on all but the chatter.

    Affects the whole process, so it belongs around short start-up calls only.
    """
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed: nothing to keep quiet
        yield
        return
    with tempfile.TemporaryFile() as held:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines(keepends=True)
            rest = "".join(line for line in lines if not _CHATTER.match(line))
            if rest.strip():
                os.write(2, rest.encode())
