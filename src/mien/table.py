"""Rows as a table on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from rich import box
from rich.table import Table
from rich.text import Text

from mien.notation import (
    STATUS_WORDS,
    UNKNOWN,
    expression_words,
    moment,
    present_units,
    printable,
    unit_tag,
)
from mien.schema import Analysis

_SOURCE_WIDTH = 24


def render_table(rows: Sequence[Analysis]) -> Table:
    """A rich table: source, face, expression, action units with intensity letters, and remarks.

    A column for the place in a video appears where a row has one. Nothing is read as rich markup.
    """
    videos = any(moment(row) for row in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("source", max_width=_SOURCE_WIDTH, overflow="fold")
    if videos:
        table.add_column("at", justify="right", no_wrap=True)
    table.add_column("face", justify="right")
    table.add_column("expression", min_width=10)
    table.add_column("action units", min_width=12, overflow="fold")
    table.add_column("remarks", overflow="fold")
    previous = None
    for row in rows:
        # The name stands once for all faces of a picture.
        source = Text() if row.source == previous else Text(_short(row.source))
        previous = row.source
        number = row.face if row.kind == "face" else row.track
        cells = [source, Text(UNKNOWN if number is None else str(number), justify="right")]
        if videos:
            cells.insert(1, Text(_at(row), justify="right"))
        table.add_row(*cells, Text(expression_words(row)), _units(row), _remarks(row))
    return table


def _at(row: Analysis) -> str:
    if row.kind == "clip":
        return "clip"
    if row.kind == "track":
        return f"{row.start:.1f}-{row.end:.1f} s"
    return UNKNOWN if row.time is None else f"{row.time:.2f} s"


def _units(row: Analysis) -> Text:
    if row.action_units is None:
        return Text(UNKNOWN)
    return Text(" ".join(map(unit_tag, present_units(row))) or "none")


def _remarks(row: Analysis) -> Text:
    text = Text()
    if row.status != "ok":
        text.append(STATUS_WORDS[row.status], style="bold yellow")
    for warning in row.warnings:
        text.append("; " if text else "").append(_clean(warning), style="yellow")
    return text


def _clean(text: str) -> str:
    # Control characters in a file name would reach the terminal and could rewrite it.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in printable(text))


def _short(source: str) -> str:
    """The end of a long path, which tells pictures apart better than its beginning."""
    name = _clean(source)
    if len(name) <= 2 * _SOURCE_WIDTH:
        return name
    tail = PurePath(name).name
    return "\N{HORIZONTAL ELLIPSIS}/" + tail[-(2 * _SOURCE_WIDTH - 2) :]
