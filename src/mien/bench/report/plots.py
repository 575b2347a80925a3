"""Plots as inline SVG: scores with their intervals; and the shares of a confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeGuard

from mien.bench.result import ConfusionTable

COLOURS = ("#2f6fa7", "#b35a00", "#3f8f4f", "#8a4fa3", "#a33a4a", "#5a6b00")
"""Of models, in their order; the first two are those of all reports of mien."""
_LEFT, _WIDTH = 190, 460


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a plot.

    Attributes:
        value: in [0, 1]; None or NaN where undefined.
        low, high: its interval; None or NaN where there is none.
        mark: a baseline to draw beside it, or None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    mark: float | None = None


def bars(labels: Sequence[str], series: Sequence[Sequence[Bar]], *, title: str) -> str:
    """Horizontal bars, for each label one of each series.

    Args:
        labels: L names.
        series: M models, each with L bars.
        title: for readers that cannot see.
    """
    thick = 10 if len(series) == 1 else 7
    pitch = thick + 3
    step = pitch * len(series) + 6
    height = step * len(labels) + 34
    parts = [
        f'<svg class="plot" role="img" aria-label="{escape(title)}"'
        f' viewBox="0 0 {_LEFT + _WIDTH + 60} {height}">'
    ]
    for tick in range(0, 101, 20):
        x = _LEFT + _WIDTH * tick / 100
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 26}"/>'
            f'<text class="tick" x="{x:.1f}" y="{height - 10}" text-anchor="middle">{tick}</text>'
        )
    for row, label in enumerate(labels):
        top = 8 + row * step
        middle = top + pitch * len(series) / 2 - 1.5
        parts.append(
            f'<text x="{_LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
        for k, one in enumerate(series):
            parts.append(_bar(one[row], top + k * pitch, thick, COLOURS[k % len(COLOURS)]))
    return "".join(parts) + "</svg>"


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


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _bar(bar: Bar, top: float, thick: float, colour: str) -> str:
    parts = []
    middle = top + thick / 2
    if not _known(bar.value):
        parts.append(f'<text class="tick" x="{_LEFT + 4}" y="{middle + 3:.1f}">undefined</text>')
    else:
        width = max(_WIDTH * bar.value, 0.5)
        parts.append(
            f'<rect x="{_LEFT}" y="{top:.1f}" width="{width:.1f}" height="{thick}"'
            f' fill="{colour}" rx="1.5"/>'
        )
    if _known(bar.low) and _known(bar.high):
        a, b = _LEFT + _WIDTH * bar.low, _LEFT + _WIDTH * bar.high
        parts.append(
            f'<line class="whisker" x1="{a:.1f}" x2="{b:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        )
    if _known(bar.mark):
        x = _LEFT + _WIDTH * bar.mark
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 1.5:.1f}"'
            f' y2="{top + thick + 1.5:.1f}"/>'
        )
    return "".join(parts)
