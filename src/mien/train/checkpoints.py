"""Checkpoints of a stage: which can be read, which to go on from, which to remove."""

from __future__ import annotations

import errno
import logging
import re
import shutil
from pathlib import Path
from typing import Any

from mien.train.folders import says_full
from mien.train.manifest import STATE, damage, seal, size_of
from mien.untrusted import read_json

log = logging.getLogger(__name__)

PART = ".part"
"""Folder in which a checkpoint is written, to be renamed when it is whole."""
_NAME = re.compile(r"checkpoint-(\d+)")
_SPARE = 1 << 26  # of a disk that has room, so much is free at any time


class CheckpointError(OSError):
    """A checkpoint cannot be written; the message names it and the remedy."""


def checkpoints(out: Path) -> list[Path]:
    """Folders of checkpoints, the oldest first."""
    if not out.is_dir():
        return []
    found = [p for p in out.iterdir() if p.is_dir() and _NAME.fullmatch(p.name)]
    return sorted(found, key=lambda p: int(p.name.partition("-")[2]))


def last_checkpoint(out: Path) -> Path | None:
    """The newest checkpoint that is whole; damaged ones are named and passed over."""
    for folder in reversed(checkpoints(out)):
        why = damage(folder)
        if why is None:
            return folder
        log.warning("%s is passed over: %s", folder, why)
    return None


def read_state(folder: Path) -> dict[str, Any]:
    """What the Trainer knew at a checkpoint."""
    state: dict[str, Any] = read_json(folder / STATE)
    return state


def settle(part: Path, final: Path) -> None:
    """Renames a checkpoint that is complete to its name, once it is on the disk."""
    seal(part)
    if final.exists():
        shutil.rmtree(final)
    part.replace(final)
    shutil.rmtree(part.parent, ignore_errors=True)


def rotate(out: Path, *, keep: int, best: str | None) -> None:
    """Removes old checkpoints.

    Args:
        out: folder of the stage.
        keep: so many of the newest stay.
        best: folder of the best, which stays too.
    """
    for folder in checkpoints(out)[:-keep]:
        if best is None or folder.name != Path(best).name:
            shutil.rmtree(folder, ignore_errors=True)


def write_error(final: Path, error: BaseException, *, free: int, written: int) -> CheckpointError:
    """A failure to write a checkpoint, in words that say what to do.

    PyTorch's own writers do not say why they failed. So the disk also counts as full where what was
    free, with what had been written, holds no checkpoint of the size of the last.

    Args:
        final: where the checkpoint was to be.
        error: the failure.
        free: bytes that were free on its disk.
        written: bytes of the part that was there by then.
    """
    last = last_checkpoint(final.parent)
    kept = f"{last.name}, the last good one, stays" if last else "there is no earlier one"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    number = getattr(error, "errno", None)
    full = says_full(error)
    if not full and number is None:
        rest = size_of(last) - written if last else 0
        full = free < max(rest, _SPARE)
    why = "the disk is full; free some space" if full else f"{text}; mend that"
    made = CheckpointError(
        f"cannot write {final}: {why} and run the same command to go on ({kept})"
    )
    made.errno = errno.ENOSPC if full else number
    return made


def free_space(folder: Path) -> int:
    """Bytes that may still be written to the disk of a folder."""
    return shutil.disk_usage(folder).free
