"""Tables of the report: the headline of all models, and the details of one task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from mien import facs
from mien.bench.compare import PairedFigure
from mien.bench.figure_names import KINDS, STATUSES, interval, kind_title, shown, title
from mien.bench.result import ConfusionTable, Figure, Result, TaskResult
from mien.page import Cell, Row, Table

COLOURS = ("#2f6fa7", "#b35a00", "#3f8f4f", "#8a4fa3", "#a33a4a", "#5a6b00")
"""Of models, in their order; the first two are those of all reports of mien."""


class Bar(NamedTuple):
    """One value of a plot in [0, 1], its interval, and a baseline to draw beside it, if known."""

    value: float | None
    low: float | None = None
    high: float | None = None
    mark: float | None = None


Plot: TypeAlias = list[tuple[str, list[Bar]]]
"""Of each label a bar for each model."""


def figure(name: str, value: Figure | None) -> Cell:
    """A figure with its interval under it."""
    if value is None or value.value is None:
        return Cell("-")
    return Cell(shown(name, value.value), ends=interval(name, value.low, value.high))


def name_of(model: str, index: int) -> Cell:
    """A model's name with its colour."""
    return Cell(model, dot=COLOURS[index % len(COLOURS)])


def headline(results: Sequence[Result], place: int) -> Table:
    """The figures of one task to look at first, models, baselines and publications as rows."""
    task = results[0].tasks[place]
    names = ("parse_rate", *(n for n in task.headline if n != "parse_rate"))
    rows: list[Row] = []
    for k, result in enumerate(results):
        one = result.tasks[place]
        cells = [figure(name, one.figures.get(name)) for name in names]
        rows.append([name_of(result.model, k), str(one.items), *cells])
        if set(one.numbers) & set(names):
            cells = [figure(name, one.numbers.get(name)) for name in names]
            named = name_of(f"{result.model}, by its numbers", k)
            rows.append([named, str(one.items), *cells])
    for name, values in task.baselines.items():
        known = [shown(n, values.get(n)) for n in names]
        if any(one != "-" for one in known):
            rows.append([Cell(f"baseline: {name}", soft=True), "", *known])
    for row in results[0].published:
        if row.get("task") == task.name or (len(results[0].tasks) == 1 and "task" not in row):
            rows.append(_published(row, names))
    head = ["", "items", *map(title, names)]
    return Table(head, rows, kind="headline")


def other_figures(results: Sequence[Result], place: int) -> Table:
    """Everything that is not in the headline, the numbers beside the words included."""
    task = results[0].tasks[place]
    rows: list[Row] = []
    for words, pick in (("", lambda t: t.figures), ("numbers: ", lambda t: t.numbers)):
        names = list(dict.fromkeys(n for r in results for n in pick(r.tasks[place])))
        for name in names:
            if not words and (name in task.headline or name == "parse_rate"):
                continue
            cells = [figure(name, pick(r.tasks[place]).get(name)) for r in results]
            rows.append([words + title(name), *cells])
    for name in task.headline:
        parsed = [shown(name, r.tasks[place].parsed_only.get(name)) for r in results]
        rows.append([Cell(f"{title(name)}, parsed only", soft=True), *parsed])
    head: Row = ["", *(name_of(r.model, k) for k, r in enumerate(results))]
    return Table(head, rows, caption="All other figures")


def statuses(results: Sequence[Result], place: int) -> Table:
    """What became of the questions."""
    counts = [r.tasks[place].statuses for r in results]
    names = [s for s in STATUSES if any(c.get(s) for c in counts)]
    rows: list[Row] = [
        [name_of(r.model, k), *(str(c.get(s, 0)) for s in names)]
        for k, (r, c) in enumerate(zip(results, counts, strict=True))
    ]
    return Table(["", *(STATUSES[s] for s in names)], rows, caption="What became of the questions")


def classes(results: Sequence[Result], place: int) -> tuple[Plot, list[tuple[Table, Any]]]:
    """Recall of each class as a plot; then of each model the numbers and the confusion."""
    tasks = [r.tasks[place] for r in results]
    by_label = [{row.label: bar(row.recall) for row in task.classes} for task in tasks]
    recall = [(label, [known.get(label, Bar(None)) for known in by_label]) for label in by_label[0]]
    head = ["", "faces", "recall", "precision", "F1"]
    found = []
    for task in tasks:
        rows = [
            [row.label, str(row.support), *_shares(row.recall, row.precision, row.f1)]
            for row in task.classes
        ]
        found.append((Table(head, rows), task.confusion and heat(task.confusion)))
    return recall, found


