"""Weights that ship inside the package, each in its folder with a card and a licence.

`manifest.json` lists the size and SHA-256 of each file, so that a damaged download is
told from a wrong answer.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypedDict

from mien.untrusted import TextError, read_json_object

ROOT = Path(__file__).parent
# Texts may be edited without harm to a model.
_TEXTS = ("*.md", "LICENSE*", "NOTICE*")
_REMEDY = "reinstall mien (pip install --force-reinstall --no-deps mien)"

_verified: set[Path] = set()


class WeightsError(RuntimeError):
    """A weights file is missing or damaged; the message names it and the remedy."""


class FileEntry(TypedDict):
    """What the manifest knows of a file."""

    sha256: str
    bytes: int


def weights_dir(name: str) -> Path:
    """Folder of the weights of this name, whether or not it is there.

    Raises:
        WeightsError: if `name` is not a plain folder name.
    """
    if not name or name.startswith((".", "_")) or Path(name).name != name:
        raise WeightsError(f"{name!r} is not a name of weights (such as 'face_landmarker')")
    return ROOT / name


def installed(name: str) -> bool:
    """Whether this installation has weights of this name, whole or damaged.

    Raises:
        WeightsError: if the manifest cannot be read.
    """
    return name in _read_manifest()


def verify(name: str) -> Path:
    """Checks every listed file of these weights against the manifest, once per process.

    Returns:
        The folder.

    Raises:
        WeightsError: if the name is unknown, or a file is missing or damaged.
    """
    folder = weights_dir(name)
    if folder in _verified:
        return folder
    manifest = _read_manifest()
    if name not in manifest:
        known = ", ".join(sorted(manifest)) or "none"
        raise WeightsError(f"no weights {name!r} in this installation; known: {known}")
    for file, entry in manifest[name].items():
        _check(folder / file, entry)
    _verified.add(folder)
    return folder


def write_manifest(name: str) -> None:
    """Recomputes the manifest's entry for these weights from the files in their folder.

    Raises:
        WeightsError: if the folder holds no files.
    """
    folder = weights_dir(name)
    files = sorted(
        f
        for f in folder.rglob("*")
        if f.is_file()
        and not any(part.startswith((".", "__")) for part in f.relative_to(folder).parts)
        and not any(f.match(pattern) for pattern in _TEXTS)
    )
    if not files:
        raise WeightsError(f"{folder}: no weights files there")
    manifest = _read_manifest() if _manifest_path().is_file() else {}
    manifest[name] = {
        f.relative_to(folder).as_posix(): {"sha256": _sha256(f), "bytes": f.stat().st_size}
        for f in files
    }
    text = json.dumps(dict(sorted(manifest.items())), indent=2) + "\n"
    _manifest_path().write_text(text, encoding="utf-8")
    _verified.discard(folder)


def _manifest_path() -> Path:
    return ROOT / "manifest.json"


def _read_manifest() -> dict[str, dict[str, FileEntry]]:
    path = _manifest_path()
    try:
        manifest: dict[str, dict[str, FileEntry]] = read_json_object(path, remedy=_REMEDY)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    except TextError as error:
        raise WeightsError(str(error)) from error
    if not all(isinstance(files, dict) for files in manifest.values()):
        raise WeightsError(f"{path}: is no list of weights; {_REMEDY}")
    return manifest


def _check(path: Path, entry: FileEntry) -> None:
    try:
        size = path.stat().st_size
        digest = _sha256(path) if size == entry["bytes"] else None
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: missing; {_REMEDY}") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    if digest is None:
        raise WeightsError(f"{path}: damaged ({size} bytes, not {entry['bytes']}); {_REMEDY}")
    if digest != entry["sha256"]:
        raise WeightsError(f"{path}: damaged (its SHA-256 is not the recorded one); {_REMEDY}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
