"""Checkpoints of a stage: which can be read, which to go on from, which to remove."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

STATE = "trainer_state.json"
PART = ".part"
"""Folder in which a checkpoint is written, to be renamed when it is whole."""
_NAME = re.compile(r"checkpoint-(\d+)")


class CheckpointError(OSError):
    """A checkpoint cannot be written; the message names it and the remedy."""


def checkpoints(out: Path) -> list[Path]:
    """Folders of checkpoints, the oldest first."""
    if not out.is_dir():
        return []
    found = [p for p in out.iterdir() if p.is_dir() and _NAME.fullmatch(p.name)]
    return sorted(found, key=lambda p: int(p.name.partition("-")[2]))


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint; None where it can be gone on from.

    Every file is opened, none is read as a whole: one that was cut off is told by its length.
    """
    from safetensors import SafetensorError, safe_open

    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if not isinstance(state, dict) or "global_step" not in state:
            return f"{STATE} has no global_step"
        for file in sorted(folder.rglob("*")):
            if file.suffix == ".safetensors":
                with safe_open(file, framework="pt") as opened:
                    opened.keys()
            elif file.suffix in (".pt", ".pth", ".bin"):
                zipfile.ZipFile(file).close()
    except (OSError, ValueError, zipfile.BadZipFile, SafetensorError) as error:
        return str(error).splitlines()[0]
    needed = [
        *folder.glob("*.safetensors"),
        *folder.glob("pytorch_model*"),
        *folder.glob("global*"),
    ]
    if not needed:
        return "it has no weights"
    return None


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
    state: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    return state


def settle(part: Path, final: Path) -> None:
    """Renames a checkpoint that is whole to its name, once it is on the disk."""
    for file in part.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
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


def write_error(final: Path, error: BaseException) -> CheckpointError:
    """A failure to write a checkpoint, in words that say what to do."""
    last = last_checkpoint(final.parent)
    kept = f"{last.name}, the last good one, stays" if last else "there is no earlier one"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(
        sign in str(error) for sign in ("No space left", "StorageFull", "code: 28", "code: 122")
    )
    # PyTorch's own writer does not say why it failed.
    full = full or ("PytorchStreamWriter" in text and _free(final.parent) < 1 << 26)
    why = "the disk is full; free some space" if full else f"{text}; mend that"
    made = CheckpointError(
        f"cannot write {final}: {why} and run the same command to go on ({kept})"
    )
    made.errno = errno.ENOSPC if full else getattr(error, "errno", None)
    return made


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
