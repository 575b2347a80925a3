"""Writes the report picture by picture, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.draw import close_up, overlay
from mien.notation import expression_words, face_number, moment, present_units
from mien.page import Picture, fill, fill_around, inlined
from mien.partfile import PartFile
from mien.report.cards import face_card
from mien.report.clips import ClipItem, clip_words, scaled, track_part
from mien.schema import Analysis, Box
from mien.timeline import moment_row

_WIDTH = 900
_TALLEST = 1400
_MAGNIFY = 1.4  # pictures take half the page's width, so their letters must be larger
_LARGE_FACE = 300  # in pixels of the report's picture: wide enough to be seen there
_TOTALS = {
    "no_face": "without a face",
    "unreadable": "could not be read",
    "unparsed": "with an answer that was not understood",
    "failed": "without an answer",
}
_TOTALS_SPACE = 1000  # bytes kept free in the head for what is known only at the end


@dataclass(frozen=True, eq=False)
class ReportItem:
    """One picture of a report.

    Attributes:
        source: its path or name.
        image: (H, W, 3) RGB, or None where it could not be read.
        rows: what was found in it.
        landmarks: per row, (478, 3) points or None.
    """

    source: str
    image: NDArray[np.uint8] | None
    rows: tuple[Analysis, ...]
    landmarks: tuple[NDArray | None, ...] = ()


class ReportWriter:
    """Writes one self-contained HTML file, to be used in a ``with`` block.

    The file is written beside its target and renamed when closed, also after an interruption; it
    then says that it is not complete.
    """

    def __init__(
        self, path: Path, *, title: str = "mien report", meta: Mapping[str, str] | None = None
    ) -> None:
        """Checks the place; writes nothing yet.

        Args:
            path: the HTML file.
            title: heading and title of the page.
            meta: what to state in the head, for example the version; the models that answered are
                named there as well.

        Raises:
            SinkError: if the file cannot be written there.
        """
        self._file = PartFile(path)
        self._title = title
        self._meta = dict(meta or {})
        self._totals_at = 0
        self._sources: set[int] = set()
        self._models: dict[str, None] = {}  # in the order of their first answers
        self._counts = {"faces": 0, "no_face": 0, "unreadable": 0, "unparsed": 0, "failed": 0}
        self._items = 0

    def __enter__(self) -> Self:
        self._file.open()
        head, _, middle, _ = self._page()
        self._append(head)
        self._totals_at = self._file.tell()
        self._append(" " * _TOTALS_SPACE + middle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            text, models = self._totals(), f" Answers by {', '.join(self._models)}."
            if kind is not None:
                text += " Not complete: the run was stopped."
            _, totals, _, foot = self._page(
                totals=text + (models if self._models else ""),
                stopped=kind is not None,
                empty=not self._items,
            )
            if len(totals.encode()) > _TOTALS_SPACE:
                totals = text  # each card names its own model as well
            self._append(foot)
            self._file.patch(self._totals_at, totals.encode())
        finally:
            self._file.close(keep=kind is None or self._items > 0)

    def add(self, item: ReportItem) -> None:
        """Writes one picture with the cards of its faces."""
        part = {
            "plot": "",
            "figure": _figure(item),
            "caption": "",
            "cards": [
                face_card(row, i, picture=_close_up(item, i)) for i, row in enumerate(item.rows)
            ],
            "seen": "",
        }
        when = next((m for m in map(moment, item.rows) if m), "")
        self._add(item.source, item.rows, when=when, looked="", warnings=(), parts=[part])

    def add_clip(self, item: ClipItem) -> None:
        """Writes one clip: its people over time, with the frames of their apex."""
        tracks = [row for row in item.rows if row.kind == "track"]
        parts = [track_part(item, row, _apex_figure(item, row)) for row in tracks]
        rows = tracks + [r for r in item.rows[-1:] if r.status in ("no_face", "unreadable")]
        self._add(item.source, rows, parts=parts, **clip_words(item))

    def _add(self, source: str, rows: Sequence[Analysis], **words: Any) -> None:
        self._append(fill("analysis_item.html", source=source, **words))
        self._items += 1
        self._sources.add(hash(source))
        for row in rows:
            if row.status in ("no_face", "unreadable"):
                self._counts[row.status] += 1
                continue
            self._counts["faces"] += 1
            if row.status in ("unparsed", "failed"):
                self._counts[row.status] += 1
            if row.model:
                self._models[row.model] = None

    def _append(self, text: str) -> None:
        self._file.append(text.encode("utf-8"))

    def _page(self, *, totals: str = "", stopped: bool = False, empty: bool = False) -> list[str]:
        """The pieces of the page before, in and behind the totals, and behind the items."""
        return fill_around(
            "analysis.html",
            title=self._title,
            meta=self._meta,
            totals=totals,
            stopped=stopped,
            empty=empty,
        )

    def _totals(self) -> str:
        c = self._counts
        parts = [_count(len(self._sources), "input"), _count(c["faces"], "face")]
        parts += [f"{c[status]} {words}" for status, words in _TOTALS.items() if c[status]]
        return ", ".join(parts) + "."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _figure(item: ReportItem) -> Picture | None:
    if item.image is None:
        return None
    scale = _scale(item.image)
    rows = [replace(r, box=_times(r.box, scale)) for r in item.rows]
    points = [None if p is None else np.asarray(p) * scale for p in item.landmarks]
    picture = overlay(scaled(item.image, scale), rows, points, magnify=_MAGNIFY)
    return inlined(picture, _alt(item))


def _apex_figure(item: ClipItem, row: Analysis) -> Picture | None:
    if row.track is None or row.track not in item.frames or row.frame is None:
        return None
    image, points, scale = item.frames[row.track]
    moment = moment_row(item.timeline, item.timeline.tracks[row.track], row.frame)
    moment = replace(moment, box=_times(moment.box, scale))
    return _figure(ReportItem(item.source, image, (moment,), (points,)))


def _close_up(item: ReportItem, index: int) -> Picture | None:
    """One face enlarged, where it is too small in the picture for its units to be seen there."""
    row = item.rows[index]
    if item.image is None or row.box is None or index >= len(item.landmarks):
        return None
    if (row.box[2] - row.box[0]) * _scale(item.image) > _LARGE_FACE:
        return None
    picture = close_up(item.image, row, item.landmarks[index])
    if picture is None:
        return None
    units = ", ".join(f"AU{u.au}" for u in present_units(row))
    return inlined(picture, f"face {face_number(row, index)} enlarged, with {units}")


def _times(box: Box | None, scale: float) -> Box | None:
    if box is None:
        return None
    x0, y0, x1, y1 = box
    return (x0 * scale, y0 * scale, x1 * scale, y1 * scale)


def _scale(image: NDArray[np.uint8]) -> float:
    return min(1.0, _WIDTH / image.shape[1], _TALLEST / image.shape[0])


def _alt(item: ReportItem) -> str:
    faces = [
        f"face {face_number(r, i)} {expression_words(r)}"
        for i, r in enumerate(item.rows)
        if r.status not in ("no_face", "unreadable")
    ]
    return f"{item.source}: " + (", ".join(faces) if faces else "no face marked")
