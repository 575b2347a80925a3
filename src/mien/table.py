"""Rows as a table on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from mien.notation import (
    STATUS_WORDS,
    UNKNOWN,
    expression_words,
    moment,
    present_units,
    unit_tag,
)
from mien.schema import Analysis
from mien.terminal import shown

_SOURCE_WIDTH = 26


def render_table(rows: Sequence[Analysis]) -> Table:
    """A rich table: source, face, expression, action units with intensity letters, and remarks.

    A column for the place in a video appears where a row has one. Where names are long, the folder
    that they have in common stands once, above. Nothing is read as rich markup.
    """
    videos = any(moment(row) for row in rows)
    folder, names = _names([row.source for row in rows])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    if folder:
        table.title, table.title_justify = Text(f"in {folder}", overflow="fold"), "left"
    whole = all(cell_len(name) <= _SOURCE_WIDTH for name in names.values())
    table.add_column("source", max_width=_SOURCE_WIDTH, overflow="fold", no_wrap=whole)
    if videos:
        table.add_column("at", justify="right", no_wrap=True)
    table.add_column("face", justify="right")
    table.add_column("expression", min_width=10)
    table.add_column("action units", min_width=12, overflow="fold")
    table.add_column("remarks", overflow="fold")
    previous = None
    for row in rows:
        # The name stands once for all faces of a picture.
        source = Text() if row.source == previous else Text(names[row.source])
        previous = row.source
        number = row.face if row.kind == "face" else row.track
        cells = [source, Text(UNKNOWN if number is None else str(number), justify="right")]
        if videos:
            cells.insert(1, Text(_at(row), justify="right"))
        table.add_row(*cells, Text(expression_words(row)), _units(row), _remarks(row))
    return table


def _names(sources: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The folder to be said once, or "", and what stands for each source in its column."""
    shorter = {source: shown(source) for source in sources}
    folder = ""
    if any(cell_len(name) > _SOURCE_WIDTH for name in shorter.values()):
        folder = _common_folder(shorter.values())
        shorter = {source: name[len(folder) :] for source, name in shorter.items()}
    cut = {source: _cut(name) for source, name in shorter.items()}
    told = Counter(cut.values())
    # Names that differ in the part that is left out are folded instead.
    return folder, {s: name if told[name] == 1 else shorter[s] for s, name in cut.items()}


def _common_folder(names: Iterable[str]) -> str:
    """The folder, with its slash, in which all names lie; "" where there is none."""
    levels = zip(*(name.split("/")[:-1] for name in names), strict=False)
    same = [level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels)]
    return "/".join([*same, ""]) if same else ""


def _cut(name: str) -> str:
    """The name in one line; of a long one the beginning and, as that tells more, the end."""
    if cell_len(name) <= _SOURCE_WIDTH:
        return name
    head = set_cell_size(name, _SOURCE_WIDTH // 3).rstrip()
    tail = set_cell_size(name[::-1], _SOURCE_WIDTH - cell_len(head) - 1)[::-1].lstrip()
    return f"{head}\N{HORIZONTAL ELLIPSIS}{tail}"


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
        text.append("; " if text else "").append(shown(warning), style="yellow")
    return text
