"""Fills in what the answers of a run say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mien import facs
from mien.bench.score.items import Items
from mien.bench.score.reading import Overlap, Pair, Reading, read_all, read_valence_arousal
from mien.bench.suite import Suite


def read_items(
    tasks: Sequence[Items], suite: Suite, *, processes: int | None = None
) -> list[list[Overlap | None]]:
    """Sets `said_expression`, `said_units`, `said_va` and the status "unparsed" of all items.

    An answer is parsed if it says what its task asks for: one of the suite's expressions; at least
    one unit, present or absent, or that there are none; valence and arousal. A unit that an answer
    does not mention is then absent. An answer that is not parsed says nothing at all.

    Returns:
        For each task and item the overlap with the reference; None where there is no reference.
    """
    pairs = [
        Pair(
            text,
            items.task.read == "first",
            reference,
            "rege" in items.task.metrics,
            items.task.kind,
        )
        for items in tasks
        for text, reference in zip(items.texts, items.references, strict=True)
    ]
    readings, overlaps = read_all(pairs, processes=processes)
    found, start = [], 0
    for items in tasks:
        end = start + len(items)
        _fill(items, readings[start:end], suite)
        found.append(overlaps[start:end])
        start = end
    return found


def _fill(items: Items, readings: Sequence[Reading], suite: Suite) -> None:
    labels = facs.LABEL_SETS[suite.label_set]
    kind = items.task.kind
    items.said_units = np.full((len(items), len(suite.units)), math.nan)
    items.said_va = np.full((len(items), 2), math.nan)
    items.said_expression = [None] * len(items)
    for row, reading in enumerate(readings):
        if items.statuses[row] != "ok":
            continue
        label = reading.expression if reading.expression in labels else None
        values = read_valence_arousal(items.texts[row]) if kind == "valence_arousal" else None
        parsed = {
            "expression": label is not None,
            "units": reading.units is not None,
            "va": values is not None,
        }[asked_for(items)]
        if not parsed:
            items.statuses[row] = "unparsed"
            continue
        items.said_expression[row] = label
        if reading.units is not None:
            items.said_units[row] = [float(unit in reading.units) for unit in suite.units]
        elif kind == "reasoning":
            items.said_units[row] = 0.0  # a rationale without a unit names none
        if values is not None:
            items.said_va[row] = values


def asked_for(items: Items) -> str:
    """What an answer must say to be parsed: "expression", "units" or "va"."""
    if items.task.kind == "valence_arousal":
        return "va"
    return "expression" if items.asks_expression else "units"
