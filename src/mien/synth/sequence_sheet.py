"""A picture of some clips: eight frames of each in a row, and the units' intensities underneath."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mien.partfile import write_whole
from mien.sample import Sample
from mien.synth.clip_files import ClipFolder, read_clip

CLIPS, FRAMES = 6, 8
_CELL, _CURVES, _SIDE, _GAP, _TITLE = 128, 84, 74, 10, 18
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf")
_PHASES = {"onset": "#fff3c4", "apex": "#ffe08a", "offset": "#fdf0d8"}
_BLINK = "#c8d4e6"


def write_sheet(folder: ClipFolder) -> None:
    """Writes `sheet.jpg` of clips from all over the folder.

    Raises:
        SinkError: if it cannot be written.
    """
    rows = list(folder.rows())
    if not rows:
        return
    chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, CLIPS).astype(int))]
    height = _TITLE + _CELL + _CURVES + _GAP
    sheet = Image.new("RGB", (_SIDE + FRAMES * _CELL, height * len(chosen)), "white")
    for i, row in enumerate(chosen):
        sheet.paste(_strip(folder, row), (0, i * height))
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90)
    write_whole(folder.path / "sheet.jpg", data.getvalue())


def _strip(folder: ClipFolder, row: Sample) -> Image.Image:
    """One clip."""
    import pyarrow.parquet as pq

    number = int(row.id.rsplit("-", 1)[1])
    table = pq.read_table(folder.table(number)).to_pydict()
    count = len(table["frame"])
    strip = Image.new("RGB", (_SIDE + FRAMES * _CELL, _TITLE + _CELL + _CURVES + _GAP), "white")
    pen = ImageDraw.Draw(strip)
    label = row.expression.label if row.expression else "no expression in particular"
    title = f"{number:06d}  {label} ({row.attributes['origin']}), {row.subject}, {row.split}"
    pen.text((_SIDE + 2, 2), title, "black", _font(12))
    # the middle of each eighth, so that a frame stands above its place in the curves
    shown = [int((i + 0.5) / FRAMES * count) for i in range(FRAMES)]
    for k, image in enumerate(read_clip(folder.path / (row.video or ""))):
        for i, frame in enumerate(shown):
            if frame == k:
                small = Image.fromarray(image).resize((_CELL, _CELL), Image.Resampling.LANCZOS)
                strip.paste(small, (_SIDE + i * _CELL, _TITLE))
    _curves(pen, table, count)
    return strip


def _curves(pen: ImageDraw.ImageDraw, table: dict[str, Sequence[Any]], count: int) -> None:
    top, bottom = _TITLE + _CELL + 3, _TITLE + _CELL + _CURVES
    step = FRAMES * _CELL / count
    for k in range(count):
        at = (_SIDE + k * step, top, _SIDE + (k + 1) * step, bottom)
        if table["blink"][k]:
            pen.rectangle(at, fill=_BLINK)
        elif table["phase"][k] in _PHASES:
            pen.rectangle(at, fill=_PHASES[table["phase"][k]])
    pen.line((_SIDE, bottom, _SIDE + FRAMES * _CELL, bottom), fill="#888888")
    names = [n for n in table if n.startswith("AU") and n.endswith("_r")]
    names = [n for n in names if max(table[n]) >= 0.5]
    names = sorted(names, key=lambda n: -max(table[n]))[: len(_COLOURS)]
    for i, (name, colour) in enumerate(zip(names, _COLOURS, strict=False)):
        points = [
            (_SIDE + (k + 0.5) * step, bottom - (bottom - top) * value / 5)
            for k, value in enumerate(table[name])
        ]
        pen.line(points, fill=colour, width=2)
        place = (4 + 36 * (i % 2), top + 20 * (i // 2))
        pen.text(place, f"AU{int(name[2:4])}", colour, _font(11))


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
