"""What `mien data check` finds, in counts and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_EXAMPLES = 10
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
        compared: whether published numbers are known for this way of reading.
        differences: what shows that the copy is not whole; one sentence each.
        remarks: what is no problem, or cannot be said for sure.
        bad_rows, missing, unreadable: rows or parts, and files.
        duplicates: ids that occur twice.
        contradictions: pictures that are listed again with other labels.
        shared_subjects: people in more than one split.
        missing_subjects: people of the published lists of whom there is nothing.
        remedies: what to do, one sentence a kind of problem.
    """

    name: str
    root: str
    splits: dict[str, SplitCounts] = field(default_factory=dict)
    compared: bool = False
    differences: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    bad_rows: Findings = field(default_factory=Findings)
    missing: Findings = field(default_factory=Findings)
    unreadable: Findings = field(default_factory=Findings)
    duplicates: Findings = field(default_factory=Findings)
    contradictions: Findings = field(default_factory=Findings)
    shared_subjects: Findings = field(default_factory=Findings)
    missing_subjects: Findings = field(default_factory=Findings)
    remedies: list[str] = field(default_factory=list)

    @property
    def findings(self) -> Mapping[str, Findings]:
        """Name of each kind of problem to what was found of it."""
        return {
            "rows or parts that cannot be read": self.bad_rows,
            "missing files": self.missing,
            "unreadable pictures": self.unreadable,
            "ids that occur twice": self.duplicates,
            "pictures with contradictory labels": self.contradictions,
            "people in more than one split": self.shared_subjects,
            "people who are missing": self.missing_subjects,
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
            "compared": self.compared,
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
