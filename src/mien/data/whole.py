"""Whether a copy of a dataset is whole: published counts, its splits, frames without pictures."""

from __future__ import annotations

from collections.abc import Iterable

from mien.data.check_report import NO_SPLIT, Report, SplitCounts
from mien.data.published import Published
from mien.data.readers import Reader

_MOST_GAPS = 0.25
"""Share of labelled frames without a picture (no face was found) from which a copy is not whole."""


def compare(report: Report, entries: tuple[Published, ...], split: str | None) -> None:
    """Compares counts with the published ones that fit best.

    Args:
        report: what was counted; takes the differences.
        entries: what is published of this way of reading.
        split: the only one that was read; None for all.
    """
    report.compared = bool(entries)
    if not entries:
        report.remarks.append("no published counts for this way of reading")
        return
    found = [(_differences(report, entry, split), entry) for entry in entries]
    lines, entry = min(found, key=lambda pair: len(pair[0]))
    if not lines:
        report.remarks.append(f"counts as published ({entry.source})")
    for share, line in lines:
        if entry.certainty == "certain":
            report.differences.append(f"{line} ({entry.source})")
        elif share < entry.least:
            report.differences.append(f"{line}: far too few ({entry.source})")
        else:
            report.remarks.append(f"{line} ({entry.source}; not certain)")


def _differences(report: Report, entry: Published, split: str | None) -> list[tuple[float, str]]:
    """Sentences, each with the share of the published number that is there."""
    lines = []
    for name, number in entry.splits.items():
        if split in (None, name) or name == "all":
            samples = _of(report, name).samples
            if samples != number and not (name == "all" and split is not None):
                words = f"{name}: {samples:,} samples, published are {number:,}"
                lines.append((samples / number, words))
    for name, classes in entry.classes.items():
        if split not in (None, name):
            continue
        counted = _of(report, name).expressions
        for label, number in classes.items():
            if counted[label] != number and _of(report, name).samples:
                words = f"{name}: {counted[label]:,} of {label}, published are {number:,}"
                lines.append((counted[label] / number, words))
    return lines


def compare_splits(report: Report, entry: Reader, split: str | None) -> None:
    """Whether anything was read, and something of every split."""
    if not report.splits:
        words = "no sample was read" if split is None else f"no sample is in split {split!r}"
        report.differences.insert(0, words)
    elif split is None and set(report.splits) != {NO_SPLIT}:
        lacking = [s for s in entry.splits if s not in {*report.splits, *entry.optional}]
        report.differences[:0] = [f"split {name!r} is missing altogether" for name in lacking]


def compare_gaps(report: Report, gaps: Iterable[tuple[str, int, int]]) -> None:
    """Labelled frames without a picture: some have none in the owners' own copy.

    Args:
        report: takes a remark, or a difference where there are many.
        gaps: see `Reader`.
    """
    clips = list(gaps)
    labelled = sum(count for _, count, _ in clips)
    lacking = sum(count for _, _, count in clips)
    if not lacking:
        return
    worst = sorted(clips, key=lambda clip: -clip[2])[:3]
    words = f"{lacking:,} of {labelled:,} labelled frames have no picture, most of them in "
    words += ", ".join(f"{name} ({count:,})" for name, _, count in worst if count)
    many = lacking > _MOST_GAPS * labelled
    (report.differences if many else report.remarks).append(words)


def _of(report: Report, split: str) -> SplitCounts:
    if split != "all":
        return report.splits.get(split, SplitCounts())
    total = SplitCounts()
    for counts in report.splits.values():
        total.samples += counts.samples
        total.expressions.update(counts.expressions)
    return total
