"""Readers: from a dataset in its owner's layout, on the user's disk, to Samples.

One small file each. None of them imports torch, opens pictures, or fetches anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mien.data.readers import (
    affectnet,
    affwild2,
    bp4d,
    ckplus,
    dfew,
    disfa,
    faba,
    fea20k,
    fer2013,
    ferbench,
    ferplus,
    ferv39k,
    mafw,
    rafdb,
    rendered,
    table,
)
from mien.data.readers.base import AskError, BadRow, DataError, LayoutError, Reader, RowError, stop
from mien.sample import Sample

__all__ = [
    "READERS",
    "AskError",
    "DataError",
    "LayoutError",
    "Reader",
    "RowError",
    "read",
    "reader",
]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            rafdb.BASIC,
            rafdb.COMPOUND,
            affectnet.SEVEN,
            affectnet.EIGHT,
            ferplus.READER,
            fer2013.READER,
            ckplus.READER,
            dfew.READER,
            ferv39k.READER,
            mafw.READER,
            affwild2.FRAMES,
            affwild2.STATIC,
            bp4d.READER,
            disfa.READER,
            faba.READER,
            fea20k.READER,
            ferbench.READER,
            rendered.READER,
            table.READER,
        )
    }
)
"""Name of a dataset to how it is read."""


def reader(name: str) -> Reader:
    """The reader of a dataset.

    Raises:
        AskError: if mien has none of this name.
    """
    try:
        return READERS[name.lower()]
    except KeyError:
        known = ", ".join(READERS)
        raise AskError(f"unknown dataset {name!r}; mien reads {known}") from None


def read(
    name: str,
    root: Path,
    *,
    split: str | None = None,
    bad: BadRow = stop,
    **options: Any,
) -> Iterator[Sample]:
    """Reads a dataset, row by row.

    Args:
        name: key of `READERS`.
        root: its folder; a single file for some. Paths in the Samples are relative to the folder.
        split: one of its splits; None reads all of them.
        bad: takes rows that cannot be read; by default the first one stops the reading.
        **options: of the reader, see `mien data list`.

    Returns:
        The Samples, in the order of the dataset's own files.

    Raises:
        DataError: at once, on an unknown name, split or option, or if there is no such folder; and
            while reading, on a wrong layout (`LayoutError`) or a bad row (`RowError`).
    """
    entry = reader(name)
    settings = entry.settings(split, options)
    root = Path(root).expanduser()
    if not root.exists():
        raise LayoutError(
            f"{root}: no such folder. {entry.title}: {entry.access}; {entry.hint} says where to"
            " put it"
        )
    if root.is_file() and not entry.single:
        raise LayoutError(
            f"{root}: a file; give the folder of {entry.title}. {entry.hint} shows the layout"
        )
    return _guarded(entry, root, split, bad, settings)


def _guarded(
    entry: Reader, root: Path, split: str | None, bad: BadRow, settings: Mapping[str, str]
) -> Iterator[Sample]:
    """The reader's own rows; a file that the system does not give is an error with its name."""
    try:
        yield from entry.read(root, split, bad, **settings)
    except OSError as error:
        why = error.strerror or str(error)
        raise LayoutError(
            f"{error.filename or root}: cannot be read ({why}); copy or download it again"
        ) from error
