"""What a run scored, as plain types with JSON in and out (`results.json`).

The same answers give the same file, byte for byte: it holds no time and no date, and numbers are
rounded to six decimals. A number that is not defined is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mien.partfile import write_whole
from mien.untrusted import TextError, json_object

RESULT_VERSION = 1
RESULT_FILE = "results.json"


class ResultError(ValueError):
    """A result cannot be read; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its interval.

    Attributes:
        value: None where undefined, for example F1 without a positive label.
        low, high: ends of the 95 % bootstrap interval; None where there is none.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Scores of one expression; None where undefined."""

    label: str
    support: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class UnitRow:
    """Scores of one action unit.

    Attributes:
        au: FACS number.
        known, present: faces whose label is known, and of these where it is present.
        f1: from the text, over all faces with a known label; None where it is never present.
        low, high: interval of `f1`.
        precision, recall: from the text.
        always_on: F1 of always answering "present".
        fold_mean: mean over folds of F1, where the suite has folds.
        numbers: scores of the model's numbers, where it gives any: "f1", "auc", "ap", "ece",
            "pcc", "icc", "mae".
    """

    au: int
    known: int
    present: int
    f1: float | None
    low: float | None = None
    high: float | None = None
    precision: float | None = None
    recall: float | None = None
    always_on: float | None = None
    fold_mean: float | None = None
    numbers: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """Counts; rows are truth, columns the answers, `unparsed` the answers that name no class."""

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    unparsed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of faces by a labelled attribute, such as gender, female."""

    attribute: str
    value: str
    items: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Scores of one task.

    Attributes:
        name, kind: as in the suite.
        items: what was asked, answered or not: the denominator of every strict score.
        statuses: how many of the items are "ok", "unparsed", "failed", "no_face", "unreadable" and
            "missing" (not asked yet); they sum to `items`.
        headline: names of the figures to look at first.
        figures: every score from the answers' words by name.
        parsed_only: the same over the parsed answers alone; never to be quoted alone.
        numbers: scores of the numbers that stand beside the words, where the model gives any.
        baselines: what needs no model: baseline to figure to value.
        classes, units, confusion, groups: tables, empty or None where they do not apply.
        undefined: units or classes that never occur in the truth and are left out of means.
    """

    name: str
    kind: str
    items: int
    statuses: Mapping[str, int]
    headline: tuple[str, ...]
    figures: Mapping[str, Figure]
    parsed_only: Mapping[str, float | None] = field(default_factory=dict)
    numbers: Mapping[str, Figure] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    classes: tuple[ClassRow, ...] = ()
    units: tuple[UnitRow, ...] = ()
    confusion: ConfusionTable | None = None
    groups: tuple[GroupRow, ...] = ()
    undefined: tuple[str, ...] = ()

    @property
    def parse_rate(self) -> float | None:
        """Share of the items whose answer could be read."""
        return self.statuses.get("ok", 0) / self.items if self.items else None


@dataclass(frozen=True, slots=True)
class Result:
    """Scores of one model on one suite.

    Attributes:
        suite: name, version, title, hash and prompt hashes.
        model: as given to `--model`.
        identity: what decides the model's answers.
        settings: device, batch size and so on, of the last run.
        versions: of mien, Python and what found the faces, and of what scored the answers.
        data: fingerprint, how many samples there are and were asked, what was left out and why.
        intervals: level, draws, seed, and what was drawn ("subject", "clip" or "item").
        tasks: in the suite's order.
        published: rows of publications to compare with, each with its source.
        schema_version: of this file.
    """

    suite: Mapping[str, Any]
    model: str
    identity: Mapping[str, str]
    settings: Mapping[str, str]
    versions: Mapping[str, str]
    data: Mapping[str, Any]
    intervals: Mapping[str, Any]
    tasks: tuple[TaskResult, ...]
    published: tuple[Mapping[str, Any], ...] = ()
    schema_version: int = RESULT_VERSION

    def task(self, name: str) -> TaskResult | None:
        """The task of that name."""
        return next((t for t in self.tasks if t.name == name), None)

    def to_json(self) -> str:
        """Indented JSON with a stable order, numbers rounded to six decimals, NaN as null."""
        return json.dumps(_plain(asdict(self)), ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Reads what `to_json` wrote.

        Raises:
            ResultError: on another schema version or a missing field.
        """
        try:
            data = json_object(text)
            version = data.get("schema_version")
            if version != RESULT_VERSION:
                raise ResultError(
                    f"schema_version is {version!r}; this mien reads {RESULT_VERSION};"
                    " score the answers again with `mien bench rescore`"
                )
            tasks = tuple(_task(t) for t in data.pop("tasks"))
            return cls(tasks=tasks, published=tuple(data.pop("published")), **data)
        except (TextError, AttributeError, KeyError, TypeError) as error:
            raise ResultError(f"no result of mien ({error})") from error


def write_result(result: Result, folder: Path) -> Path:
    """Writes `results.json` into a folder.

    Raises:
        mien.partfile.SinkError: if it cannot be written.
    """
    path = folder / RESULT_FILE
    write_whole(path, (result.to_json() + "\n").encode())
    return path


def read_result(path: Path) -> Result:
    """Reads a `results.json`, or the one in a folder.

    Raises:
        ResultError: if there is none or it cannot be read.
    """
    file = path / RESULT_FILE if path.is_dir() else path
    try:
        return Result.from_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(
            f"{file}: cannot be read ({error.strerror}); `mien bench rescore` writes it"
        ) from error
    except ResultError as error:
        raise ResultError(f"{file}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _figures(data: Mapping[str, Any]) -> dict[str, Figure]:
    return {name: Figure(**value) for name, value in data.items()}


def _task(data: dict[str, Any]) -> TaskResult:
    table = data["confusion"]
    confusion = None
    if table is not None:
        matrix = tuple(tuple(row) for row in table["matrix"])
        confusion = ConfusionTable(tuple(table["labels"]), matrix, tuple(table["unparsed"]))
    groups = tuple(GroupRow(**{**g, "figures": _figures(g["figures"])}) for g in data["groups"])
    return TaskResult(
        **{
            **data,
            "headline": tuple(data["headline"]),
            "figures": _figures(data["figures"]),
            "numbers": _figures(data["numbers"]),
            "classes": tuple(ClassRow(**row) for row in data["classes"]),
            "units": tuple(UnitRow(**row) for row in data["units"]),
            "confusion": confusion,
            "groups": groups,
            "undefined": tuple(data["undefined"]),
        }
    )
