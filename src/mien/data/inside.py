"""Files that rows name: inside of the dataset's folder, with links followed, or refused.

A row of a downloaded table could else name any picture of this machine, which would then stand in
a set that is published.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from mien.data.roots import read_roots
from mien.media import MediaError

MANIFEST = "build.json"
_ANCHORED = re.compile(r"[\\/]|[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]+://")


class OutsideError(MediaError):
    """A row names a file that is not the dataset's own."""


def located(name: str, folder: Path) -> Path:
    """The file that a row names, whether or not it is there.

    Args:
        name: its path relative to the folder.
        folder: of the dataset; for a set of `mien data build`, the folders of its sources count
            as its own.

    Raises:
        OutsideError: if it lies elsewhere.
        MediaError: if no file can have the name.
    """
    if _ANCHORED.match(name):
        raise OutsideError(f"{_shown(name)}: no path inside of {folder}. Write it relative to that")
    place = folder / name
    try:
        inner = _real(str(place.parent))
        if place.is_symlink() or place.name == "..":
            inner = os.path.realpath(place)
        homes = (_real(str(folder)),)
    except (OSError, ValueError) as error:
        raise MediaError(f"{_shown(name)}: no file can have this name ({error}). Fix it") from None
    if not _within(inner, homes) and not _within(inner, _sources(str(folder))):
        raise OutsideError(
            f"{_shown(name)}: outside of {folder}. Copy it into that folder, or give a folder that "
            "holds both"
        )
    return place


def is_there(name: str, folder: Path) -> bool:
    """Whether the file that a row names is there.

    Raises:
        OutsideError: if it is not the dataset's own.
    """
    try:
        return located(name, folder).is_file()
    except OutsideError:
        raise
    except (OSError, MediaError):  # a name that is too long, or holds NUL
        return False


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def _within(path: str, homes: tuple[str, ...]) -> bool:
    return any(path == home or path.startswith(home.rstrip(os.sep) + os.sep) for home in homes)


@lru_cache(maxsize=64)
def _sources(folder: str) -> tuple[str, ...]:
    """Folders of the sources of a set that `mien data build` made here; none for other folders."""
    tried = (Path(folder), Path(folder).parent)  # the set's own folder, or that of its files
    place = next((place for place in tried if (place / MANIFEST).is_file()), None)
    if place is None:
        return ()
    return tuple(os.path.realpath(root) for root in read_roots(place).values())


def _shown(name: str) -> str:
    short = name if len(name) <= 120 else f"{name[:117]}..."
    return short.encode("unicode_escape").decode() if not short.isprintable() else short
