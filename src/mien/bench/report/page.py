"""Puts the report together and writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from itertools import combinations
from pathlib import Path
from string import Template

from mien.bench.compare import compare
from mien.bench.figure_names import kind_title
from mien.bench.report import tables
from mien.bench.report.examples import examples
from mien.bench.report.html import escape, name_of
from mien.bench.result import Result
from mien.bench.score.folder import Scored
from mien.bench.source import Source
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
    body = [_about(first)]
    for place, task in enumerate(first.tasks):
        if any(len(r.tasks) <= place or r.tasks[place].name != task.name for r in results):
            continue  # a part of another size may lack a task
        body.append(_task(results, scored, place, source))
    body += _differences(results, scored, samples, seed)
    body.append(_again(results))
    meta = {
        "suite": f"{first.suite['name']}, version {first.suite['version']}",
        "faces": str(first.data["asked"]),
        "models": str(len(results)),
        "mien": first.versions.get("mien", ""),
    }
    page = Template(_asset("page.html")).substitute(
        title=escape(first.suite["title"]),
        style=_asset("style.css"),
        meta="".join(
            f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in meta.items()
        ),
        body="\n".join(body),
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


def _about(result: Result) -> str:
    drawn = result.intervals
    parts = [
        f"<p>{escape(result.suite['about'])}</p>",
        '<p class="soft">Figures are in per cent where they are shares, with 95 % intervals'
        f" ({drawn['draws']} draws by {escape(drawn['drawn'])}). An answer that cannot be read,"
        " that did not come, or for which no face was found is wrong and counted: no denominator"
        " shrinks.</p>",
    ]
    data = result.data
    if data.get("limit"):
        parts.append(
            f'<p class="note">A part of the suite: {data["asked"]} of {data["samples"]} faces.</p>'
        )
    for why, count in (data.get("left_out") or {}).items():
        parts.append(f'<p class="soft">Not part of the suite: {count} {escape(why)}.</p>')
    return "".join(parts)


def _task(
    results: Sequence[Result], scored: Sequence[Scored], place: int, source: Source | None
) -> str:
    task = results[0].tasks[place]
    prompt = results[0].suite["asked"].get(task.name, "")
    parts = [
        f'<section class="item"><h2>{escape(kind_title(task.name, task.kind))}</h2>',
        f'<p class="text prompt">{escape(prompt)}</p>',
        tables.headline(results, place),
    ]
    if task.classes:
        parts.append(tables.classes(results, place))
    if task.units:
        parts.append(tables.units(results, place))
    if task.undefined:
        parts.append(
            '<p class="soft">Never in the labels, so in no mean: '
            f"{escape(', '.join(task.undefined))}.</p>"
        )
    details = tables.statuses(results, place) + tables.other_figures(results, place)
    parts.append(f"<details><summary>All other figures</summary>{details}</details>")
    parts.append(tables.groups(results, place))
    for k, (result, one) in enumerate(zip(results, scored, strict=True)):
        inner = examples(one, place, source)
        heading = f"{name_of(result.model, k)}: examples, drawn by chance"
        parts.append(f"<details><summary>{heading}</summary>{inner}</details>")
    return "".join(parts) + "</section>"


def _differences(
    results: Sequence[Result], scored: Sequence[Scored], samples: int, seed: int
) -> list[str]:
    parts = []
    for a, b in combinations(range(len(results)), 2):
        rows = compare(scored[a], scored[b], samples=samples, seed=seed)
        names = results[a].model, results[b].model
        parts.append(tables.differences(rows, *names))
    if not parts:
        return []
    return [
        '<section class="item"><h2>Paired differences</h2><p class="soft">First minus second on the'
        " same items, in points; bold where the interval excludes 0.</p>"
        + "".join(parts)
        + "</section>"
    ]


def _again(results: Sequence[Result]) -> str:
    """Everything that is needed to get the same numbers."""
    parts = ['<section class="item"><h2>To reproduce this</h2>']
    for k, result in enumerate(results):
        facts = {
            "suite": result.suite["hash"],
            "prompts": result.suite["prompts"],
            "data": result.data,
            "identity": result.identity,
            "settings": result.settings,
            "versions": result.versions,
            "intervals": result.intervals,
        }
        text = json.dumps(facts, ensure_ascii=False, indent=2)
        parts.append(
            f"<details><summary>{name_of(result.model, k)}</summary>"
            f'<pre class="text">{escape(text)}</pre></details>'
        )
    return "".join(parts) + "</section>"


def _asset(name: str) -> str:
    return resources.files("mien.bench.report").joinpath(name).read_text(encoding="utf-8")
