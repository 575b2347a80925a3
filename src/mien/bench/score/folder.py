"""Scores a folder of answers, and compares two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import facs
from mien._version import __version__
from mien.bench.result import Figure, GroupRow, Result, TaskResult
from mien.bench.score.expression import expression_tables, expression_tally
from mien.bench.score.items import Items, Run, load_run
from mien.bench.score.numbers import expression_numbers, unit_numbers
from mien.bench.score.read_items import read_items
from mien.bench.score.reading import Overlap
from mien.bench.score.tally import Tally, joined
from mien.bench.score.texts import rationale_tally, rege_tally, text_tally, variety
from mien.bench.score.units import mean, unit_baselines, unit_rows, unit_tally
from mien.bench.score.valence import valence_tally
from mien.bench.suite import FIGURES, Suite
from mien.metrics import Resampler
from mien.metrics.sums import mean_of, mean_sums


@dataclass(frozen=True)
class Scored:
    """A run whose answers were read.

    Attributes:
        run: answers and labels.
        tallies: of each task, in the order of `run.tasks`.
    """

    run: Run
    tallies: tuple[Tally, ...]


def read_folder(folder: Path, *, processes: int | None = None) -> Scored:
    """Reads and parses the answers of a folder.

    Args:
        folder: that a run wrote.
        processes: how many parse at a time; None decides by their number.

    Raises:
        StoreError: if the folder's files are missing or damaged.
    """
    run = load_run(folder)
    overlaps = read_items(run.tasks, run.suite, processes=processes)
    tallies = [
        task_tally(items, run.suite, found)
        for items, found in zip(run.tasks, overlaps, strict=True)
    ]
    return Scored(run, tuple(tallies))


def score_folder(
    folder: Path, *, samples: int = 1000, seed: int = 0, processes: int | None = None
) -> Result:
    """The scores of a folder of answers.

    Args:
        folder: that a run wrote.
        samples: bootstrap draws.
        seed: of the draws.
        processes: how many parse at a time; None decides by their number.

    Raises:
        StoreError: if the folder's files are missing or damaged.
    """
    return score_run(read_folder(folder, processes=processes), samples=samples, seed=seed)


def score_run(scored: Scored, *, samples: int = 1000, seed: int = 0) -> Result:
    """The scores of a run that was read; arguments as for `score_folder`."""
    run = scored.run
    tasks = tuple(
        _task_result(items, run.suite, tally, samples=samples, seed=seed)
        for items, tally in zip(run.tasks, scored.tallies, strict=True)
    )
    suite, header = run.suite, run.header
    return Result(
        suite={
            "name": suite.name,
            "version": suite.version,
            "title": suite.title,
            "about": suite.about,
            "paper": suite.paper,
            "licensed": suite.licensed,
            "faces": suite.faces,
            "label_set": suite.label_set,
            "threshold": suite.threshold,
            "hash": header["suite"]["hash"],
            "prompts": header["prompts"],
            "asked": {task.name: task.prompt for task in suite.tasks},
        },
        model=header["model"],
        identity=header["identity"],
        settings={**run.info["settings"], "scoring": header["scoring"], **_crop(header["crop"])},
        versions={
            **run.info["versions"],
            "scored by": f"mien {__version__}, numpy {np.__version__}",
        },
        data={"fingerprint": header["data"], "asked": len(run.samples), **run.info["data"]},
        intervals={"level": 0.95, "draws": samples, "seed": seed, "drawn": run.cluster},
        tasks=tasks,
        published=suite.published,
    )


def task_tally(items: Items, suite: Suite, overlaps: Sequence[Overlap | None]) -> Tally:
    """All figures of one task as functions of sums."""
    labels = facs.LABEL_SETS[suite.label_set]
    parsed = mean_sums(items.ok.astype(float))
    parts = [Tally(("parse_rate",), parsed, lambda s: mean_of(s)[:, None])]
    wanted = FIGURES[items.task.kind]
    texts = [overlap for overlap in overlaps if overlap is not None]
    main = None
    if items.asks_expression:
        main = expression_tally(items.expressions, items.said_expression, labels)
    elif items.asks_units:
        main = unit_tally(items.units, items.said_units, suite.units, suite)
    elif items.task.kind == "valence_arousal":
        parts.append(valence_tally(items))
    if main is not None:
        parts.append(main)
    if texts:
        parts.append(text_tally(texts))
        if "rege" in items.task.metrics and "rege" in wanted and main is not None:
            figure = "war" if items.asks_expression else "au_macro_f1"
            parts.append(rege_tally(main, figure, texts))
    if items.task.kind == "reasoning":
        parts.append(rationale_tally(items, suite))
    tally = joined(*parts)
    assert len(tally.sums) == len(items)  # nothing may leave the denominator
    return tally


def resampler_of(items: Items, *, samples: int, seed: int) -> Resampler:
    """The draws of a task's intervals: whole subjects or clips where they are known."""
    return Resampler(len(items), groups=items.clusters, samples=samples, seed=seed)


