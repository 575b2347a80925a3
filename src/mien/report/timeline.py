"""Expressions and action units over time, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.draw import COLOURS
from mien.schema import Analysis, Course
from mien.timeline import Track, smooth

_WIDTH, _LEFT, _RIGHT = 920, 168, 64
_PLOT, _ROW, _TOP, _FOOT = 130, 17, 14, 30
_POINTS = 600  # more cannot be seen at this width
_TICKS = 8
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def timeline_svg(track: Track, row: Analysis) -> str:
    """A plot of one person: expressions as lines, units as strips, onset, apex and offset marked.

    Args:
        track: all that was seen of the person.
        row: the summary, of kind "track", whose courses are shown.
    """
    start, end = row.start or 0.0, row.end or 0.0
    if len(track) < 2 or end <= start:
        return ""
    courses = row.course or ()
    expressions = [c for c in courses if c.expression is not None]
    units = [c for c in courses if c.au is not None]
    plot = _PLOT if expressions else 0
    height = _TOP + plot + (14 if plot and units else 0) + _ROW * len(units) + _FOOT
    axis = _Axis(start, end)
    times = track.times
    parts = [
        f'<svg class="timeline" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(_words(row))}">'
    ]
    parts += _grid(axis, height - _FOOT)
    if expressions:
        parts += _lines(track, expressions, times, axis)
    y = _TOP + plot + (14 if plot else 0)
    for course in units:
        parts += _strip(track, course, times, axis, y)
        y += _ROW
    if row.time is not None:
        x = axis.x(row.time)
        parts.append(
            f'<line class="apex" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" '
            f'y2="{height - _FOOT}"/><text class="apexword" x="{x:.1f}" y="{_TOP - 8}" '
            f'text-anchor="middle">apex</text>'
        )
    parts.append("</svg>")
    return "".join(parts)


class _Axis:
    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def x(self, time: float) -> float:
        share = (time - self.start) / (self.end - self.start)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _grid(axis: _Axis, bottom: float) -> Iterator[str]:
    length = axis.end - axis.start
    step = next((s for s in _STEPS if length / s <= _TICKS), length / _TICKS)
    for number in range(math.ceil(axis.start / step - 1e-9), int(axis.end / step + 1e-9) + 1):
        time = number * step
        x = axis.x(time)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>'
        yield (
            f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{_clock(time, step)}</text>"
        )


def _clock(time: float, step: float) -> str:
    if step < 60 and time < 60:
        return f"{time:.1f} s" if step < 1 else f"{time:.0f} s"
    minutes, seconds = divmod(round(time), 60)
    return f"{minutes}:{seconds:02d}"


def _lines(
    track: Track, courses: list[Course], times: NDArray[np.float64], axis: _Axis
) -> Iterator[str]:
    top, bottom = _TOP, _TOP + _PLOT
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * _PLOT
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield (
            f'<text class="tick" x="{_WIDTH - _RIGHT + 6}" y="{y + 4}">{100 * share:.0f} %</text>'
        )
    for place, course in enumerate(courses):
        name = course.expression or ""
        colour = COLOURS.get(name, "#888888")
        values = smooth(times, track.column(("score", name)))
        runs = _runs(*_fewer(times, values))
        path = " ".join(
            "M" + " L".join(f"{axis.x(t):.1f},{bottom - v * _PLOT:.1f}" for t, v in run)
            for run in runs
        )
        yield f'<path class="edge" d="{path}"/><path class="line" d="{path}" stroke="{colour}"/>'
        y = top + 10 + 17 * place
        yield f'<rect x="4" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield f'<text class="name" x="20" y="{y}">{escape(name)}</text>'


def _strip(
    track: Track, course: Course, times: NDArray[np.float64], axis: _Axis, y: float
) -> Iterator[str]:
    """One unit: the darker the more intense, with a line from onset to offset below."""
    au = course.au or 0
    side = "" if course.side == "both" else f" {course.side}"
    label = f"AU{au}{side} {facs.au_info(au).name}"
    short = label if len(label) <= 26 else label[:25] + "\N{HORIZONTAL ELLIPSIS}"
    title = f"<title>{escape(label)}</title>"
    yield f'<text class="name" x="4" y="{y + 11}">{escape(short)}{title}</text>'
    key = (au, course.side)
    values, top = track.column(("intensity", key)), 5.0
    if np.isnan(values).all():
        values, top = track.column(("present", key)), 1.0
    thin_times, thin = _fewer(times, smooth(times, values))
    edges = np.concatenate(
        [thin_times[:1], (thin_times[1:] + thin_times[:-1]) / 2, thin_times[-1:]]
    )
    right = _WIDTH - _LEFT - _RIGHT
    yield f'<rect class="ground" x="{_LEFT}" y="{y}" width="{right}" height="{_ROW - 6}"/>'
    for i, value in enumerate(thin):
        share = 0.0 if np.isnan(value) else float(value) / top
        if share < 0.02 or _gap(thin_times, i):
            continue
        x, width = axis.x(edges[i]), axis.x(edges[i + 1]) - axis.x(edges[i])
        yield (
            f'<rect class="cell" x="{x:.1f}" y="{y}" width="{width + 0.3:.1f}" '
            f'height="{_ROW - 6}" opacity="{share:.2f}"/>'
        )
    if course.onset is not None or course.offset is not None:
        a = axis.x(axis.start if course.onset is None else course.onset)
        b = axis.x(axis.end if course.offset is None else course.offset)
        yield f'<line class="span" x1="{a:.1f}" x2="{b:.1f}" y1="{y + 13}" y2="{y + 13}"/>'
    if course.peak is not None:
        letter = facs.intensity_letter(course.peak) or ""
        yield (
            f'<text class="tick" x="{_WIDTH - _RIGHT + 6}" y="{y + 11}">'
            f"{course.peak:.1f} {letter}</text>"
        )


def _gap(times: NDArray[np.float64], i: int) -> bool:
    """Whether a moment stands so alone that its cell would fill a gap."""
    usual = float(np.median(np.diff(times)))
    before = times[i] - times[i - 1] if i else usual
    after = times[i + 1] - times[i] if i + 1 < len(times) else usual
    return bool(min(before, after) > 4 * usual)


def _fewer(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most `_POINTS` points; of those that fall together, the highest."""
    if len(times) <= _POINTS:
        return times, values
    parts = np.array_split(np.arange(len(times)), _POINTS)
    best = [p[np.nan_to_num(values[p], nan=-1.0).argmax()] for p in parts]
    return times[best], values[best]


def _runs(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> Iterator[list[tuple[float, float]]]:
    """Stretches of known values without long gaps."""
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    run: list[tuple[float, float]] = []
    for time, value in zip(times, values, strict=True):
        if run and (np.isnan(value) or time - run[-1][0] > 4 * usual):
            yield run
            run = []
        if not np.isnan(value):
            run.append((float(time), float(value)))
    if run:
        yield run


def _words(row: Analysis) -> str:
    names = [c.expression or f"AU{c.au}" for c in row.course or ()]
    return f"Course of {', '.join(names) or 'nothing'} from {row.start:.1f} to {row.end:.1f} s"
