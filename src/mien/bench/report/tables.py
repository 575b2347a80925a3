"""Tables of the report: the headline of all models, and the details of one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mien import facs
from mien.bench.compare import PairedFigure
from mien.bench.figure_names import KINDS, STATUSES, interval, kind_title, shown, title
from mien.bench.report.plots import COLOURS, Bar, bars, heat
from mien.bench.result import Figure, Result, TaskResult
from mien.page import Cell, Row, Table


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


def classes(results: Sequence[Result], place: int) -> tuple[str, list[tuple[Table, Any]]]:
    """Recall of each class as a plot; then of each model the numbers and the confusion."""
    tasks = [r.tasks[place] for r in results]
    labels = [row.label for row in tasks[0].classes]
    series = [[Bar(row.recall) for row in task.classes] for task in tasks]
    found = []
    for task in tasks:
        rows = [
            [
                row.label,
                str(row.support),
                *(shown("f1", v) for v in (row.recall, row.precision, row.f1)),
            ]
            for row in task.classes
        ]
        made = Table(["", "faces", "recall", "precision", "F1"], rows)
        found.append((made, None if task.confusion is None else heat(task.confusion)))
    return bars(labels, series, title="recall of each class"), found


def units(results: Sequence[Result], place: int) -> tuple[str, list[Table]]:
    """F1 of each unit as a plot with the always-on baseline; then the table of each model."""
    tasks = [r.tasks[place] for r in results]
    names = [f"AU{row.au} {facs.au_info(row.au).name}" for row in tasks[0].units if row.known]
    series = [
        [Bar(row.f1, row.low, row.high, row.always_on) for row in task.units if row.known]
        for task in tasks
    ]
    return bars(names, series, title="F1 of each action unit"), [_unit_table(t) for t in tasks]


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
        cells += [shown("f1", v) for v in (row.precision, row.recall, row.always_on)]
        cells += [shown("f1", row.fold_mean)] if folds else []
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