def _task_result(
    items: Items, suite: Suite, tally: Tally, *, samples: int, seed: int
) -> TaskResult:
    resampler = resampler_of(items, samples=samples, seed=seed)
    figures = tally.figures(resampler)
    numbers: dict[str, Figure] = {}
    extra: dict[str, Any] = {}
    baselines: dict[str, Mapping[str, float | None]] = {}
    undefined: tuple[str, ...] = ()
    labels = facs.LABEL_SETS[suite.label_set]
    if items.asks_expression:
        rows, table, undefined, found = expression_tables(items, labels)
        extra = {"classes": rows, "confusion": table}
        baselines = dict(found)
        figures |= _fold_means(items, tally)
        if items.task.kind == "expression" and items.has_numbers:
            numbers = expression_numbers(items, labels, resampler)
    elif items.asks_units:
        by_unit: dict[int, dict[str, float | None]] = {}
        if items.task.kind == "au_detection" and items.has_numbers:
            numbers, by_unit = unit_numbers(items, suite, resampler)
        rows_by_unit = unit_rows(items, suite, figures, by_unit)
        extra = {"units": rows_by_unit}
        baselines = dict(unit_baselines(items, suite))
        undefined = tuple(f"AU{row.au}" for row in rows_by_unit if row.present == 0)
        folds = {row.au: row.fold_mean for row in rows_by_unit if row.fold_mean is not None}
        if folds:
            figures["au_fold_f1"] = Figure(mean(folds))
        for unit in suite.units:
            figures.pop(f"au{unit}_f1", None)  # they stand in the table
    if any(reference is not None for reference in items.references):
        figures |= {name: Figure(value) for name, value in variety(items).items()}
    statuses = items.count()
    assert sum(statuses.values()) == len(items)
    return TaskResult(
        name=items.task.name,
        kind=items.task.kind,
        items=len(items),
        statuses=statuses,
        headline=headline(items, suite),
        figures=figures,
        parsed_only=_parsed_only(items, tally, tuple(figures)),
        numbers=numbers,
        baselines=baselines,
        groups=tuple(_groups(items, tally, suite)),
        undefined=undefined,
        **extra,
    )


def headline(items: Items, suite: Suite) -> tuple[str, ...]:
    """Figures to look at first: those of the suite, else the usual ones of the kind."""
    if items.task.metrics:
        return items.task.metrics
    usual = {
        "expression": ("war", "uar", "macro_f1"),
        "au_detection": ("au_macro_f1", "au_micro_f1"),
        "expression_description": ("rouge_l", "war"),
        "au_description": ("rouge_l", "au_macro_f1"),
        "reasoning": ("rationale_precision", "rationale_recall", "expression_match", "consistency"),
        "valence_arousal": ("ccc_valence", "ccc_arousal"),
    }[items.task.kind]
    shared = suite.shared_units and items.task.kind == "au_detection"
    return (*usual, "au_shared_f1") if shared else usual


def _parsed_only(items: Items, tally: Tally, names: tuple[str, ...]) -> dict[str, float | None]:
    ok = items.ok
    if not ok.any():
        return {}
    values = tally.values(ok)
    return {name: values[name] for name in names if name in values and name != "parse_rate"}


def _fold_means(items: Items, tally: Tally) -> dict[str, Figure]:
    """Mean over folds of WAR and UAR, which publications on clips report; no interval."""
    folds = sorted(set(items.folds))
    if len(folds) < 2:
        return {}
    each = [tally.values(np.array([f == fold for f in items.folds])) for fold in folds]
    means = {name: float(np.mean([values[name] for values in each])) for name in ("war", "uar")}
    return {f"{name}_fold_mean": Figure(value) for name, value in means.items()}


def _groups(items: Items, tally: Tally, suite: Suite) -> list[GroupRow]:
    """The headline in each group that a labelled attribute makes, with its size."""
    shown = ("parse_rate", *headline(items, suite))
    rows = []
    for attribute, values in items.groups.items():
        for value in sorted({v for v in values if v is not None}):
            members = np.array([v == value for v in values])
            found = tally.values(members)
            figures = {name: Figure(found[name]) for name in shown if name in found}
            rows.append(GroupRow(attribute, value, int(members.sum()), figures))
    return rows


def _crop(crop: Mapping[str, Any]) -> dict[str, str]:
    aligned = "turned upright" if crop["align"] else "not turned"
    return {"crop": f"{crop['size']} pixels, scale {crop['scale']:g}, {aligned}"}
