"""Small pieces of HTML. Every text from outside is escaped here."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.bench.figure_names import interval, shown
from mien.bench.result import Figure
from mien.terminal import shown as harmless

COLOURS = ("#2f6fa7", "#b35a00", "#3f8f4f", "#8a4fa3", "#a33a4a", "#5a6b00")
"""Of models, in their order; the first two are those of all reports of mien."""


def escape(text: object) -> str:
    """Text that is safe in an element and in a quoted attribute."""
    return html.escape(harmless(text, lines=True), quote=True)


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", kind: str = ""
) -> str:
    """A table whose cells are HTML already; the first column is its heading.

    Args:
        head: of the columns.
        rows: cells, as many as there are columns.
        caption: above it, as text.
        kind: CSS class.
    """
    lines = []
    for row in rows:
        first, *rest = row
        cells = "".join(f'<td class="num">{cell}</td>' for cell in rest)
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    top = "".join(f'<th scope="col"{_num(k)}>{cell}</th>' for k, cell in enumerate(head))
    words = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table class="{kind}">{words}<thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def figure(name: str, value: Figure | None) -> str:
    """A figure with its interval under it."""
    if value is None or value.value is None:
        return "-"
    ends = interval(name, value.low, value.high)
    small = f'<span class="ends">{ends}</span>' if ends else ""
    return f"{shown(name, value.value)}{small}"


def name_of(model: str, index: int) -> str:
    """A model's name with its colour."""
    colour = COLOURS[index % len(COLOURS)]
    return f'<span class="dot" style="background:{colour}"></span>{escape(model)}'


def picture(image: NDArray[np.uint8], alt: str, *, side: int = 112) -> str:
    """A picture as an inlined thumbnail."""
    small = Image.fromarray(np.ascontiguousarray(image))
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, format="WEBP", quality=80)
    code = base64.b64encode(data.getvalue()).decode()
    size = f'width="{small.width}" height="{small.height}"'
    return f'<img {size} alt="{escape(alt)}" src="data:image/webp;base64,{code}">'


def _num(column: int) -> str:
    return ' class="num"' if column else ""
