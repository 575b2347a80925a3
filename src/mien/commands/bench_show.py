"""`mien bench list`, `show` and `compare`, and results in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from mien.bench.figure_names import STATUSES, interval, kind_title, shown, title
from mien.bench.result import Result
from mien.bench.suite import SuiteError, list_suites, load_suite
from mien.terminal import Console, say

if TYPE_CHECKING:
    from mien.bench.run import Outcome


def run_list() -> int:
    """Prints the suites."""
    table = Table(box=None, pad_edge=False)
    for column in ("suite", "what", "tasks", "data"):
        table.add_column(column, overflow="fold")
    for name in list_suites():
        suite = load_suite(name)
        data = "comes with mien" if suite.source.reader == "feabench-synth" else "--data DIR"
        table.add_row(name, suite.title, str(len(suite.tasks)), data)
    Console().print(table)
    return 0


def run_show(name: str) -> int:
    """Prints what a suite asks."""
    try:
        suite = load_suite(name)
    except SuiteError as error:
        Console(stderr=True).print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    say(f"{suite.name}, version {suite.version}: {suite.title}")
    say(f"hash {suite.hash()}")
    say(suite.about)
    if suite.paper:
        say(f"after {suite.paper}")
    say(f"source: {suite.source.reader}, split {suite.source.split or 'all'}")
    say(f"faces: {suite.faces}; expressions: {suite.label_set}")
    if suite.units:
        say(f"action units: {', '.join(map(str, suite.units))}")
    if suite.threshold is not None:
        say(f"present from intensity {suite.threshold:g}")
    hashes = suite.prompt_hashes()
    for task in suite.tasks:
        say(f"\n{task.name}, prompt {hashes[task.name]}")
        if task.own_prompt:
            say(f"(asks a face's own {task.own_prompt} where it has one)")
        if task.system:
            say(f"system: {task.system}")
        say(task.prompt)
    return 0


def run_compare(
    first: str, second: str, *, suite: str | None, out: Path, samples: int, seed: int
) -> int:
    """Prints the paired differences of two runs."""
    from mien.bench.answer_log import StoreError
    from mien.bench.compare import compare
    from mien.bench.score.folder import read_folder

    errors = Console(stderr=True)
    try:
        folders = [_folder(name, suite, out) for name in (first, second)]
        a, b = (read_folder(folder) for folder in folders)
        rows = compare(a, b, samples=samples, seed=seed)
    except (StoreError, SuiteError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    table = Table(box=None, pad_edge=False)
    names = [one.run.header["model"] for one in (a, b)]
    for column in ("task", "figure", "items", *names, "difference", "95 % interval"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row.task,
            title(row.name),
            str(row.items),
            shown(row.name, row.first),
            shown(row.name, row.second),
            shown(row.name, row.difference),
            interval(row.name, row.low, row.high) + (" *" if row.clear else ""),
        )
    Console().print(table)
    say(f"* the interval excludes 0; drawn by {a.run.cluster}, {samples} times")
    return 0


def print_results(results: Sequence[Result]) -> None:
    """The headline of each task, the models side by side."""
    console = Console()
    for index, task in enumerate(results[0].tasks):
        table = Table(title=kind_title(task.name, task.kind), title_justify="left", box=None)
        table.add_column("")
        columns = [r.tasks[index] if index < len(r.tasks) else None for r in results]
        for result in results:
            table.add_column(result.model, overflow="fold")
        table.add_row("items", *(str(c.items) if c else "-" for c in columns))
        for name in ("parse_rate", *task.headline):
            cells = []
            for column in columns:
                figure = column.figures.get(name) if column else None
                if figure is None:
                    cells.append("-")
                    continue
                ends = interval(name, figure.low, figure.high)
                cells.append(f"{shown(name, figure.value)} {ends}".strip())
            table.add_row(title(name), *cells)
        for name, values in task.baselines.items():
            parts = [f"{title(k)} {shown(k, v)}" for k, v in values.items() if k in task.headline]
            if parts:
                table.add_row(f"baseline: {name}", ", ".join(parts))
        console.print(table)


def print_outcome(outcome: Outcome, errors: Console) -> None:
    """Says what was not answered, if anything."""
    bad = {k: n for k, n in outcome.statuses.items() if k != "ok" and n}
    if bad:
        parts = ", ".join(f"{n} {STATUSES[k]}" for k, n in sorted(bad.items()))
        errors.print(
            f"{outcome.folder}: of {outcome.items} questions {parts}; all count as wrong",
            markup=False,
        )
    if outcome.why_failed:
        errors.print(
            f"{outcome.folder}: no answer, most often: {outcome.why_failed}; run the command again"
            " to ask once more",
            markup=False,
            soft_wrap=True,
        )
    if outcome.error:
        errors.print(f"{outcome.folder}: stopped: {outcome.error}", markup=False, soft_wrap=True)


def _folder(name: str, suite: str | None, out: Path) -> Path:
    """The folder of a run: the name itself, or a model's folder in that of a suite."""
    from mien.bench.answer_log import ANSWERS_FILE
    from mien.bench.run import model_slug

    path = Path(name)
    if (path / ANSWERS_FILE).is_file():
        return path
    if suite is not None:
        found = out / suite / model_slug(name)
        if (found / ANSWERS_FILE).is_file():
            return found
    raise SuiteError(
        f"{name}: no folder with answers; name the folder of a run, or a model with --suite and"
        " --out"
    )
