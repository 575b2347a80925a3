"""What a whole checkpoint holds: sizes and checksums of its files, and which it cannot lack."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mien.untrusted import read_json

STATE = "trainer_state.json"
MANIFEST = "manifest.json"
_BLOCK = 1 << 24
_NEEDED = {
    "weights": ("model*.safetensors", "pytorch_model_fsdp*", "global_step*"),
    "optimizer.pt": ("optimizer.pt", "optimizer.bin", "optimizer_0", "global_step*"),
    # DeepSpeed keeps a scheduler of its own with the weights.
    "scheduler.pt": ("scheduler.pt", "global_step*"),
    "rng_state.pth": ("rng_state*.pth",),
}
"""What a checkpoint cannot lack, by the names under which it may stand: those of one process and of
DDP, of FSDP in whole and in parts, and of DeepSpeed."""


def seal(folder: Path) -> None:
    """Brings the files of a complete checkpoint to the disk and notes their sizes and checksums.

    All bytes count: a CRC-32 of what was just written, and still is in memory, takes less time
    than the disk does (3.5 GB/s on one core).
    """
    files: dict[str, Any] = {}
    for file in _files(folder):
        files[file.relative_to(folder).as_posix()] = [file.stat().st_size, _checksum(file)]
        _to_disk(file)
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"files": files}, indent=1) + "\n", encoding="utf-8")
    _to_disk(manifest)


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, naming the file; None where it can be gone on from.

    Every file is read as a whole. Checkpoints of an older form have no manifest: their files are
    opened, and one that was cut off is told by its length.
    """
    try:
        state = read_json(folder / STATE)
    except (OSError, ValueError) as error:
        return f"{STATE} cannot be read ({error})"
    if not isinstance(state, dict) or "global_step" not in state:
        return f"{STATE} has no global_step"
    for what, names in _NEEDED.items():
        if not any(True for name in names for _ in folder.glob(name)):
            return f"it has no {what}"
    if not (folder / MANIFEST).exists():
        return next(_unreadable(folder), None)
    try:
        noted = read_json(folder / MANIFEST)["files"]
        return next(_altered(folder, noted), None)
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"{MANIFEST} cannot be read ({error})"


def _altered(folder: Path, noted: dict[str, list[int]]) -> Iterator[str]:
    """Files that are not as the manifest says; sizes first, which cost nothing."""
    for name, (size, _) in noted.items():
        if not (folder / name).is_file():
            yield f"{name} is missing"
        elif (found := (folder / name).stat().st_size) != size:
            yield f"{name} has {found} bytes, not {size}"
    for name, (_, checksum) in noted.items():
        try:
            if _checksum(folder / name) != checksum:
                yield f"{name} is not as it was written (its checksum differs)"
        except OSError as error:
            yield f"{name} cannot be read ({error.strerror})"


def _unreadable(folder: Path) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    for file in _files(folder):
        try:
            if file.suffix == ".safetensors":
                with safe_open(file, framework="pt") as opened:
                    opened.keys()
            elif file.suffix in (".pt", ".pth", ".bin"):
                zipfile.ZipFile(file).close()
        except (OSError, ValueError, zipfile.BadZipFile, SafetensorError) as error:
            yield f"{file.relative_to(folder)} cannot be read ({str(error).splitlines()[0]})"


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where it is not there."""
    total = 0
    for file in _files(folder):
        with contextlib.suppress(FileNotFoundError):  # another process removes it
            total += file.stat().st_size
    return total


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)


def _checksum(file: Path) -> int:
    value = 0
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value


def _to_disk(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