def heat(confusion: ConfusionTable) -> dict[str, Any]:
    """A confusion matrix as it is drawn, with the shares of each true class.

    Returns:
        "labels"; and "rows" of a label, its cells, and its faces. A cell is a count, its share
        (None for a class that never occurs), and whether it holds the right answers; the last one
        is of answers that were not read.
    """
    rows = []
    for label, counts, lost in zip(
        confusion.labels, confusion.matrix, confusion.unparsed, strict=True
    ):
        total = sum(counts) + lost
        cells = [
            (count, count / total if total else None, name == label)
            for name, count in zip((*confusion.labels, None), (*counts, lost), strict=True)
        ]
        rows.append((label, cells, total))
    return {"labels": confusion.labels, "rows": rows}


def units(results: Sequence[Result], place: int) -> tuple[Plot, list[Table]]:
    """F1 of each unit as a plot with the always-on baseline; then the table of each model."""
    tasks = [r.tasks[place] for r in results]
    by_unit = [
        {u.au: bar(u.f1, u.low, u.high, u.always_on) for u in task.units if u.known}
        for task in tasks
    ]
    scores = [
        (f"AU{au} {facs.au_info(au).name}", [known.get(au, Bar(None)) for known in by_unit])
        for au in by_unit[0]
    ]
    return scores, [_unit_table(task) for task in tasks]


def bar(*values: float | None) -> Bar:
    """A bar of numbers that may be unknown or undefined."""
    return Bar(*(None if v is None or not math.isfinite(v) else v for v in values))


def _shares(*values: float | None) -> list[str]:
    return [shown("f1", value) for value in values]


def groups(results: Sequence[Result], place: int) -> list[Table]:
    """Headline figures in each group of each model, with its size; none where none has groups."""
    tasks = [r.tasks[place] for r in results]
    if not any(task.groups for task in tasks):
        return []
    return [
        Table(
            ["group", "faces", *map(title, task.headline)],
            [
                [
                    f"{row.attribute}: {row.value}",
                    str(row.items),
                    *(figure(name, row.figures.get(name)) for name in task.headline),
                ]
                for row in task.groups
            ],
        )
        for task in tasks
    ]


def differences(rows: Sequence[PairedFigure], first: str, second: str) -> Table:
    """Paired differences of two models."""
    cells: list[Row] = [
        [
            f"{kind_title(row.task, row.task) if row.task in KINDS else row.task}, "
            + title(row.name),
            str(row.items),
            shown(row.name, row.first),
            shown(row.name, row.second),
            Cell(shown(row.name, row.difference), strong=row.clear),
            interval(row.name, row.low, row.high),
        ]
        for row in rows
    ]
    head = ["", "items", first, second, "difference", "95 % interval"]
    return Table(head, cells)


def _unit_table(task: TaskResult) -> Table:
    extra = [n for n in ("f1", "auc", "ap", "ece", "pcc", "icc", "mae")
             if any(row.numbers.get(n) is not None for row in task.units)]  # fmt: skip
    folds = any(row.fold_mean is not None for row in task.units)
    head = ["unit", "known", "present", "F1", "precision", "recall", "always on"]
    head += ["mean of folds"] if folds else []
    head += [f"{n.upper()} by numbers" for n in extra]
    rows: list[Row] = []
    for row in task.units:
        cells: list[str | Cell] = [str(row.known), str(row.present)]
        cells.append(Cell(shown("f1", row.f1), ends=interval("f1", row.low, row.high)))
        cells += _shares(row.precision, row.recall, row.always_on)
        cells += _shares(row.fold_mean) if folds else []
        scale = {"pcc": "intensity_", "icc": "intensity_", "mae": "intensity_"}
        cells += [shown(scale.get(n, "") + n, row.numbers.get(n)) for n in extra]
        rows.append([Cell(f"AU{row.au}", title=facs.au_info(row.au).name), *cells])
    return Table(head, rows, kind="dense")


def _published(row: object, names: Sequence[str]) -> Row:
    assert isinstance(row, dict)
    values = [f"{row[n]:.1f}" if n in row else "-" for n in names]
    setting = f", {row['setting']}" if row.get("setting") else ""
    note = f"; {row['note']}" if row.get("note") else ""
    words = f"published: {row['model']}{setting} ({row['source']}{note})"
    return [Cell(words, soft=True), "", *values]
