"""The benchmark page of nano: `python -m recipes.nano.write_bench bench/feabench-synth`.

Takes the folder that `mien bench feabench-synth --model mien/nano` wrote, copies its report to
`docs/reports/` and puts its figures between `<!-- figures -->` and `<!-- /figures -->` of
`docs/bench_nano.md`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from mien import facs
from mien.bench.figure_names import interval, kind_title, shown, title
from mien.bench.result import Result, TaskResult, read_result

from .write_figures import ROOT, replace_between, table

PAGE = ROOT / "docs" / "bench_nano.md"
REPORT = ROOT / "docs" / "reports" / "feabench-synth-nano.html"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what `mien bench feabench-synth` wrote")
    folder = parser.parse_args().folder
    result = read_result(folder / "mien-nano" / "results.json")
    replace_between(PAGE, "figures", "\n\n".join(figures(result)))
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "report.html", REPORT)


def figures(result: Result) -> list[str]:
    """The page's parts: a table of headline figures, one of units, one of expressions."""
    tasks = {task.kind: task for task in result.tasks}
    head = ("task", "items", "figure", "mien/nano", "95 %", "best baseline")
    rows = [
        [kind_title(task.name, task.kind), str(task.items), title(name), *found(task, name)]
        for task in result.tasks
        for name in ("parse_rate", *task.headline)
    ]
    columns = ("unit", "present", "F1", "always on", "AUC", "AP", "PCC", "ICC(3,1)", "MAE")
    units = [
        [
            f"AU{row.au} {facs.au_info(row.au).name}",
            f"{row.present} of {row.known}",
            shown("f1", row.f1),
            shown("f1", row.always_on),
            *(shown(name, row.numbers.get(name)) for name in ("auc", "ap")),
            *(shown(f"intensity_{name}", row.numbers.get(name)) for name in ("pcc", "icc", "mae")),
        ]
        for row in tasks["au_detection"].units
    ]
    classes = [
        [row.label, str(row.support)]
        + [shown("f1", value) for value in (row.recall, row.precision, row.f1)]
        for row in tasks["expression"].classes
    ]
    used = ", ".join(f"{name} {v}" for name, v in (result.versions | result.identity).items())
    return [
        table(head, rows),
        "## By unit",
        table(columns, units),
        "## By expression",
        table(("expression", "faces", "recall", "precision", "F1"), classes),
        f"Made with {used}.",
    ]


def found(task: TaskResult, name: str) -> tuple[str, str, str]:
    """A figure, its interval and the best of the baselines."""
    figure = task.figures[name]
    bases = [(values[name], who) for who, values in task.baselines.items() if name in values]
    best = max(bases, default=None)
    return (
        shown(name, figure.value),
        interval(name, figure.low, figure.high),
        "-" if best is None else f"{shown(name, best[0])} ({best[1]})",
    )


if __name__ == "__main__":
    main()
