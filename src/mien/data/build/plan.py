"""What will be built: which tasks each Sample gets, found out from labels alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mien.data.build.labels import Labels, labels_of
from mien.data.build.rows import row_id
from mien.data.build.settings import ALL_SPLITS, BuildError, BuildSettings
from mien.data.build.tasks import content_hash, draw_tasks, tasks_of
from mien.sample import Sample


class SampleSource(Protocol):
    """What a plan needs of a source; `sources.Source` is one."""

    @property
    def name(self) -> str:
        """Unique in a build."""

    @property
    def folder(self) -> Path:
        """What the paths in its Samples are relative to."""

    def samples(self, split: str | None) -> Iterator[Sample]:
        """Its Samples, always in the same order."""


Change = Callable[[Sample], Sample]
"""What is done to each Sample first, such as adding pseudo-labels."""


@dataclass(frozen=True, slots=True)
class Item:
    """A Sample with the tasks that it gets.

    Attributes:
        source: name of the source.
        sample: with its labels.
        labels: what its texts must be true to.
        tasks: what it is asked.
    """

    source: str
    sample: Sample
    labels: Labels
    tasks: tuple[str, ...]


@dataclass
class Survey:
    """What the sources hold, read once before anything is written.

    Attributes:
        rows: that can be made.
        samples: per source.
        unlabelled: per source, samples that carry no task.
        tasks: rows per task.
        hashes: per source, a hash of all names and labels.
        licences: per source, what its Samples say.
    """

    rows: int = 0
    samples: Counter[str] = field(default_factory=Counter)
    unlabelled: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    hashes: dict[str, str] = field(default_factory=dict)
    licences: dict[str, Counter[str]] = field(default_factory=dict)


def items(
    sources: Sequence[SampleSource], settings: BuildSettings, change: Change = lambda s: s
) -> Iterator[Item]:
    """Every Sample that carries a task, in order, one in memory at a time."""
    for source, sample in _samples(sources, settings, change):
        labels = labels_of(sample)
        tasks = _tasks(source, sample, labels, settings)
        if tasks:
            yield Item(source.name, sample, labels, tasks)


def survey(
    sources: Sequence[SampleSource], settings: BuildSettings, change: Change = lambda s: s
) -> Survey:
    """Reads all labels once: how much there is, and whether it can be one set.

    Raises:
        BuildError: if two samples of a source share a name, a person or a picture stands in two
            splits, or nothing carries a task.
    """
    found = Survey()
    digests = {source.name: hashlib.blake2b(digest_size=16) for source in sources}
    guard = _Guard()
    for source, sample in _samples(sources, settings, change):
        labels = labels_of(sample)
        guard.check(source.name, sample)
        what = (sample.id, sample.image or sample.video or sample.frames, sample.split, labels)
        digests[source.name].update(_plain(what).encode("utf-8", "surrogateescape"))
        tasks = _tasks(source, sample, labels, settings)
        found.samples[source.name] += 1
        found.unlabelled[source.name] += not tasks
        found.tasks.update(tasks)
        found.rows += len(tasks)
        licences = found.licences.setdefault(source.name, Counter())
        licences[sample.licence or "unknown"] += 1
    found.hashes = {name: digest.hexdigest() for name, digest in digests.items()}
    for source in sources:
        if not found.samples[source.name]:
            split = "" if settings.split == ALL_SPLITS else f" in split {settings.split!r}"
            raise BuildError(f"source {source.name} has no sample{split}; check --split")
    if not found.rows:
        raise BuildError(
            f"no sample has labels for any of the tasks {', '.join(settings.tasks)}; choose others."
            " `mien data list NAME` says what a dataset labels, and in which split"
        )
    return found


def thin(stream: Iterator[Item], total: int, settings: BuildSettings) -> Iterator[Item]:
    """Exactly `settings.count` rows out of `total`, evenly spread over the stream.

    Each row is kept with the probability (rows still wanted) / (rows still to come), by a hash of
    its name: Knuth's selection sampling (The Art of Computer Programming 2, 3.4.2, algorithm S).
    """
    wanted, left = settings.count, total
    if wanted is None or wanted >= total:
        yield from stream
        return
    for item in stream:
        kept = []
        for task in item.tasks:
            name = row_id(item.source, item.sample.id, task)
            if content_hash("pick", name, settings.seed) / 2**64 * left < wanted:
                kept.append(task)
                wanted -= 1
            left -= 1
        if kept:
            yield Item(item.source, item.sample, item.labels, tuple(kept))


def blocks(stream: Iterator[Item], rows: int) -> Iterator[list[Item]]:
    """Items in blocks of so many rows, the last with what is left; tasks of one may be parted."""
    block: list[Item] = []
    room = rows
    for item in stream:
        tasks = item.tasks
        while tasks:
            block.append(Item(item.source, item.sample, item.labels, tasks[:room]))
            taken = len(tasks[:room])
            tasks, room = tasks[room:], room - taken
            if room == 0:
                yield block
                block, room = [], rows
    if block:
        yield block


def _samples(
    sources: Sequence[SampleSource], settings: BuildSettings, change: Change
) -> Iterator[tuple[SampleSource, Sample]]:
    split = None if settings.split == ALL_SPLITS else settings.split
    for source in sources:
        for sample in source.samples(split):
            yield source, change(sample)


def _tasks(
    source: SampleSource, sample: Sample, labels: Labels, settings: BuildSettings
) -> tuple[str, ...]:
    carried = tasks_of(labels, settings.tasks)
    name = f"{source.name}/{sample.id}"
    return draw_tasks(carried, name, per_sample=settings.per_sample, seed=settings.seed)


def _plain(value: tuple[object, ...]) -> str:
    *rest, labels = value
    assert isinstance(labels, Labels)
    units = sorted(labels.present.items()) if labels.present is not None else None
    return repr((*rest, labels.expression, labels.label_set, units, sorted(labels.absent)))


class _Guard:
    """Names given once; persons and pictures in one split only. A few bytes a sample."""

    def __init__(self) -> None:
        self._names: set[int] = set()
        self._split_of: dict[int, str | None] = {}

    def check(self, source: str, sample: Sample) -> None:
        name = content_hash(source, sample.id)
        if name in self._names:
            raise BuildError(
                f"source {source} names sample {sample.id!r} twice; remove the duplicate row or "
                "file (`mien data check` lists them)"
            )
        self._names.add(name)
        shown = [("picture", path) for path in (sample.image, sample.video) if path]
        if sample.frames:
            shown.append(("picture", sample.frames[0]))
        if sample.subject is not None:
            shown.append(("person", sample.subject))
        for kind, value in shown:
            key = content_hash(kind, sample.dataset if kind == "person" else source, value)
            split = self._split_of.setdefault(key, sample.split)
            if split != sample.split:
                raise BuildError(
                    f"source {source}: {kind} {value!r} stands in the splits {split!r} and "
                    f"{sample.split!r}, which would leak; build one split at a time (--split), and "
                    "mend the dataset's lists if it remains"
                )
