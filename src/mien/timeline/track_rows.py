"""Rows of kind track and clip."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.schema import ActionUnit, Analysis, Course, Expression, Pose, Status
from mien.timeline.series import Rise, course_of, resting_level, smooth
from mien.timeline.tracks import Timeline, Track

# The least rise that is called one: a grade of FACS, and a fifth of the belief.
LEAST_INTENSITY = 1.0
LEAST_SCORE = 0.2


def summary_rows(timeline: Timeline, *, fault: str | None = None) -> list[Analysis]:
    """A row for each track, and one for the clip, which is that of the person seen most.

    * The expression is the class of the highest mean score over all frames.
    * A unit is present if, smoothed, more than half of some moment's frames call it present. Its
      probability and intensity are the peaks of the smoothed values; means stand in its course.
      The person's resting level stands beside them where the track is long enough.
    * The row's frame and time are those of the apex: where the expression is neutral but another
      one leads for a while, the apex of the strongest of those; else that of the expression.

    Args:
        timeline: all rows of the clip.
        fault: what was wrong with the clip, for the clip's warnings.
    """
    rows = [track_row(timeline, track) for track in timeline.tracks.values()]
    return [*rows, clip_row(timeline, rows, fault=fault)]


def track_row(timeline: Timeline, track: Track) -> Analysis:
    """The summary of one person; see `summary_rows`."""
    times = track.times
    expression, courses, apex = _expressions(track, times)
    units, unit_courses = _units(track, times)
    if apex is None:  # a model without scores: the moment at which most is to be seen
        apex = _strongest_moment(track)
    status = _status(track)
    warnings = () if len(track) > 1 else ("seen in one frame only",)
    return Analysis(
        source=timeline.source,
        kind="track",
        frame=track.frames[apex],
        time=float(times[apex]),
        track=track.number,
        status=status,
        box=track.box(apex),
        detection=_mean(track.column("detection")),
        pose=_pose(track, apex),
        expression=expression,
        action_units=units,
        valence=_mean(track.column("valence")),
        arousal=_mean(track.column("arousal")),
        model=timeline.model,
        warnings=warnings,
        start=float(times[0]),
        end=float(times[-1]),
        course=(*courses, *unit_courses),
    )


def moment_row(timeline: Timeline, track: Track, frame: int) -> Analysis:
    """The row of one frame again, for pictures of it: numbers without words.

    Raises:
        ValueError: if the track was not seen in this frame.
    """
    i = track.frames.index(frame)
    names = facs.LABEL_SETS[track.label_set]
    scores = {name: float(track.column(("score", name))[i]) for name in names}
    expression = None
    if not any(map(math.isnan, scores.values())):
        total = sum(scores.values())
        shares = {name: value / total for name, value in scores.items()}
        expression = Expression(max(shares, key=lambda n: shares[n]), track.label_set, shares)
    units = []
    for key in track.units:
        present = track.column(("present", key))[i]
        values = (track.column((what, key))[i] for what in ("probability", "intensity"))
        probability, intensity = (None if math.isnan(v) else float(v) for v in values)
        known = None if math.isnan(present) else bool(present)
        units.append(ActionUnit(key[0], known, probability, intensity, key[1]))
    return Analysis(
        timeline.source,
        frame=frame,
        time=float(track.times[i]),
        face=track.number,
        track=track.number,
        box=track.box(i),
        expression=expression,
        action_units=tuple(units) or None,
        model=timeline.model,
    )


def clip_row(timeline: Timeline, tracks: list[Analysis], *, fault: str | None = None) -> Analysis:
    """The one answer of a clip: that of the person who is seen most, by area and frames."""
    warnings = () if fault is None else (fault,)
    empty = Analysis(
        timeline.source,
        kind="clip",
        frame=None,
        time=None,
        status="no_face",
        model=timeline.model,
        start=timeline.start or 0.0,
        end=timeline.end or 0.0,
    )
    if not timeline.frames:
        why = warnings or (f"{timeline.source}: no frame could be read",)
        return replace(empty, status="unreadable", warnings=why)
    if not tracks:
        none = f"no face was found in {timeline.frames} frames"
        return replace(empty, warnings=(*warnings, none))
    main = max(tracks, key=lambda row: _seen(timeline.tracks[row.track or 0]))
    others: tuple[str, ...] = ()
    if len(tracks) > 1:
        others = (f"{len(tracks)} tracks; this row is of track {main.track}, seen most",)
    return replace(
        main, kind="clip", start=empty.start, end=empty.end, warnings=(*warnings, *others)
    )


def _expressions(
    track: Track, times: NDArray[np.float64]
) -> tuple[Expression | None, list[Course], int | None]:
    """The expression of the track, the courses of all that ever lead, and the place of the apex."""
    names = facs.LABEL_SETS[track.label_set]
    scores = np.stack([track.column(("score", name)) for name in names])  # (classes, N)
    known = ~np.isnan(scores).any(0)
    if not known.any():
        if not track.labels:
            return None, [], None
        label = track.labels.most_common(1)[0][0]
        return Expression(label, track.label_set), [], None
    means = scores[:, known].mean(1)
    means /= means.sum()
    dominant = int(means.argmax())
    smoothed = np.stack([smooth(times, values) for values in scores])
    whole = ~np.isnan(smoothed).any(0)
    leaders = {dominant, *smoothed[:, whole].argmax(0).tolist()}
    rises: dict[int, Rise] = {}
    for index in sorted(leaders, key=lambda i: (i != dominant, i)):
        rise = course_of(times, smoothed[index], least=LEAST_SCORE)
        if rise is not None:
            rises[index] = rise
    courses = [
        _course(rise, Course(expression=names[i], mean=float(means[i]), peak=rise.peak))
        for i, rise in rises.items()
    ]
    shown = dominant
    others = [i for i in rises if names[i] != "neutral"]
    if names[dominant] == "neutral" and others:
        shown = max(others, key=lambda i: rises[i].peak)
    values = dict(zip(names, map(float, means), strict=True))
    return Expression(names[dominant], track.label_set, values), courses, rises[shown].index


def _units(
    track: Track, times: NDArray[np.float64]
) -> tuple[tuple[ActionUnit, ...] | None, list[Course]]:
    if not track.units:
        return None, []
    units, courses = [], []
    for key in sorted(track.units):
        au, side = key
        share = smooth(times, track.column(("present", key)))
        intensity = track.column(("intensity", key))
        smoothed = smooth(times, intensity)
        rise = course_of(times, smoothed, least=LEAST_INTENSITY)
        probability = _most(smooth(times, track.column(("probability", key))))
        most = _most(share)
        present = None if most is None else most > 0.5
        peak = None if rise is None else rise.peak
        rest = resting_level(times, smoothed)
        units.append(ActionUnit(au, present, probability, peak, side, rest))
        if present and rise is not None:
            known = Course(au=au, side=side, mean=_mean(intensity), peak=rise.peak)
            courses.append(_course(rise, known))
        elif present:  # a model without intensities
            rise = course_of(times, share, least=LEAST_SCORE)
            if rise is not None:
                courses.append(_course(rise, Course(au=au, side=side)))
    return tuple(units), courses


def _course(rise: Rise, known: Course) -> Course:
    return replace(known, onset=rise.onset, apex=rise.apex, offset=rise.offset)


def _strongest_moment(track: Track) -> int:
    total = np.zeros(len(track))
    for key in track.units:
        values = track.column(("intensity", key))
        if np.isnan(values).all():
            values = track.column(("present", key))
        total += np.nan_to_num(values)
    return int(total.argmax())


def _status(track: Track) -> Status:
    if track.statuses["ok"]:
        return "ok"
    status: Status = "failed" if track.statuses["failed"] else "unparsed"
    return status


def _seen(track: Track) -> float:
    """Area over all frames."""
    sides = [track.column(("box", i)) for i in range(4)]
    return float(((sides[2] - sides[0]) * (sides[3] - sides[1])).sum())


def _pose(track: Track, index: int) -> Pose | None:
    angles = [track.column(("pose", name))[index] for name in ("yaw", "pitch", "roll")]
    return None if np.isnan(angles).any() else Pose(*map(float, angles))


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _most(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else None
