"""The datasets that a build draws from: their folders, their Samples, their terms."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.data.build.people import Fold
from mien.data.build.settings import BuildError
from mien.data.build.splits import ALL_SPLITS, TRAIN, published_split
from mien.data.readers import read, reader
from mien.data.readers.base import DataError
from mien.sample import Sample

_OPTION = re.compile(r",(?=[A-Za-z_]+=)")
_SPLIT = re.compile(r"(.+)@([\w-]+)")
_ALIAS = re.compile(r"\w[\w.+-]*")


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
        name: unique in a build, and the first part of every picture's path.
        root: its folder.
        options: of its reader.
        dataset: of its reader, where the source has a name of its own.
        split: that is taken of it, whatever is taken of the others; "all" takes every one.
        fold: divides people where samples name no split.
    """

    name: str
    root: Path
    options: Mapping[str, str] = field(default_factory=dict)
    dataset: str | None = None
    split: str | None = None
    fold: Fold | None = None

    @property
    def reads(self) -> str:
        """Name of its reader."""
        return self.dataset or self.name

    @property
    def folder(self) -> Path:
        """What the paths in its Samples are relative to."""
        return self.root if self.root.is_dir() else self.root.parent

    @property
    def held(self) -> dict[str, str]:
        """What decides which Samples it has."""
        held = {"options": json.dumps(dict(self.options))}
        if self.dataset is not None:
            held["dataset"] = self.dataset
        if self.split is not None:
            held["split"] = self.split
        if self.fold is not None:
            held["fold"] = f"{self.fold.number} of {self.fold.count}"
        return held

    def samples(self, split: str | None) -> Iterator[Sample]:
        """Its Samples in the order of its files.

        Args:
            split: None takes all; samples that name no split count as train. A split of the
                source's own takes its place.

        Raises:
            BuildError: if the reader has no such option or split.
            DataError: if the folder is not as the dataset's owner lays it out.
        """
        entry = reader(self.reads)
        wanted = self.split or split
        wanted = None if wanted == ALL_SPLITS else wanted
        # without a fold of its own, the reader of BP4D or DISFA knows no splits
        folds = entry.options.get("fold", ())
        whole = "none" in folds and self.options.get("fold", "none") == "none"
        asked = wanted if entry.splits and not whole and self.fold is None else None
        options: dict[str, Any] = dict(self.options)
        try:
            entry.settings(asked, options)
        except DataError as error:
            raise BuildError(str(error)) from None
        return self._taken(read(self.reads, self.root, split=asked, **options), wanted, whole)

    def _taken(self, stream: Iterator[Sample], split: str | None, whole: bool) -> Iterator[Sample]:
        takes_unnamed = split is None or published_split(split) == TRAIN
        named = unnamed = False
        for sample in stream:
            own = self.fold.placed(sample) if self.fold is not None else sample
            named, unnamed = named or bool(own.split), unnamed or not own.split
            if split is None or own.split == split or (takes_unnamed and not own.split):
                yield own
        if unnamed and not named and not takes_unnamed:
            own_folds = ", or the dataset's own with the option fold=1" if whole else ""
            raise BuildError(
                f"source {self.name} names no splits, so that all its samples count as train; "
                f"--folds K --fold N makes {split!r} of the people of one fold{own_folds}"
            )

    def terms(self) -> Terms:
        """What its owner asks for."""
        entry = reader(self.reads)
        return Terms(entry.title, entry.licence, entry.access, entry.url)


def parse_source(text: str) -> Source:
    """Reads ``NAME=DIR``, ``ALIAS:NAME=DIR``, ``NAME=DIR@SPLIT`` or ``NAME=DIR,option=value,...``.

    Paths may hold the signs between: what exists is taken as the folder.

    Raises:
        BuildError: if it is not of that form, or no reader has the name.
    """
    name, equals, place = text.partition("=")
    alias, colon, dataset = name.rpartition(":")
    if not equals or not dataset or not place or (colon and not _ALIAS.fullmatch(alias)):
        raise BuildError(
            f"source {text!r} is not NAME=DIR, such as rafdb=~/data/RAF-DB, nor ALIAS:NAME=DIR"
        )
    try:
        dataset = reader(dataset).name
    except DataError as error:
        raise BuildError(str(error)) from None
    folder, options, split = _place(place)
    root = Path(folder).expanduser()
    return Source(alias or dataset, root, options, dataset if alias else None, split)


def _place(text: str) -> tuple[str, dict[str, str], str | None]:
    """Folder, options and split."""
    parts = _OPTION.split(text)
    ways: list[tuple[str, list[str], str | None]] = [
        (",".join(parts[:k]), parts[k:], None) for k in range(len(parts), 0, -1)
    ]
    for folder, rest, _ in list(ways):
        if found := _SPLIT.fullmatch(folder):
            ways.append((found[1], rest, found[2]))
    there = (way for way in ways if Path(way[0]).expanduser().exists())
    found = _SPLIT.fullmatch(parts[0])
    nowhere = (found[1], parts[1:], found[2]) if found else (parts[0], parts[1:], None)
    folder, rest, split = next(there, nowhere)
    if rest and split is None and (found := _SPLIT.fullmatch(rest[-1])):
        rest, split = [*rest[:-1], found[1]], found[2]
    return folder, dict(option.split("=", 1) for option in rest), split


def parse_sources(texts: list[str]) -> list[Source]:
    """Reads the sources of a build.

    Raises:
        BuildError: if one is wrong, there is none, or a name is given twice.
    """
    sources = [parse_source(text) for text in texts]
    if not sources:
        raise BuildError("give at least one source, such as --source rafdb=~/data/RAF-DB")
    names = Counter(source.name.lower() for source in sources)
    for source in sources:
        if names[source.name.lower()] > 1:
            raise BuildError(
                f"source {source.name!r} is given twice; give each a name of its own, such as "
                f"--source left:{source.reads}=DIR"
            )
    return sources
