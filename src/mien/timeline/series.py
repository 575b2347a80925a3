"""A number over time: smoothed, and its onset, apex and offset.

The rules:

1. A value is smoothed by the mean of its neighbours within `WINDOW` seconds, weighted by a triangle
   (the value itself 1, one at the window's edge 0). Unknown values have no weight.
2. The apex is the time of the largest smoothed value.
3. The base is the least smoothed value of the track. Where the peak is less than `least` above it,
   nothing rose, and there is no onset and no offset.
4. The onset is the last time before the apex at which the smoothed value rises through a fifth of
   the way from base to peak, the offset the first one after it at which it falls through that;
   between two frames by straight lines. Where the track begins or ends above, they are unknown.
5. The resting level is the value that a tenth of the smoothed values do not exceed: speech and
   expressions come and go above it. A track of under `REST_FRAMES` known values or `REST_SECONDS`
   has none, for it may show one moment only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW = 0.3
LEVEL = 0.2
REST_SHARE = 0.1
REST_FRAMES = 20
REST_SECONDS = 2.0

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rise:
    """Peak, place of the apex among the values, and times in seconds."""

    peak: float
    index: int
    apex: float
    onset: float | None
    offset: float | None


def smooth(times: Values, values: Values, window: float = WINDOW) -> Values:
    """Means over neighbours in time, see the rules.

    Args:
        times: (N,) rising seconds.
        values: (N,), NaN where unknown.
        window: seconds to either side.

    Returns:
        (N,); NaN where nothing in the window is known.
    """
    total = np.where(np.isnan(values), 0.0, values)
    weight = (~np.isnan(values)).astype(float)
    known, plain = weight.copy(), total.copy()
    for shift in range(1, len(times)):
        apart = times[shift:] - times[:-shift]
        near = 1 - apart / window
        if not (near > 0).any():
            break
        near = np.maximum(near, 0)
        total[shift:] += near * plain[:-shift]
        weight[shift:] += near * known[:-shift]
        total[:-shift] += near * plain[shift:]
        weight[:-shift] += near * known[shift:]
    means = np.divide(total, weight, out=np.full(len(times), np.nan), where=weight > 0)
    if not known.any():
        return means
    return np.clip(means, np.nanmin(values), np.nanmax(values))  # rounding stays in range


def course_of(times: Values, smoothed: Values, *, least: float) -> Rise | None:
    """Onset, apex and offset of smoothed values, see the rules.

    Args:
        times: (N,) rising seconds.
        smoothed: (N,), NaN where unknown.
        least: the least rise from base to peak.

    Returns:
        None where no value is known.
    """
    known = ~np.isnan(smoothed)
    if not known.any():
        return None
    places = np.flatnonzero(known)
    times, smoothed = times[known], smoothed[known]
    at = int(smoothed.argmax())
    peak, base = float(smoothed[at]), float(smoothed.min())
    onset = offset = None
    if peak - base >= least:
        level = base + LEVEL * (peak - base)
        below = np.flatnonzero(smoothed[:at] <= level)
        onset = _crossing(times, smoothed, int(below[-1]), level) if len(below) else None
        below = np.flatnonzero(smoothed[at + 1 :] <= level)
        offset = _crossing(times, smoothed, at + int(below[0]), level) if len(below) else None
    return Rise(peak, int(places[at]), float(times[at]), onset, offset)


def resting_level(times: Values, smoothed: Values) -> float | None:
    """The level at which a value rests, see the rules.

    Args:
        times: (N,) rising seconds.
        smoothed: (N,), NaN where unknown.

    Returns:
        None where the track is too short to tell.
    """
    known = ~np.isnan(smoothed)
    seen = times[known]
    if len(seen) < REST_FRAMES or seen[-1] - seen[0] < REST_SECONDS:
        return None
    return float(np.quantile(smoothed[known], REST_SHARE))


def _crossing(times: Values, values: Values, i: int, level: float) -> float:
    """The time between the values i and i + 1 at which a straight line meets the level."""
    share = (level - values[i]) / (values[i + 1] - values[i])
    return float(times[i] + share * (times[i + 1] - times[i]))
