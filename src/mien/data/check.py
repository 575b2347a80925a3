"""Checks a dataset on disk: what is there, what is missing, and what is not as published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mien.data.build.face_labels import labels_of
from mien.data.build.tasks import content_hash
from mien.data.check_report import NO_SPLIT, Report, SplitCounts
from mien.data.inside import OutsideError, is_there
from mien.data.pictures import files_of, folder_of, open_frames
from mien.data.published import published
from mien.data.readers import LayoutError, Reader, read, reader
from mien.data.whole import compare, compare_gaps, compare_splits
from mien.media import MediaError
from mien.sample import Sample

_MIXED = "mixed"
MOST_FAULTS = 100_000
"""Faults of one kind behind which a check ends, where every second row has one."""

Labelled = tuple[str | None, int, int]
"""Expression, and present and absent units as bits."""


def check_dataset(
    name: str,
    root: Path,
    *,
    split: str | None = None,
    open_pictures: bool = False,
    progress: Callable[[], None] = lambda: None,
    **options: Any,
) -> Report:
    """Reads a whole dataset and compares it with what is published.

    Args:
        name: key of `readers.READERS`.
        root: its folder.
        split: only this one.
        open_pictures: decodes every picture and the middle frame of every clip, which takes long;
            else files are only looked for.
        progress: called after each sample.
        **options: of the reader.

    Returns:
        The report. Memory grows by some hundred bytes a sample, for ids and labels.

    Raises:
        DataError: if nothing can be read: unknown name or option, or a wrong layout.
    """
    report = Report(name, str(root))
    entry = reader(name)
    settings = entry.settings(split, options)
    root = Path(root).expanduser()
    labelled: dict[int, Labelled] = {}
    looked_for: dict[str, bool] = {}
    ids: set[int] = set()
    people: dict[str, set[str]] = {}

    def bad(where: str, why: str) -> None:
        report.bad_rows.add(f"{where}: {why}")

    whole = True
    samples = read(name, root, split=split, bad=bad, **options)
    while True:
        try:
            sample = next(samples, None)
        except LayoutError as error:
            if not report.splits:
                raise
            report.differences.append(f"reading ended early: {error}")
            whole = False
            break
        if sample is None:
            break
        own = sample.split or NO_SPLIT
        _count(report.splits.setdefault(own, SplitCounts()), sample)
        key = content_hash(sample.id)
        if key in ids:
            report.duplicates.add(sample.id)
        ids.add(key)
        if sample.subject is not None:
            people.setdefault(own, set()).add(sample.subject)
        _contradiction(report, sample, labelled)
        _files(report, sample, root, looked_for, open_pictures)
        progress()
        if _hopeless(report):
            report.differences.append(f"reading was ended behind {MOST_FAULTS:,} faults of a kind")
            whole = False
            break
    _people(report, people)
    if split is None:
        for person in sorted(entry.people.difference(*people.values())):
            report.missing_subjects.add(person)
    layout = entry.layout(root) if entry.layout is not None else None
    compare(report, published(entry.name, settings, layout), split)
    compare_splits(report, entry, split)
    if entry.gaps is not None and whole:
        compare_gaps(report, entry.gaps(root, split, **settings))
    _remedies(report, entry)
    return report


def _hopeless(report: Report) -> bool:
    most = max(found.count for found in report.findings.values())
    return most >= MOST_FAULTS and 2 * most >= sum(c.samples for c in report.splits.values())


def _count(counts: SplitCounts, sample: Sample) -> None:
    counts.samples += 1
    if sample.expression is not None and sample.expression.label is not None:
        counts.expressions[sample.expression.label] += 1
    for unit in sample.action_units or ():
        values = counts.units.setdefault(unit.au, [0, 0, 0])
        values[2 if unit.present is None else 0 if unit.present else 1] += 1


def _files(
    report: Report, sample: Sample, root: Path, looked_for: dict[str, bool], open_pictures: bool
) -> None:
    folder = folder_of(root)
    whole = True
    for path in files_of(sample):
        shared = path != sample.image and sample.image is not None  # one file of many pictures
        there = looked_for.get(path) if shared else None
        if there is None:
            try:
                there = is_there(path, folder)
            except OutsideError as error:
                report.bad_rows.add(f"sample {sample.id}: {error}")
                return
            if shared:
                looked_for[path] = there
            if not there:
                report.missing.add(path)
        whole = whole and there
    if whole and open_pictures:
        try:
            open_frames(sample, root, 1)
        except MediaError as error:
            report.unreadable.add(str(error))


def _people(report: Report, people: Mapping[str, set[str]]) -> None:
    seen: dict[str, str] = {}
    for split, names in people.items():
        if split in (NO_SPLIT, _MIXED):
            continue
        for name in sorted(names):
            if name in seen:
                report.shared_subjects.add(f"{name} in {seen[name]} and {split}")
            seen[name] = split


def _contradiction(report: Report, sample: Sample, labelled: dict[int, Labelled]) -> None:
    """Compares the labels with earlier ones of the same face; what models wrote may differ."""
    if sample.pseudo:
        return
    shown = (sample.image or sample.video or sample.frames[0], sample.box, sample.subject)
    key = content_hash(*shown)
    labels = labels_of(sample)
    expression, (present, absent) = labels.expression or labels.compound, labels.masks
    if key not in labelled:
        labelled[key] = (expression, present, absent)
        return
    before, was, was_not = labelled[key]
    differs = None not in (before, expression) and before != expression
    if differs or present & was_not or absent & was:
        report.contradictions.add(f"{shown[0]} as {sample.id}")


def _remedies(report: Report, entry: Reader) -> None:
    hint = entry.hint
    remedies = {
        "bad_rows": "Rows and parts: unpack the lists of labels and the folders named above again;"
        f" {hint} shows what they hold.",
        "missing": f"Missing files: unpack the archives of pictures again, all parts; {hint} shows"
        " where they belong.",
        "unreadable": "Unreadable pictures: unpack or download these files again.",
        "duplicates": "Ids: look for a list that was copied or merged twice.",
        "contradictions": "Contradictory labels: look for two lists that were merged; keep one.",
        "shared_subjects": "People: do not train and test on these splits; use a fold.",
        "missing_subjects": "Missing people: unpack the archives of labels again, all parts.",
    }
    for kind, words in remedies.items():
        if getattr(report, kind).count:
            report.remedies.append(words)
    if report.differences:
        report.remedies.append(
            f"Counts: the copy is incomplete or another release. To get it: {entry.access}."
        )
