"""Makes a set of rendered faces in a folder, or goes on with one that was begun."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien._version import __version__
from mien.partfile import sink_error, write_whole
from mien.synth.dataset_settings import Settings, SettingsError, StoreFormat, agree
from mien.synth.face_models import Loader, SourceError, fingerprint, load
from mien.synth.picture_files import Store, open_store, take
from mien.synth.produce import ImageFormat, Picture, Plan, ProduceError, produce
from mien.synth.scene import Split
from mien.synth.sheet import sheet
from mien.synth.summary import Summary

__all__ = ["Made", "ProduceError", "SettingsError", "SourceError", "make_dataset"]

SHEET = "sheet.jpg"
SUMMARY = "summary.json"
ON_SHEET = 48
PER_SHARD = 1000


@dataclass(frozen=True)
class Made:
    """What a run did.

    Attributes:
        pictures: that it made; those that were there before are not counted.
        seconds: that it took to make them.
        summary: of the whole set.
    """

    pictures: int
    seconds: float
    summary: Summary

    @property
    def per_second(self) -> float | None:
        """Pictures a second; None where all were there already."""
        return self.pictures / self.seconds if self.pictures else None


def make_dataset(
    out: Path,
    *,
    count: int,
    models: Sequence[Loader],
    seed: int = 0,
    split: Split = "train",
    size: int = 256,
    format: StoreFormat = "parquet",
    image_format: ImageFormat = "webp",
    processes: int = 1,
    per_shard: int = PER_SHARD,
    each: Callable[[int], None] = lambda done: None,
) -> Made:
    """Makes the pictures that a folder lacks, then its contact sheet and summary.

    What is written depends on the arguments up to `image_format` and on the
    machine's renderer, not on how many processes made them or how often they were stopped.

    Args:
        out: the folder; it is made if it is not there.
        count: number of pictures in the set.
        models: what loads the face models (`sources.loader`); pictures take them by turns.
        seed: of the set.
        split: which population of people, skins, lights and combinations is drawn from.
        size: side of the pictures in pixels.
        format: how the pictures are stored.
        image_format: how they are encoded.
        processes: how many make them.
        per_shard: pictures a shard.
        each: told the number of pictures in hand, first those that were there already.

    Raises:
        SourceError: if a face model cannot be loaded.
        SettingsError: if the folder was begun with other settings, or another run writes to it.
        ProduceError: if nothing can be rendered.
        SinkError: if the pictures cannot be written.
    """
    settings = Settings(
        count=count,
        seed=seed,
        split=split,
        size=size,
        models=tuple(fingerprint(load(model)) for model in models),
        format=format,
        image_format=image_format,
        per_shard=per_shard,
        mien=__version__,
    )
    plan = Plan(tuple(models), seed, split, size, image_format, per_shard)
    with _own(out):
        agree(out, settings)
        store = open_store(out, settings)
        made, seconds = _make_missing(store, settings, plan, processes, each, out)
        return _finish(out, store, made, seconds)


def _make_missing(
    store: Store,
    settings: Settings,
    plan: Plan,
    processes: int,
    each: Callable[[int], None],
    out: Path,
) -> tuple[int, float]:
    shards = settings.shards()
    missing = [shard for shard in range(len(shards)) if not store.is_whole(shard)]
    if not missing:
        each(settings.count)
        return 0, 0.0
    for name in (SUMMARY, SHEET):  # they would tell of fewer pictures
        (out / name).unlink(missing_ok=True)
    due = sum(len(shards[shard]) for shard in missing)
    there = settings.count - due
    each(there)
    numbers = itertools.chain.from_iterable(shards[shard] for shard in missing)
    start = time.perf_counter()
    with contextlib.closing(produce(plan, numbers, processes=processes)) as stream:
        pictures = _counted(stream, each, there)
        try:
            for shard in missing:
                store.write(shard, take(pictures, shards[shard]))
        except KeyboardInterrupt:
            store.close()
            raise
        store.close()
    return due, time.perf_counter() - start


def _counted(
    pictures: Iterator[Picture], each: Callable[[int], None], there: int
) -> Iterator[Picture]:
    for done, picture in enumerate(pictures, there + 1):
        yield picture
        each(done)


def _finish(out: Path, store: Store, made: int, seconds: float) -> Made:
    summary = Summary.of(store.samples())
    if made or not (out / SHEET).exists():
        write_whole(out / SHEET, sheet(itertools.islice(store.pictures(), ON_SHEET)))
    if made or not (out / SUMMARY).exists():
        text = json.dumps(summary.to_dict(), indent=1)
        write_whole(out / SUMMARY, (text + "\n").encode())
    return Made(made, seconds, summary)


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[None]:
    """The folder, made if need be, and no other run's meanwhile."""
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise sink_error(folder, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(f"another run is writing to {folder}") from error
        yield
    finally:
        os.close(handle)
