"""How things go over time in a clip: an expression that comes and goes, blinks, and slow drift.

Durations lie in the ranges that are reported for expressions of emotion: onset and offset of some
tenths of a second, the whole between 0.5 and 4 s (Ekman, *Emotions Revealed*, 2003; Schmidt, Cohn &
Tian, *Signal characteristics of spontaneous facial expressions*, Biological Psychology 65(1), 2003,
for smiles). A blink takes 0.1 to 0.4 s; 15 to 20 a minute are usual (Bentivoglio et al., *Analysis
of blink rate patterns in normal subjects*, Movement Disorders 12(6), 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Cut = Literal["whole", "begins", "ends"]
Ease = Literal["cubic", "sigmoid"]

RISE, HOLD, FALL = (0.3, 0.8), (0.5, 1.5), (0.4, 1.2)
"""Seconds from neutral to full, at full, and back, of each unit."""
LAG = 0.15
"""Most seconds by which a unit starts later than the first."""
MARGIN = 0.12
"""Least seconds of neutral face before and after."""
SHORTEST = RISE[0] + HOLD[0] + FALL[0] + 2 * LAG + 2 * MARGIN
"""Seconds that a clip needs for an expression to come and go."""
STEEPEST = 1.66
"""Most slope of an easing from 0 to 1 over 1."""

BLINK = (0.15, 0.30)
"""Seconds of a blink."""
_BLINKS_PER_SECOND = (8 / 60, 28 / 60)
_BETWEEN_BLINKS = 0.4
_CUTS: dict[Cut, float] = {"whole": 0.7, "begins": 0.12, "ends": 0.18}


@dataclass(frozen=True)
class Timing:
    """When an expression comes and goes, in seconds; parts that were cut off lie outside the clip.

    Attributes:
        onset: the first unit begins to move.
        apex: all units are at full.
        offset: the first unit begins to fall.
        end: all units are back.
        rise, fall: seconds that each unit takes for it.
        cut: "begins" and "ends" where the clip begins or ends within the apex.
    """

    onset: float
    apex: float
    offset: float
    end: float
    rise: float
    fall: float
    cut: Cut

    def phase(self, time: float) -> Literal["neutral", "onset", "apex", "offset"]:
        """What the expression is doing at a time."""
        if time < self.onset or time >= self.end:
            return "neutral"
        if time < self.apex:
            return "onset"
        return "apex" if time < self.offset else "offset"


def draw_timing(
    rng: np.random.Generator, seconds: float, *, lead: float = 0.0, trail: float = 0.0
) -> Timing:
    """When the expression of a clip comes and goes.

    Args:
        rng: random numbers.
        seconds: length of the clip, at least `SHORTEST`.
        lead, trail: by how much the last unit is later than the first in rising and falling.

    Raises:
        ValueError: if the clip is too short for it.
    """
    if seconds < SHORTEST:
        raise ValueError(f"a clip of {seconds:g} s is shorter than {SHORTEST:g} s")
    names = list(_CUTS)
    cut: Cut = names[int(rng.choice(len(names), p=list(_CUTS.values())))]
    drawn = rng.uniform(*np.array([RISE, HOLD, FALL]).T)
    least = np.array([RISE[0], HOLD[0], FALL[0]])
    room = seconds - 2 * MARGIN - lead - trail - least.sum()
    room *= rng.uniform(0.6, 1.0)  # else long expressions would all begin at once
    extra = drawn - least
    rise, hold, fall = least + extra * min(1.0, max(room, 0.0) / extra.sum())
    if cut == "begins":
        offset = rng.uniform(0.3, min(1.0, seconds - MARGIN - fall - trail))
        apex = offset - max(hold, offset + 0.05)
        onset = apex - lead - rise
    else:
        if cut == "ends":
            apex = seconds - rng.uniform(0.3, min(1.0, seconds - MARGIN - lead - rise))
            hold = max(hold, seconds - apex + 0.05)
        else:
            whole = lead + rise + hold + fall + trail
            apex = rng.uniform(MARGIN, max(seconds - MARGIN - whole, MARGIN)) + lead + rise
        onset, offset = apex - lead - rise, apex + hold
    return Timing(
        onset=float(onset),
        apex=float(apex),
        offset=float(offset),
        end=float(offset + trail + fall),
        rise=float(rise),
        fall=float(fall),
        cut=cut,
    )


def eased(x: NDArray[np.float64], kind: Ease) -> NDArray[np.float64]:
    """From 0 at 0 and before to 1 at 1 and after, without a corner worth seeing."""
    x = x.clip(0, 1)
    if kind == "cubic":
        return x * x * (3 - 2 * x)
    k = 6.0
    low = 1 / (1 + np.exp(k / 2))
    return (1 / (1 + np.exp(-k * (x - 0.5))) - low) / (1 - 2 * low)


def course(
    times: Times, timing: Timing, *, early: float, late: float, kinds: tuple[Ease, Ease]
) -> NDArray[np.float64]:
    """(F,) share in [0, 1] of one unit over the clip.

    Args:
        times: (F,) seconds of the frames.
        timing: of the expression.
        early, late: how much later than the first unit this one rises and falls.
        kinds: of rise and fall.
    """
    rise = eased((times - timing.onset - early) / timing.rise, kinds[0])
    fall = eased((times - timing.offset - late) / timing.fall, kinds[1])
    return rise * (1 - fall)


@dataclass(frozen=True)
class Blink:
    """One blink.

    Attributes:
        start, end: seconds.
        depth: closure at its most, in [0, 1].
    """

    start: float
    end: float
    depth: float

    def closure(self, times: Times) -> NDArray[np.float64]:
        """(F,) how far the lids are closed; they fall faster than they rise."""
        t = (times - self.start) / (self.end - self.start)
        return self.depth * eased(t / 0.35, "cubic") * (1 - eased((t - 0.45) / 0.55, "cubic"))


def draw_blinks(
    rng: np.random.Generator, seconds: float, barred: tuple[float, float] | None = None
) -> tuple[Blink, ...]:
    """The blinks of a clip, in order; none is cut by its ends.

    Args:
        rng: random numbers.
        seconds: length of the clip.
        barred: from when to when there are none, because the eyes are closed anyway.
    """
    rate = rng.uniform(*_BLINKS_PER_SECOND)
    found: list[Blink] = []
    time = float(rng.exponential(1 / rate))
    while True:
        end = time + float(rng.uniform(*BLINK))
        depth = float(rng.uniform(0.85, 1.0))
        if end > seconds:
            return tuple(found)
        if barred is None or end <= barred[0] or time >= barred[1]:
            found.append(Blink(time, end, depth))
        time = end + _BETWEEN_BLINKS + float(rng.exponential(1 / rate))


_WAVES = 4
LOUDEST = (2 * _WAVES) ** 0.5
"""Most size of `smooth`, in standard deviations."""


def smooth(rng: np.random.Generator, times: Times, band: tuple[float, float]) -> Times:
    """(F,) band-limited chance of standard deviation 1, a sum of a few waves.

    Args:
        rng: random numbers.
        times: (F,) seconds of the frames.
        band: least and most frequency in Hz.
    """
    frequency = rng.uniform(*band, _WAVES)
    phase = rng.uniform(0, 2 * np.pi, _WAVES)
    size = rng.uniform(0.5, 1.0, _WAVES)
    waves = np.sin(2 * np.pi * frequency * times[:, None] + phase)  # (F, waves)
    return waves @ (size / np.sqrt((size**2).sum() / 2))
