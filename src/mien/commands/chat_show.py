"""What `mien chat` shows: the faces of a picture, the numbers of one, answers."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mien.chat import Chat, Turn
from mien.engines import Answer
from mien.facs import INTENSITIES
from mien.notation import UNKNOWN, percent
from mien.schema import ActionUnit
from mien.terminal import Console, shown

_BAR = 20
_HELP = (
    ("/face N", "talk about another face"),
    ("/numbers", "all numbers of this face"),
    ("/reset", "forget the talk"),
    ("/save FILE.jsonl", "write the talk to a file"),
    ("/help", "this list"),
    ("/quit", "end; so does Ctrl-D"),
)


def faces_table(chat: Chat) -> Table:
    """The faces of the picture; the chosen one is marked."""
    table = _table()
    for name, justify in (("", "left"), ("face", "right"), ("where", "left"), ("size", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    height, width = chat.image.shape[:2]
    for number, face in enumerate(chat.faces):
        x0, y0, x1, y1 = face.box
        mark = ">" if number == chat.face else ""
        style = "bold" if number == chat.face else ""
        place = _place((x0 + x1) / 2 / width, (y0 + y1) / 2 / height)
        table.add_row(mark, str(number), place, f"{x1 - x0:.0f} x {y1 - y0:.0f}", style=style)
    return table


def numbers_view(answer: Answer, *, whole: bool = False) -> RenderableType:
    """Expression and action units of a face.

    Args:
        answer: the numbers.
        whole: also the expressions that are unlikely and the units that are absent.
    """
    parts = [_expressions(answer, whole=whole), Text(), _units(answer, whole=whole)]
    parts += [Text(shown(warning), style="yellow") for warning in answer.warnings]
    return Group(*parts)


def show_turn(turn: Turn, out: Console, notes: Console) -> None:
    """An answer at a terminal, with its warnings below."""
    if turn.text is not None:
        out.print(Padding(Text(shown(turn.text, lines=True)), (0, 0, 0, 2)))
    for warning in turn.warnings:
        notes.print(Padding(Text(shown(warning), style="yellow"), (0, 0, 0, 2)))
    out.print()


def help_view() -> Table:
    """The commands."""
    table = Table.grid(padding=(0, 3))
    for command, meaning in _HELP:
        table.add_row(Text("  " + command, style="bold"), Text(meaning))
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _expressions(answer: Answer, *, whole: bool) -> RenderableType:
    expression = answer.expression
    if expression is None or expression.label is None:
        return Text("expression  not known")
    if expression.scores is None:
        return Text.assemble("expression  ", (expression.label, "bold"))
    table = _table()
    table.add_column("expression")
    table.add_column("probability", justify="right")
    table.add_column("", no_wrap=True, min_width=_BAR)
    ranked = sorted(expression.scores.items(), key=lambda item: -item[1])
    for name, p in ranked if whole else ranked[:3]:
        style = "bold" if name == expression.label else ""
        table.add_row(
            name,
            percent(p),
            Text("\N{BOX DRAWINGS HEAVY HORIZONTAL}" * round(_BAR * p), style="cyan"),
            style=style,
        )
    return table


def _units(answer: Answer, *, whole: bool) -> RenderableType:
    if answer.action_units is None:
        return Text("action units  not known")
    shown = [u for u in answer.action_units if whole or u.present]
    if not shown:
        return Text("action units  none")
    table = _table()
    table.add_column("action unit")
    table.add_column("name")
    table.add_column("probability", justify="right")
    table.add_column("intensity", justify="right")
    for unit in shown:
        style = "" if unit.present else "dim"
        side = "" if unit.side == "both" else f" ({unit.side})"
        table.add_row(
            f"AU{unit.au}{side}", unit.name, percent(unit.probability), _strength(unit), style=style
        )
    return table


def _strength(unit: ActionUnit) -> str:
    """For example "D 3.6"."""
    if not unit.present:
        return "absent" if unit.present is False else UNKNOWN
    if unit.intensity is None:
        return UNKNOWN
    level = max(1, int(unit.intensity + 0.5))
    return f"{INTENSITIES[level - 1]} {unit.intensity:.1f}"


def _place(x: float, y: float) -> str:
    """Where a point lies in the picture, from its share of width and height."""
    across = ("left", "middle", "right")[min(2, int(3 * x))]
    down = ("top", "centre", "bottom")[min(2, int(3 * y))]
    return f"{down} {across}" if (across, down) != ("middle", "centre") else "centre"
