"""What will be built: which tasks each Sample gets, found out from labels alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from mien.data.build.consistency import Guard
from mien.data.build.face_labels import Labels, labels_of
from mien.data.build.instruction_row import row_id
from mien.data.build.missing_media import AbsentError, Files, Missing
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.splits import ALL_SPLITS, in_order, published_split
from mien.data.build.tasks import content_hash, draw_tasks, tasks_of
from mien.data.inside import OutsideError
from mien.media import MediaError
from mien.sample import Sample

MISSING = "picture missing"
OUTSIDE = "picture outside of the dataset's folder"
"""Why samples whose files are not there are left out."""


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


Change = Callable[[Sample, Path], Sample]
"""What is done to each Sample of a folder first, such as adding pseudo-labels."""


def unchanged(sample: Sample, folder: Path) -> Sample:
    """The `Change` that is none."""
    return sample


LeftOut = Callable[[SampleSource, Sample], str | None]
"""Why a Sample is left out because another set has it; None where it is not."""


def nothing_shared(source: SampleSource, sample: Sample) -> None:
    """The `LeftOut` that leaves out nothing."""


@dataclass(frozen=True, slots=True)
class Item:
    """A Sample with the tasks that it gets.

    Attributes:
        source: name of the source.
        sample: with its labels.
        labels: what its texts must be true to.
        tasks: what it is asked.
        split: that its rows are published in.
    """

    source: str
    sample: Sample
    labels: Labels
    tasks: tuple[str, ...]
    split: str


@dataclass
class Survey:
    """What the sources hold, read once before anything is written.

    Attributes:
        rows: that can be made.
        samples: per source.
        unlabelled: per source, samples that carry no task.
        tasks: rows per task.
        splits: published split to the sources that have rows in it, each with its own names of it.
        hashes: per source, a hash of all names and labels.
        left_out: per source, why samples are not in the set, and how many.
        left: hashes of their names.
        licences: per source, what its Samples say.
    """

    rows: int = 0
    samples: Counter[str] = field(default_factory=Counter)
    unlabelled: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    splits: dict[str, dict[str, set[str | None]]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    licences: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, source: str, sample: Sample, tasks: Sequence[str]) -> None:
        """Counts a Sample that is in the set, with the tasks that it gets."""
        self.samples[source] += 1
        self.unlabelled[source] += not tasks
        self.tasks.update(tasks)
        self.rows += len(tasks)
        if tasks:
            names = self.splits.setdefault(published_split(sample.split), {})
            names.setdefault(source, set()).add(sample.split)
        self.licences.setdefault(source, Counter())[sample.licence or "unknown"] += 1

    def leave(self, source: str, sample: Sample, why: str) -> None:
        """Leaves a Sample out of the set."""
        self.left_out.setdefault(source, Counter())[why] += 1
        self.left.add(content_hash(source, sample.id))

    def leaves(self, source: str, sample: Sample) -> bool:
        """Whether a Sample is left out."""
        return bool(self.left) and content_hash(source, sample.id) in self.left


def items(
    sources: Sequence[SampleSource],
    settings: BuildSettings,
    found: Survey,
    change: Change = unchanged,
) -> Iterator[Item]:
    """Every Sample that carries a task, split after split, one in memory at a time.

    Sources are read once for each split, because a table may have splits by turns.
    """
    for split in in_order(found.splits):
        for source in sources:
            names = found.splits[split].get(source.name)
            if names is None:
                continue
            wanted = _wanted(settings)
            if wanted is None and len(names) == 1:
                (wanted,) = names  # spares readers of large sets the other splits
            for sample in source.samples(wanted):
                if published_split(sample.split) != split or found.leaves(source.name, sample):
                    continue
                changed = change(sample, source.folder)
                labels = labels_of(changed)
                tasks = _tasks(source, changed, labels, settings)
                if tasks:
                    yield Item(source.name, changed, labels, tasks, split)


def survey(
    sources: Sequence[SampleSource],
    settings: BuildSettings,
    change: Change = unchanged,
    *,
    missing: Missing = "stop",
    shared: LeftOut = nothing_shared,
) -> Survey:
    """Reads all labels once: how much there is, and whether it can be one set.

    Args:
        sources, settings, change: of the build.
        missing: what happens to samples whose pictures are not there.
        shared: which Samples other sets have.

    Raises:
        BuildError: if two samples of a source share a name or label one picture differently, a
            person or a picture stands in two splits, or nothing carries a task.
        AbsentError: if pictures are missing and that is to stop the build.
    """
    found = Survey()
    guard = Guard()
    absent: dict[str, str] = {}
    for source in sources:
        digest = hashlib.blake2b(digest_size=16)
        files = Files(source.folder)
        for sample in source.samples(_wanted(settings)):
            if (why := shared(source, sample)) is not None:
                found.leave(source.name, sample, why)
                continue
            changed = change(sample, source.folder)
            labels = labels_of(changed)
            tasks = _tasks(source, changed, labels, settings)
            why, path = _unusable(files, sample, missing) if tasks else (None, "")
            if why is not None:
                if why == MISSING:
                    absent.setdefault(source.name, path)
                found.leave(source.name, sample, why)
                continue
            guard.check(source.name, changed, labels)
            found.count(source.name, changed, tasks)
            digest.update(_plain(changed, labels).encode("utf-8", "surrogateescape"))
        found.hashes[source.name] = digest.hexdigest()
    if absent and missing == "stop":
        raise _lacking(sources, found, absent)
    for source in sources:
        if not found.samples[source.name]:
            raise _nothing(source, settings, found)
    if not found.rows:
        raise BuildError(
            f"no sample has labels for any of the tasks {', '.join(settings.tasks)}; choose others."
            " `mien data list NAME` says what a dataset labels, and in which split"
        )
    return found


def _unusable(files: Files, sample: Sample, missing: Missing) -> tuple[str | None, str]:
    """Why a Sample's pictures cannot be used, and the first of them."""
    try:
        files.check_inside(sample)
    except MediaError as error:
        return (OUTSIDE if isinstance(error, OutsideError) else MISSING), ""
    path = files.lacking(sample) if missing != "keep" else None
    return (None, "") if path is None else (MISSING, path)


