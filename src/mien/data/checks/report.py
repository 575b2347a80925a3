"""What stands in a set, and what its checks found: counts, lengths, words, links, examples."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.data.build.settings import BuildError
from mien.data.build.tasks import content_hash
from mien.data.checks.check_page import report_page
from mien.data.checks.wording import words
from mien.partfile import write_whole
from mien.untrusted import TextError, read_json_object

if TYPE_CHECKING:
    from mien.data.build.shards import Folder

REPORT = "report.json"
PAGE = "report.html"
_EXAMPLES = 3
_TOP_WORDS = 40


@dataclass
class Report:
    """Statistics of a set.

    Attributes:
        rows, samples, subjects, turns: how many; subjects as far as they are known.
        tasks, sources, splits, writers, licences: rows of each.
        pseudo: rows whose units another model labelled.
        expressions: rows by labelled expression, "not labelled" among them.
        units: per AU, samples' rows in which it is present, absent, or not labelled.
        links: per expression, rows with both labels, and of these those that show each AU.
        lengths: per task, words an answer: fewest, median, mean, 95th percentile, most.
        vocabulary: different words, all words, the most frequent.
        checks: counts of the checks over all shards.
        examples: per task, some rows drawn by chance.
        set_aside: some of the texts that were set aside.
        left_out: per source, why samples are not in the set, and how many.
    """

    rows: int = 0
    samples: int = 0
    subjects: int = 0
    turns: int = 0
    pseudo: int = 0
    tasks: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    writers: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)
    expressions: dict[str, int] = field(default_factory=dict)
    units: dict[str, dict[str, int]] = field(default_factory=dict)
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    lengths: dict[str, dict[str, float]] = field(default_factory=dict)
    vocabulary: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def read(cls, folder: Path) -> Report:
        """Reads what `write_report` wrote.

        Raises:
            BuildError: if it holds something else.
        """
        remedy = "remove it, and run the same `mien data build` again"
        try:
            return cls(**read_json_object(folder / REPORT, remedy=remedy))
        except (TextError, TypeError) as error:
            raise BuildError(f"{folder / REPORT}: no report ({error}); {remedy}") from None


class _Counts:
    """Counters that one pass over the rows fills; their size does not grow with the rows."""

    def __init__(self) -> None:
        self.by: dict[str, Counter[str]] = {
            name: Counter()
            for name in ("task", "source", "split", "writer", "licence", "expression")
        }
        self.units: dict[int, Counter[str]] = {}
        self.unit_rows = self.rows = self.turns = self.pseudo = 0
        self.both: Counter[str] = Counter()
        self.links: dict[str, Counter[int]] = {}
        self.lengths: dict[str, Counter[int]] = {}
        self.words: Counter[str] = Counter()
        self.samples: set[int] = set()
        self.subjects: set[int] = set()
        self.examples: dict[str, list[tuple[int, str, dict[str, Any]]]] = {}

    def add(self, row: Mapping[str, Any], answers: Iterable[str]) -> None:
        answers = list(answers)
        labels = row["labels"]
        self.rows += 1
        self.turns += len(answers)
        self.pseudo += bool(row["pseudo"])
        for name, count in self.by.items():
            value = labels["expression"] if name == "expression" else row[name]
            count[value or ("not labelled" if name == "expression" else "not said")] += 1
        self.samples.add(content_hash(row["source"], row["sample"]))
        if row["subject"] is not None:
            self.subjects.add(content_hash(row["dataset"], row["subject"]))
        self._labels(labels)
        lengths = self.lengths.setdefault(row["task"], Counter())
        for answer in answers:
            lengths[len(answer.split())] += 1
            self.words.update(word.lower() for word in words(answer))
        self._example(row)

    def _labels(self, labels: Mapping[str, Any]) -> None:
        units, expression = labels["action_units"], labels["expression"]
        if units is None:
            return
        self.unit_rows += 1
        present = [unit["au"] for unit in units if unit["present"]]
        for unit in units:
            counts = self.units.setdefault(unit["au"], Counter())
            counts["present" if unit["present"] else "absent"] += 1
        if expression is not None:
            self.both[expression] += 1
            self.links.setdefault(expression, Counter()).update(present)

    def _example(self, row: Mapping[str, Any]) -> None:
        heap = self.examples.setdefault(row["task"], [])
        entry = (-content_hash("example", row["id"]), row["id"], dict(row))
        if len(heap) < _EXAMPLES:
            heapq.heappush(heap, entry)
        elif entry[:2] > heap[0][:2]:
            heapq.heapreplace(heap, entry)


def report_of(folder: Folder) -> Report:
    """Reads a set once and counts."""
    counts = _Counts()
    for row, answers in folder.answers():
        counts.add(row, answers)
    total = sum(counts.words.values())
    return Report(
        rows=counts.rows,
        samples=len(counts.samples),
        subjects=len(counts.subjects),
        turns=counts.turns,
        pseudo=counts.pseudo,
        tasks=_ordered(counts.by["task"]),
        sources=_ordered(counts.by["source"]),
        splits=_ordered(counts.by["split"]),
        writers=_ordered(counts.by["writer"]),
        licences=_ordered(counts.by["licence"]),
        expressions=_ordered(counts.by["expression"]),
        units={
            f"AU{au}": {
                "present": found["present"],
                "absent": found["absent"],
                "not labelled": counts.rows - found.total(),
            }
            for au, found in sorted(counts.units.items())
        },
        links={
            name: {
                "rows": rows,
                "units": {f"AU{au}": n for au, n in sorted(counts.links[name].items())},
            }
            for name, rows in _ordered(counts.both).items()
        },
        lengths={task: _spread(found) for task, found in sorted(counts.lengths.items())},
        vocabulary={
            "different": len(counts.words),
            "words": total,
            "most_frequent": dict(_ranked(counts.words)[:_TOP_WORDS]),
        },
        checks=_checks(folder),
        examples={
            task: [_short(row) for _, _, row in sorted(heap, key=lambda e: (-e[0], e[1]))]
            for task, heap in sorted(counts.examples.items())
        },
        set_aside=heapq.nsmallest(
            30, folder.set_aside(), key=lambda row: content_hash("example", row["id"])
        ),
        left_out=folder.left_out,
    )


def write_report(folder: Folder) -> Report:
    """Writes `report.json` and `report.html` into a set.

    Raises:
        SinkError: if they cannot be written.
    """
    report = report_of(folder)
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
    write_whole(folder.path / REPORT, (text + "\n").encode())
    write_whole(folder.path / PAGE, report_page(report.to_dict()).encode())
    return report


def _checks(folder: Folder) -> dict[str, Any]:
    """Sums over the shards; a text that was refused twice by one rule counts once for it."""
    total: Counter[str] = Counter()
    nested: dict[str, Counter[str]] = {"refused": Counter(), "set_aside": Counter()}
    for shard in folder.shards:
        for name, value in shard.stats.items():
            if name in nested:
                nested[name].update(value)
            else:
                total[name] += value
    return {**total, **{name: _ordered(found) for name, found in nested.items()}}


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(_ranked(counts))


def _spread(counts: Counter[int]) -> dict[str, float]:
    """Of a histogram of whole numbers."""
    total = counts.total()
    return {
        "fewest": min(counts),
        "median": _quantile(counts, total, 0.5),
        "mean": round(sum(n * k for n, k in counts.items()) / total, 2),
        "p95": _quantile(counts, total, 0.95),
        "most": max(counts),
    }


def _quantile(counts: Counter[int], total: int, share: float) -> int:
    """The smallest value that at least this share of all do not exceed."""
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= share * total:
            return value
    return max(counts)


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "task", "writer", "images", "videos", "messages", "labels")
    return {name: row[name] for name in names}
