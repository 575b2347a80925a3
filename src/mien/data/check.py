"""Checks a dataset on disk: what is there, what is missing, and what is not as published."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.data.pictures import files_of, folder_of, open_frames
from mien.data.published import Published, published
from mien.data.readers import read, reader
from mien.media import MediaError
from mien.sample import Sample

_EXAMPLES = 10
_MIXED = "mixed"
NO_SPLIT = "(no split)"


@dataclass
class Findings:
    """How often something is wrong, with the first examples.

    Attributes:
        count: how often.
        examples: the first ten.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


@dataclass
class SplitCounts:
    """What a split holds.

    Attributes:
        samples: their number.
        expressions: class to number; unlabelled samples are not counted.
        units: action unit to numbers of present, absent and unknown.
    """

    samples: int = 0
    expressions: Counter[str] = field(default_factory=Counter)
    units: dict[int, list[int]] = field(default_factory=dict)


@dataclass
class Report:
    """What `check_dataset` found.

    Attributes:
        name: of the dataset.
        root: its folder.
        splits: split to what it holds.
        differences: from the published numbers that are certain; one sentence each.
        remarks: what is no problem, or cannot be said for sure.
        bad_rows, missing, unreadable: rows and files.
        duplicates: ids that occur twice.
        shared_subjects: people in more than one split.
        remedies: what to do, one sentence a kind of problem.
    """

    name: str
    root: str
    splits: dict[str, SplitCounts] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    bad_rows: Findings = field(default_factory=Findings)
    missing: Findings = field(default_factory=Findings)
    unreadable: Findings = field(default_factory=Findings)
    duplicates: Findings = field(default_factory=Findings)
    shared_subjects: Findings = field(default_factory=Findings)
    remedies: list[str] = field(default_factory=list)

    @property
    def findings(self) -> Mapping[str, Findings]:
        """Name of each kind of problem to what was found of it."""
        return {
            "rows that cannot be read": self.bad_rows,
            "missing files": self.missing,
            "unreadable pictures": self.unreadable,
            "ids that occur twice": self.duplicates,
            "people in more than one split": self.shared_subjects,
        }

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.differences and not any(f.count for f in self.findings.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "name": self.name,
            "root": self.root,
            "ok": self.ok,
            "splits": {
                split: {
                    "samples": counts.samples,
                    "expressions": dict(counts.expressions),
                    "action_units": {
                        str(au): dict(zip(("present", "absent", "unknown"), values, strict=True))
                        for au, values in sorted(counts.units.items())
                    },
                }
                for split, counts in self.splits.items()
            },
            "differences": self.differences,
            "remarks": self.remarks,
            "problems": {
                name: {"count": found.count, "examples": found.examples}
                for name, found in self.findings.items()
            },
            "remedies": self.remedies,
        }


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
        The report. Memory grows by some tens of bytes a sample, for the ids.

    Raises:
        DataError: if nothing can be read: unknown name or option, or a wrong layout.
    """
    report = Report(name, str(root))
    settings = reader(name).settings(split, options)
    looked_for: dict[str, bool] = {}
    ids: set[bytes] = set()
    people: dict[str, set[str]] = {}

    def bad(where: str, why: str) -> None:
        report.bad_rows.add(f"{where}: {why}")

    for sample in read(name, root, split=split, bad=bad, **options):
        own = sample.split or NO_SPLIT
        _count(report.splits.setdefault(own, SplitCounts()), sample)
        key = hashlib.blake2b(sample.id.encode(), digest_size=8).digest()
        if key in ids:
            report.duplicates.add(sample.id)
        ids.add(key)
        if sample.subject is not None:
            people.setdefault(own, set()).add(sample.subject)
        _files(report, sample, Path(root), looked_for, open_pictures)
        progress()
    _people(report, people)
    _compare(report, published(reader(name).name, settings), split)
    _remedies(report, reader(name).page, reader(name).access)
    return report


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
            there = (folder / path).is_file()
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


def _compare(report: Report, entries: tuple[Published, ...], split: str | None) -> None:
    if not entries:
        report.remarks.append("no published counts for this way of reading")
        return
    found = [(_differences(report, entry, split), entry) for entry in entries]
    lines, entry = min(found, key=lambda pair: len(pair[0]))
    if not lines:
        report.remarks.append(f"counts as published ({entry.source})")
    elif entry.certainty == "certain":
        report.differences += [f"{line} ({entry.source})" for line in lines]
    else:
        report.remarks += [f"{line} ({entry.source}; not certain)" for line in lines]


def _differences(report: Report, entry: Published, split: str | None) -> list[str]:
    lines = []
    for name, number in entry.splits.items():
        if split in (None, name) or name == "all":
            samples = _of(report, name).samples
            if samples != number and not (name == "all" and split is not None):
                lines.append(f"{name}: {samples:,} samples, published are {number:,}")
    for name, classes in entry.classes.items():
        if split not in (None, name):
            continue
        counted = _of(report, name).expressions
        for label, number in classes.items():
            if counted[label] != number:
                lines.append(f"{name}: {counted[label]:,} of {label}, published are {number:,}")
    return lines


def _of(report: Report, split: str) -> SplitCounts:
    if split != "all":
        return report.splits.get(split, SplitCounts())
    total = SplitCounts()
    for counts in report.splits.values():
        total.samples += counts.samples
        total.expressions.update(counts.expressions)
    return total


def _remedies(report: Report, page: str, access: str) -> None:
    remedies = {
        "bad_rows": f"Rows: unpack the lists of labels again; {page} shows what they hold.",
        "missing": f"Missing files: unpack the archives of pictures again, all parts; {page} shows"
        " where they belong.",
        "unreadable": "Unreadable pictures: unpack or download these files again.",
        "duplicates": "Ids: look for a list that was copied or merged twice.",
        "shared_subjects": "People: do not train and test on these splits; use a fold.",
    }
    for kind, words in remedies.items():
        if getattr(report, kind).count:
            report.remedies.append(words)
    if report.differences:
        report.remedies.append(
            f"Counts: the copy is incomplete or another release. To get it: {access}."
        )
