"""The faces of a suite: labels as a stream, pictures when they are asked for."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.bench.suite import Suite
from mien.bench.task_labels import tasks_for
from mien.sample import Sample

if TYPE_CHECKING:
    from mien.synth.feabench import FeaBenchSynth

FEABENCH = "feabench-synth"
SAMPLES_FILE = "samples.jsonl"

Picture = NDArray[np.uint8]


class SourceError(RuntimeError):
    """The data of a suite cannot be had; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Source:
    """Labels and pictures of a suite.

    Attributes:
        samples: yields the labelled samples, in the same order each time.
        pictures: RGB pictures of a sample, (H, W, 3) uint8, `count` of a clip's frames, in order;
            raises an OSError or ValueError that names the file where it cannot be read.
    """

    samples: Callable[[], Iterable[Sample]]
    pictures: Callable[[Sample, int], list[Picture]]


@dataclass(frozen=True)
class Chosen:
    """The samples that a run asks about.

    Attributes:
        samples: in the order of the source.
        fingerprint: SHA-256 over ids, labels and paths of all samples of the suite, whether they
            are asked or not, so that a run of a part can go on to the whole.
        total: how many samples the suite has on this data.
        left_out: why samples are no part of it, with counts.
    """

    samples: list[Sample]
    fingerprint: str
    total: int
    left_out: dict[str, int] = field(default_factory=dict)


def open_source(suite: Suite, root: Path | None) -> Source:
    """The data of a suite.

    Args:
        suite: names the reader.
        root: the dataset's folder (or file, for "csv"); None for what comes with mien.

    Raises:
        SourceError: if it needs a folder and there is none, or the built-in set is damaged.
    """
    if suite.source.reader == FEABENCH:
        return _feabench()
    if root is None:
        raise SourceError(
            f"suite {suite.name!r} reads a dataset on your disk; say where it is with --data DIR"
            " (`mien data list` says how to get it)"
        )
    if not root.exists():
        raise SourceError(f"--data {root}: there is no such file or folder")
    return _on_disk(suite, root)


def choose(suite: Suite, source: Source, limit: int | None = None) -> Chosen:
    """The samples that are asked about: all, or `limit` of them that do not depend on the model.

    Those whose ids have the smallest hashes are taken, so that a smaller limit is part of a larger
    one and the choice is spread over the dataset.

    Raises:
        SourceError: if no sample carries labels that the suite asks for, or ids repeat.
    """
    digest = hashlib.sha256()
    left_out: Counter[str] = Counter()
    seen: set[str] = set()

    def part_of_suite() -> Iterator[tuple[str, int, Sample]]:
        for sample in source.samples():
            if not tasks_for(sample, suite):
                left_out["without a label that the suite asks for"] += 1
                continue
            if sample.id in seen:
                raise SourceError(f"sample {sample.id!r} occurs twice; ids must differ")
            digest.update(sample.to_json().encode() + b"\n")
            seen.add(sample.id)
            yield hashlib.sha256(sample.id.encode()).hexdigest(), len(seen), sample

    if limit is None:
        samples = [sample for _, _, sample in part_of_suite()]
    else:
        smallest = heapq.nsmallest(limit, part_of_suite(), key=lambda row: row[0])
        samples = [sample for _, _, sample in sorted(smallest, key=lambda row: row[1])]
    if not samples:
        raise SourceError(
            f"suite {suite.name!r} finds no sample with the labels that it asks for;"
            " check the folder with `mien data check`"
        )
    return Chosen(samples, digest.hexdigest(), len(seen), dict(left_out))


def _feabench() -> Source:
    from mien.synth.feabench import FeaBenchError, load_feabench

    try:
        benchmark = load_feabench()
    except FeaBenchError as error:
        raise SourceError(str(error)) from error
    place = {sample.id: index for index, sample in enumerate(benchmark.samples)}
    return Source(
        lambda: (_seen_grades(sample) for sample in benchmark.samples),
        lambda sample, _: [_decoded(benchmark, place[sample.id])],
    )


def _decoded(benchmark: FeaBenchSynth, index: int) -> Picture:
    return benchmark[index][1]


def _seen_grades(sample: Sample) -> Sample:
    """The sample without intensities of hidden units, which the benchmark does not score."""
    hidden = {int(n) for n in str(sample.attributes.get("hidden_units", "")).split()}
    units = tuple(
        replace(unit, intensity=None) if unit.au in hidden else unit
        for unit in sample.action_units or ()
    )
    return replace(sample, action_units=units)


def _on_disk(suite: Suite, root: Path) -> Source:
    from mien.data.pictures import open_frames
    from mien.data.readers import DataError, read

    spec = suite.source
    folder = root.parent if root.is_file() else root

    def samples() -> Iterator[Sample]:
        try:
            if not spec.folds:
                yield from read(spec.reader, root, split=spec.split, **spec.options)
            for fold in spec.folds:
                options = {**spec.options, "fold": fold}
                for sample in read(spec.reader, root, split=spec.split, **options):
                    yield replace(sample, split=f"fold {fold}")
        except DataError as error:
            raise SourceError(str(error)) from error

    return Source(samples, lambda sample, count: open_frames(sample, folder, count))
