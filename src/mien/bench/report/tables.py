"""Tables of the report: the headline of all models, and the details of one task."""

from __future__ import annotations

from collections.abc import Sequence

from mien import facs
from mien.bench.compare import PairedFigure
from mien.bench.figure_names import STATUSES, interval, kind_title, shown, title
from mien.bench.report.html import escape, figure, name_of, table
from mien.bench.report.plots import Bar, bars, heat
from mien.bench.result import Result, TaskResult


def headline(results: Sequence[Result], place: int) -> str:
    """The figures of one task to look at first, models, baselines and publications as rows."""
    task = results[0].tasks[place]
    names = ("parse_rate", *(n for n in task.headline if n != "parse_rate"))
    rows = []
    for k, result in enumerate(results):
        one = result.tasks[place]
        cells = [figure(name, one.figures.get(name)) for name in names]
        rows.append([name_of(result.model, k), str(one.items), *cells])
        if set(one.numbers) & set(names):
            cells = [figure(name, one.numbers.get(name)) for name in names]
            rows.append([f"{name_of(result.model, k)}, by its numbers", str(one.items), *cells])
    for name, values in task.baselines.items():
        cells = [shown(n, values.get(n)) for n in names]
        if any(cell != "-" for cell in cells):
            rows.append([f'<span class="soft">baseline: {escape(name)}</span>', "", *cells])
    for row in results[0].published:
        if row.get("task") == task.name or (len(results[0].tasks) == 1 and "task" not in row):
            rows.append(_published(row, names))
    head = ["", "items", *(escape(title(name)) for name in names)]
    return table(head, rows, kind="headline")


def other_figures(results: Sequence[Result], place: int) -> str:
    """Everything that is not in the headline, the numbers beside the words included."""
    task = results[0].tasks[place]
    rows = []
    for words, pick in (("", lambda t: t.figures), ("numbers: ", lambda t: t.numbers)):
        names = list(dict.fromkeys(n for r in results for n in pick(r.tasks[place])))
        for name in names:
            if not words and (name in task.headline or name == "parse_rate"):
                continue
            cells = [figure(name, pick(r.tasks[place]).get(name)) for r in results]
            rows.append([escape(words + title(name)), *cells])
    for name in task.headline:
        cells = [shown(name, r.tasks[place].parsed_only.get(name)) for r in results]
        rows.append([f'<span class="soft">{escape(title(name))}, parsed only</span>', *cells])
    head = ["", *(name_of(r.model, k) for k, r in enumerate(results))]
    return table(head, rows, caption="All other figures")


def statuses(results: Sequence[Result], place: int) -> str:
    """What became of the questions."""
    counts = [r.tasks[place].statuses for r in results]
    names = [s for s in STATUSES if any(c.get(s) for c in counts)]
    rows = [
        [name_of(r.model, k), *(str(c.get(s, 0)) for s in names)]
        for k, (r, c) in enumerate(zip(results, counts, strict=True))
    ]
    return table(["", *(STATUSES[s] for s in names)], rows, caption="What became of the questions")


def classes(results: Sequence[Result], place: int) -> str:
    """Recall of each class as a plot, then the numbers and the confusion of each model."""
    tasks = [r.tasks[place] for r in results]
    labels = [row.label for row in tasks[0].classes]
    series = [[Bar(row.recall) for row in task.classes] for task in tasks]
    parts = [
        "<h4>Recall of each class, per cent</h4>",
        bars(labels, series, title="recall of each class"),
    ]
    for k, (result, task) in enumerate(zip(results, tasks, strict=True)):
        rows = [
            [
                escape(row.label),
                str(row.support),
                *(shown("f1", v) for v in (row.recall, row.precision, row.f1)),
            ]
            for row in task.classes
        ]
        inner = table(["", "faces", "recall", "precision", "F1"], rows)
        if task.confusion is not None:
            inner = f'<div class="two"><div>{inner}</div><div>{heat(task.confusion)}</div></div>'
        parts.append(_fold(f"{name_of(result.model, k)}: classes and confusion", inner, k == 0))
    return "".join(parts)


