"""The datasets that a build draws from: their folders, their Samples, their terms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.data.build.splits import TRAIN, published_split
from mien.data.readers import read, reader
from mien.data.readers.base import DataError
from mien.sample import Sample

_OPTION = re.compile(r",(?=[A-Za-z_]+=)")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a dataset's owner asks for.

    Attributes:
        title: the dataset's own name.
        licence: in a few words.
        access: how the data is had.
        url: where.
    """

    title: str
    licence: str
    access: str
    url: str


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset on the user's disk.

    Attributes:
        name: of its reader; unique in a build, and the first part of every picture's path.
        root: its folder.
        options: of its reader.
    """

    name: str
    root: Path
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """What the paths in its Samples are relative to."""
        return self.root if self.root.is_dir() else self.root.parent

    def samples(self, split: str | None) -> Iterator[Sample]:
        """Its Samples in the order of its files.

        Args:
            split: None takes all; samples that name no split count as train.

        Raises:
            DataError: if the folder is not as the dataset's owner lays it out.
        """
        wanted = split if reader(self.name).splits else None
        options: dict[str, Any] = dict(self.options)
        stream = read(self.name, self.root, split=wanted, **options)
        # a table of one's own declares no splits, but its rows may name them
        unnamed = split is not None and published_split(split) == TRAIN
        return (s for s in stream if split in (None, s.split) or (unnamed and not s.split))

    def terms(self) -> Terms:
        """What its owner asks for."""
        entry = reader(self.name)
        return Terms(entry.title, entry.licence, entry.access, entry.url)


def parse_source(text: str) -> Source:
    """Reads ``NAME=DIR`` or ``NAME=DIR,option=value,...``.

    Raises:
        DataError: if it is not of that form, or no reader has the name.
    """
    name, equals, rest = text.partition("=")
    if not equals or not name or not rest:
        raise DataError(f"source {text!r} is not NAME=DIR, such as rafdb=~/data/RAF-DB")
    reader(name)
    folder, *options = _OPTION.split(rest)
    pairs = dict(option.split("=", 1) for option in options)
    return Source(name.lower(), Path(folder).expanduser(), pairs)


def parse_sources(texts: list[str]) -> list[Source]:
    """Reads the sources of a build.

    Raises:
        DataError: if there is none, or a name is given twice.
    """
    sources = [parse_source(text) for text in texts]
    if not sources:
        raise DataError("give at least one source, such as --source rafdb=~/data/RAF-DB")
    for source in sources:
        if sum(other.name == source.name for other in sources) > 1:
            raise DataError(
                f"source {source.name!r} is given twice; build each folder into a set of its own"
            )
    return sources
