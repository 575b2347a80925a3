"""Model folders that appear whole or not at all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.partfile import SinkError, sink_error

_FULL = ("No space left", "StorageFull", "code: 28", "code: 122")


def check_new(out: Path) -> None:
    """Refuses a place that holds something already.

    Raises:
        SinkError: if it is a file, or a folder with something in it.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SinkError(f"cannot write {out}: there is something already; give a new folder")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside its target, renamed to it when the block ends well.

    Args:
        out: a folder that does not exist yet, or is empty.

    Raises:
        SinkError: if `out` holds something already, or cannot be written.
    """
    from safetensors import SafetensorError

    check_new(out)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if out.is_dir():
            out.rmdir()
        part.replace(out)
    except (OSError, SafetensorError) as error:
        if isinstance(error, SinkError):
            raise
        if any(sign in str(error) for sign in _FULL):
            error = OSError(errno.ENOSPC, str(error))
        if isinstance(error, SafetensorError):
            raise SinkError(f"cannot write {out}: {error}") from error
        raise sink_error(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
