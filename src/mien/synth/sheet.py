"""A contact sheet: pictures in a grid, each with what it is labelled as."""

from __future__ import annotations

import io
from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont

from mien.notation import unit_tag
from mien.sample import Sample

COLUMNS = 8
CELL = 168
"""Side of a picture on the sheet in pixels."""
GAP = 8
LINE = 15
LINES = 2
_FONT = 12
_PAPER, _INK, _FAINT = (250, 250, 248), (20, 20, 20), (120, 120, 120)


def caption(sample: Sample) -> str:
    """For example "anger: 4D 7C 24B"; units that are present, in FACS notation."""
    name = f"{sample.expression.label}: " if sample.expression else ""
    units = [unit_tag(unit) for unit in sample.action_units or () if unit.present]
    return name + (" ".join(units) or "no unit")


def sheet(pictures: Iterable[tuple[Sample, bytes]]) -> bytes:
    """The sheet as JPEG.

    Args:
        pictures: labels and encoded picture of each.
    """
    shown = list(pictures)
    columns = max(1, min(COLUMNS, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    step = (CELL + GAP, CELL + LINES * LINE + GAP)
    canvas = Image.new("RGB", (columns * step[0] + GAP, rows * step[1] + GAP), _PAPER)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_FONT)
    for place, (sample, data) in enumerate(shown):
        x = GAP + place % columns * step[0]
        y = GAP + place // columns * step[1]
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        canvas.paste(picture.resize((CELL, CELL), Image.Resampling.BICUBIC), (x, y))
        for number, line in enumerate(_wrapped(caption(sample), font)):
            pen.text((x, y + CELL + 1 + number * LINE), line, _INK, font)
        if hidden := str(sample.attributes.get("hidden_units", "")):
            _note(pen, (x + CELL, y + CELL), f"{len(hidden.split())} hidden")
    file = io.BytesIO()
    canvas.save(file, "JPEG", quality=90)
    return file.getvalue()


def _wrapped(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= CELL or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"{lines[LINES - 1]} ..."]
    return lines


def _note(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> None:
    """Small words in the lower right corner of a picture."""
    font = ImageFont.load_default(_FONT - 2)
    left, top, right, bottom = pen.textbbox(corner, text, font=font, anchor="rd")
    pen.rectangle((left - 2, top - 2, right, bottom), fill=_PAPER)
    pen.text(corner, text, _FAINT, font, anchor="rd")
