"""Samples that a set must not have because another set, such as a benchmark, has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mien.data.build.plan import SampleSource
from mien.data.build.sources import parse_source
from mien.data.build.splits import ALL_SPLITS
from mien.data.leak_sets import entries_of, entries_of_samples
from mien.data.leaks import Entry, find_leaks
from mien.sample import Sample


@dataclass(frozen=True)
class Shared:
    """What sources share with other sets.

    Attributes:
        people: dataset and subject to the set that has the person too.
        pictures: source and path of a picture to the set that has one nearly the same.
        unreadable: pictures that could not be compared.
    """

    people: Mapping[str, str]
    pictures: Mapping[str, str]
    unreadable: Sequence[str]

    def why(self, source: SampleSource, sample: Sample) -> str | None:
        """Why a Sample is left out; None where nothing of it is shared."""
        for entry in entries_of_samples([sample], source.folder):
            if (where := self.people.get(entry.subject or "")) is not None:
                return f"person also in {where}"
            if (where := self.pictures.get(f"{source.name}/{entry.name}")) is not None:
                return f"picture also in {where}"
        return None


def label_of(what: str) -> str:
    """A set in words that name no folder above its own."""
    if "=" not in what:
        return Path(what).name
    source = parse_source(what)
    return source.reads if source.split is None else f"{source.reads}@{source.split}"


def find_shared(
    sets: Sequence[str],
    sources: Sequence[SampleSource],
    split: str,
    *,
    each: Callable[[], None] = lambda: None,
) -> Shared:
    """Compares sources with other sets: who is shown, and by perceptual hashes the pictures.

    Args:
        sets: as `mien.data.leak_sets.entries_of` takes them.
        sources: of a build.
        split: of the build.
        each: called for each picture that is read.

    Raises:
        BuildError: if there is no such set.
        DataError: if a dataset cannot be read.
    """
    people: dict[str, str] = {}
    for what in sets:
        for entry in entries_of(what, {}):
            if entry.subject is not None:
                people.setdefault(entry.subject, label_of(what))
    both = {"others": _others(sets), "own": _own(sources, split, people)}
    leaks = find_leaks(both, each=each)
    pictures: dict[str, str] = {}
    for pair in leaks.comparisons[0].pairs:
        number = int(pair.first.partition("/")[0])
        pictures.setdefault(pair.second, label_of(sets[number]))
    return Shared(people, pictures, [w for broken in leaks.unreadable.values() for w in broken])


def _others(sets: Sequence[str]) -> Iterator[Entry]:
    for number, what in enumerate(sets):
        for entry in entries_of(what, {}):
            yield replace(entry, name=f"{number}/{entry.name}")


def _own(sources: Sequence[SampleSource], split: str, people: Mapping[str, str]) -> Iterator[Entry]:
    """Pictures of those who are not left out anyway."""
    for source in sources:
        samples = source.samples(None if split == ALL_SPLITS else split)
        for entry in entries_of_samples(samples, source.folder):
            if entry.subject not in people:
                yield replace(entry, name=f"{source.name}/{entry.name}")