def units(results: Sequence[Result], place: int) -> str:
    """F1 of each unit as a plot with the always-on baseline, then the table of each model."""
    tasks = [r.tasks[place] for r in results]
    names = [f"AU{row.au} {facs.au_info(row.au).name}" for row in tasks[0].units if row.known]
    series = [
        [Bar(row.f1, row.low, row.high, row.always_on) for row in task.units if row.known]
        for task in tasks
    ]
    parts = [
        "<h4>F1 of each unit, per cent (upright line: always answering present)</h4>",
        bars(names, series, title="F1 of each action unit"),
    ]
    for k, (result, task) in enumerate(zip(results, tasks, strict=True)):
        parts.append(
            _fold(f"{name_of(result.model, k)}: table of units", _unit_table(task), k == 0)
        )
    return "".join(parts)


def groups(results: Sequence[Result], place: int) -> str:
    """Headline figures in each group, with its size."""
    if not any(r.tasks[place].groups for r in results):
        return ""
    parts = []
    for k, result in enumerate(results):
        task = result.tasks[place]
        rows = [
            [
                f"{escape(row.attribute)}: {escape(row.value)}",
                str(row.items),
                *(figure(name, row.figures.get(name)) for name in task.headline),
            ]
            for row in task.groups
        ]
        head = ["group", "faces", *(escape(title(name)) for name in task.headline)]
        few = '<p class="soft">Groups of few faces scatter; see the sizes.</p>'
        parts.append(_fold(f"{name_of(result.model, k)}: groups", few + table(head, rows), False))
    return "".join(parts)


def differences(rows: Sequence[PairedFigure], first: str, second: str) -> str:
    """Paired differences of two models."""
    cells = [
        [
            escape(f"{kind_title(row.task, row.task) if row.task in _KINDS else row.task}, ")
            + escape(title(row.name)),
            str(row.items),
            shown(row.name, row.first),
            shown(row.name, row.second),
            f"<b>{shown(row.name, row.difference)}</b>"
            if row.clear
            else shown(row.name, row.difference),
            interval(row.name, row.low, row.high),
        ]
        for row in rows
    ]
    head = ["", "items", escape(first), escape(second), "difference", "95 % interval"]
    return table(head, cells)


_KINDS = (
    "expression",
    "au_detection",
    "expression_description",
    "au_description",
    "reasoning",
    "valence_arousal",
)


def _unit_table(task: TaskResult) -> str:
    extra = [n for n in ("f1", "auc", "ap", "ece", "pcc", "icc", "mae")
             if any(row.numbers.get(n) is not None for row in task.units)]  # fmt: skip
    folds = any(row.fold_mean is not None for row in task.units)
    head = ["unit", "known", "present", "F1", "precision", "recall", "always on"]
    head += ["mean of folds"] if folds else []
    head += [f"{n.upper()} by numbers" for n in extra]
    rows = []
    for row in task.units:
        cells = [str(row.known), str(row.present)]
        cells.append(f'{shown("f1", row.f1)}<span class="ends">{interval("f1", row.low, row.high)}'
                     "</span>")  # fmt: skip
        cells += [shown("f1", v) for v in (row.precision, row.recall, row.always_on)]
        cells += [shown("f1", row.fold_mean)] if folds else []
        scale = {"pcc": "intensity_", "icc": "intensity_", "mae": "intensity_"}
        cells += [shown(scale.get(n, "") + n, row.numbers.get(n)) for n in extra]
        name = escape(facs.au_info(row.au).name)
        rows.append([f'<span title="{name}">AU{row.au}</span>', *cells])
    return table(head, rows, kind="dense")


def _published(row: object, names: Sequence[str]) -> list[str]:
    assert isinstance(row, dict)
    values = [f"{row[n]:.1f}" if n in row else "-" for n in names]
    setting = f", {row['setting']}" if row.get("setting") else ""
    note = f"; {row['note']}" if row.get("note") else ""
    words = f"published: {row['model']}{setting} ({row['source']}{note})"
    return [f'<span class="soft">{escape(words)}</span>', "", *values]


def _fold(heading: str, inner: str, is_open: bool) -> str:
    state = " open" if is_open else ""
    return f"<details{state}><summary>{heading}</summary>{inner}</details>"