def _lacking(
    sources: Sequence[SampleSource], found: Survey, absent: Mapping[str, str]
) -> AbsentError:
    parts = []
    for source in sources:
        if source.name in absent:
            lost = found.left_out[source.name][MISSING]
            reader = getattr(source, "reads", source.name)
            root = getattr(source, "root", source.folder)
            parts.append(
                f"source {source.name}: the pictures of {lost:,} of "
                f"{lost + found.samples[source.name]:,} samples are missing, the first is "
                f"{source.folder / absent[source.name]}; `mien data check {reader} {root}` says "
                "what is wrong with the copy"
            )
    return AbsentError("; ".join(parts) + ". To build without these samples: --missing leave-out")


def _nothing(source: SampleSource, settings: BuildSettings, found: Survey) -> BuildError:
    if source.name in found.left_out:
        why = ", ".join(f"{n:,} {why}" for why, n in found.left_out[source.name].items())
        return BuildError(f"source {source.name}: every sample is left out ({why}); take it away")
    split = "" if settings.split == ALL_SPLITS else f" in split {settings.split!r}"
    return BuildError(f"source {source.name} has no sample{split}; check --split")


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
            yield replace(item, tasks=tuple(kept))


def blocks(stream: Iterator[Item], rows: int) -> Iterator[list[Item]]:
    """Items in blocks of so many rows of one split; tasks of one item may be parted.

    The last block of a split has what is left.
    """
    block: list[Item] = []
    room = rows
    for item in stream:
        if block and block[0].split != item.split:
            yield block
            block, room = [], rows
        tasks = item.tasks
        while tasks:
            block.append(replace(item, tasks=tasks[:room]))
            taken = len(tasks[:room])
            tasks, room = tasks[room:], room - taken
            if room == 0:
                yield block
                block, room = [], rows
    if block:
        yield block


def _wanted(settings: BuildSettings) -> str | None:
    return None if settings.split == ALL_SPLITS else settings.split


def _tasks(
    source: SampleSource, sample: Sample, labels: Labels, settings: BuildSettings
) -> tuple[str, ...]:
    carried = tasks_of(labels, settings.tasks)
    name = f"{source.name}/{sample.id}"
    return draw_tasks(carried, name, per_sample=settings.per_sample, seed=settings.seed)


def _plain(sample: Sample, labels: Labels) -> str:
    """A Sample's names and labels, for the hash of its source."""
    units = sorted(labels.present.items()) if labels.present is not None else None
    shown = sample.image or sample.video or sample.frames
    words = (labels.expression or labels.compound, labels.label_set, units, sorted(labels.absent))
    return repr((sample.id, shown, sample.split, *words))
