"""Builds a set: surveys the sources, makes the shards that are missing, writes card and report."""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from mien.data.build.draft_texts import Made, template_shard
from mien.data.build.missing_media import Missing
from mien.data.build.plan import (
    Change,
    Item,
    LeftOut,
    SampleSource,
    Survey,
    blocks,
    items,
    nothing_shared,
    survey,
    thin,
    unchanged,
)
from mien.data.build.set_card import CARD, NOTICE, write_card
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.shards import Folder, own
from mien.data.build.sources import Terms
from mien.data.checks.report import PAGE, REPORT, Report, write_report
from mien.data.roots import write_roots
from mien.partfile import PartFile

SET_ASIDE = "set_aside.jsonl"


class WorkerLostError(RuntimeError):
    """A process of the pool is gone; the message says what to do."""


class Writer(Protocol):
    """Makes shards by something else than templates; `teacher.Teacher` does."""

    def resume(self, folder: Folder, shard: int) -> None:
        """Takes note of a shard that is finished."""

    def shard(self, items: Sequence[Item]) -> Made:
        """Makes one."""


@dataclass(frozen=True)
class Built:
    """What a run did.

    Attributes:
        rows: in the set.
        made: shards that were made now.
        report: of the whole set.
    """

    rows: int
    made: int
    report: Report


def prepare(
    sources: Sequence[SampleSource],
    settings: BuildSettings,
    change: Change = unchanged,
    *,
    missing: Missing = "stop",
    shared: LeftOut = nothing_shared,
) -> tuple[BuildSettings, Survey]:
    """Surveys the sources, and puts what they hold into the settings; arguments as of `survey`.

    Raises:
        BuildError: if they cannot be one set, or have fewer rows than are asked for.
        AbsentError: if pictures are missing and that is to stop the build.
        DataError: if the sources cannot be read.
    """
    found = survey(sources, settings, change, missing=missing, shared=shared)
    if settings.count is not None and settings.count > found.rows:
        raise BuildError(
            f"count is {settings.count:,}, but the labels carry only {found.rows:,} rows; ask for "
            "fewer, add sources or tasks, or leave the count out"
        )
    held = {
        source.name: {
            **getattr(source, "held", {"options": "{}"}),
            "hash": found.hashes[source.name],
        }
        for source in sources
    }
    return settings.with_sources(held), found


def build(
    sources: Sequence[SampleSource],
    settings: BuildSettings,
    found: Survey,
    out: Path,
    *,
    terms: Mapping[str, Terms] | None = None,
    change: Change = unchanged,
    writer: Callable[[], AbstractContextManager[Writer]] | None = None,
    processes: int = 1,
    each: Callable[[int], None] = lambda rows: None,
) -> Built:
    """Makes the shards that a folder lacks, then its report, card and notice.

    The bytes of the shards depend on settings, sources and (with a teacher) replies alone, not on
    the number of processes nor on how often the run was stopped.

    Args:
        sources: read once more, label by label; memory stays flat.
        settings, found: of `prepare`.
        out: the folder.
        terms: of each source, for card and notice.
        change: as given to `prepare`.
        writer: opens what makes the shards in this process, one by one, once the folder is this
            run's; None takes templates.
        processes: that write templates.
        each: told the number of rows that are done.

    Raises:
        BuildError: if the folder was begun with other settings, holds files that mien did not
            write, or another run writes to it.
        SinkError: if it cannot be written.
        WorkerLostError: if one of the processes was killed.
    """
    folder = Folder(out)
    with own(out):
        folder.begin(settings, found.left_out)
        roots = {source.name: source.folder.resolve() for source in sources}
        write_roots(out, roots)
        stream = blocks(
            thin(items(sources, settings, found, change), found.rows, settings),
            settings.per_shard,
        )
        made = 0
        with (
            writer() if writer is not None else nullcontext() as hand,
            closing(_shards(stream, folder, settings, roots, hand, processes)) as shards,
        ):
            for number, split, shard in shards:
                if shard is not None:
                    folder.add(
                        number,
                        shard.data,
                        split=split,
                        rows=shard.rows,
                        stats=shard.stats,
                        aside=shard.aside,
                    )
                    made += 1
                each(sum(s.rows for s in folder.shards[: number + 1]))
        if folder.complete and all((out / name).is_file() for name in (REPORT, PAGE, CARD, NOTICE)):
            report = Report.read(out)
        else:
            _join_aside(folder)
            report = write_report(folder)
            write_card(folder, report, terms or {}, found)
            folder.save(complete=True)
    return Built(sum(shard.rows for shard in folder.shards), made, report)


def _shards(
    stream: Iterator[list[Item]],
    folder: Folder,
    settings: BuildSettings,
    roots: Mapping[str, Path],
    writer: Writer | None,
    processes: int,
) -> Generator[tuple[int, str, Made | None], None, None]:
    """Numbers, splits and contents of the shards, in order; None for what is there already."""
    if writer is not None or processes == 1:
        for number, block in enumerate(stream):
            split = block[0].split
            if folder.finished(number, split):
                if writer is not None:
                    writer.resume(folder, number)
                yield number, split, None
            elif writer is not None:
                yield number, split, writer.shard(block)
            else:
                yield number, split, template_shard(block, settings, roots)
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_worker)
    running: deque[tuple[int, str, Future[Made] | None]] = deque()
    try:
        for number, block in enumerate(stream):
            split = block[0].split
            if folder.finished(number, split):
                running.append((number, split, None))
            else:
                made = pool.submit(template_shard, block, settings, roots)
                running.append((number, split, made))
            # a few shards in memory at a time, however many are to come
            while len(running) > processes + 1:
                yield _result(running.popleft())
        while running:
            yield _result(running.popleft())
    except BrokenProcessPool as error:
        raise WorkerLostError(
            "a process that writes shards was ended from outside, most likely because memory ran "
            "out; every finished shard is kept. Give --processes 1 and the same command goes on"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(entry: tuple[int, str, Future[Made] | None]) -> tuple[int, str, Made | None]:
    number, split, future = entry
    return number, split, None if future is None else future.result()


def _worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us


def _join_aside(folder: Folder) -> None:
    """All that was set aside, in one file; none where nothing was."""
    target = folder.path / SET_ASIDE
    lines = folder.set_aside()
    first = next(lines, None)
    if first is None:
        target.unlink(missing_ok=True)
        return
    file = PartFile(target)
    file.open()
    whole = False
    try:
        file.append(_line(first))
        for row in lines:
            file.append(_line(row))
        whole = True
    finally:
        file.close(keep=whole)


def _line(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"
