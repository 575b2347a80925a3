"""Model folders that appear whole or not at all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.partfile import SinkError, sink_error
from mien.train.manifest import size_of

_SIGNS = ("No space left", "StorageFull", "code: 28", "code: 122")


def says_full(error: BaseException) -> bool:
    """Whether an error, also one of safetensors, says that the disk or the quota is full."""
    known = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return known or any(sign in str(error) for sign in _SIGNS)


def check_new(out: Path) -> None:
    """Refuses a place that holds something already.

    Raises:
        SinkError: if it is a file, or a folder with something in it.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SinkError(f"cannot write {out}: there is something already; give a new folder")


@contextmanager
def new_folder(out: Path, *, needs: int = 0, hint: str = "") -> Iterator[Path]:
    """A folder beside its target, renamed to it when the block ends well.

    Args:
        out: a folder that does not exist yet, or is empty.
        needs: bytes that will be written at least; an error of a full disk says what is missing.
        hint: what else that error says.

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
        if says_full(error):
            made = _full(out, part, needs, hint)
        elif isinstance(error, SafetensorError):
            made = SinkError(f"cannot write {out}: {error}")
        else:
            made = sink_error(out, error)
        raise made from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _full(out: Path, part: Path, needs: int, hint: str) -> SinkError:
    """What to say of a full disk, before the part that was written is removed."""
    room = shutil.disk_usage(part.parent).free + size_of(part)
    missing = f"; at least {(needs - room) / 1e6:.1f} MB more are needed" if needs > room else ""
    made = SinkError(
        f"cannot write {out}: the disk is full{missing}; "
        f"{hint or 'free some space or write elsewhere'}"
    )
    made.errno = errno.ENOSPC
    return made
