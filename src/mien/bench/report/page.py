"""Puts the report together and writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from mien.bench.compare import compare
from mien.bench.figure_names import kind_title
from mien.bench.report import tables
from mien.bench.report.examples import examples
from mien.bench.result import Result
from mien.bench.score.folder import Scored
from mien.bench.source import Source
from mien.page import Table, fill
from mien.partfile import write_whole


def write_report(
    path: Path,
    results: Sequence[Result],
    scored: Sequence[Scored],
    source: Source | None,
    *,
    samples: int = 1000,
    seed: int = 0,
) -> None:
    """Writes the page of one or more models on one suite.

    Args:
        path: the HTML file.
        results: of each model, of one suite on one dataset.
        scored: the runs that they came from, for the examples and the differences.
        source: opens the pictures of the examples; None shows none.
        samples, seed: of the differences' intervals.

    Raises:
        StoreError: if the runs cannot be compared.
        mien.partfile.SinkError: if it cannot be written.
    """
    results = _named(results, scored)
    first = results[0]
    page = fill(
        "benchmark.html",
        title=first.suite["title"],
        meta={
            "suite": f"{first.suite['name']}, version {first.suite['version']}",
            "faces": first.data["asked"],
            "models": len(results),
            "mien": first.versions.get("mien", ""),
        },
        suite=first.suite,
        data=first.data,
        intervals=first.intervals,
        models=[tables.name_of(result.model, k) for k, result in enumerate(results)],
        tasks=[
            _task(results, scored, place, source)
            for place, task in enumerate(first.tasks)
            # a part of another size may lack a task
            if all(len(r.tasks) > place and r.tasks[place].name == task.name for r in results)
        ],
        differences=list(_differences(results, scored, samples, seed)),
        origins=[_origin(result) for result in results],
    )
    write_whole(path, page.encode())


def _named(results: Sequence[Result], scored: Sequence[Scored]) -> list[Result]:
    """The results, with the folder behind the name where one model stands there twice."""
    names = [result.model for result in results]
    return [
        replace(result, model=f"{result.model} ({one.run.folder.name})")
        if names.count(result.model) > 1
        else result
        for result, one in zip(results, scored, strict=True)
    ]


def _task(
    results: Sequence[Result], scored: Sequence[Scored], place: int, source: Source | None
) -> dict[str, Any]:
    task = results[0].tasks[place]
    recall, classes = tables.classes(results, place) if task.classes else ([], [])
    f1, units = tables.units(results, place) if task.units else ([], [])
    return {
        "title": kind_title(task.name, task.kind),
        "prompt": results[0].suite["asked"].get(task.name, ""),
        "headline": tables.headline(results, place),
        "recall": recall,
        "classes": classes,
        "f1": f1,
        "units": units,
        "undefined": task.undefined,
        "statuses": tables.statuses(results, place),
        "others": tables.other_figures(results, place),
        "groups": tables.groups(results, place),
        "examples": [examples(one, place, source) for one in scored],
    }


def _differences(
    results: Sequence[Result], scored: Sequence[Scored], samples: int, seed: int
) -> Iterator[Table]:
    for a, b in combinations(range(len(results)), 2):
        rows = compare(scored[a], scored[b], samples=samples, seed=seed)
        yield tables.differences(rows, results[a].model, results[b].model)


def _origin(result: Result) -> str:
    """Everything that is needed to get the same numbers."""
    facts = {"suite": result.suite["hash"], "prompts": result.suite["prompts"]}
    for name in ("data", "identity", "settings", "versions", "intervals"):
        facts[name] = getattr(result, name)
    return json.dumps(facts, ensure_ascii=False, indent=2)
