"""A scene in motion: what the face of a clip does from frame to frame.

The scene that a clip is drawn from is its apex. Units rise to it and fall from it, the head drifts,
the eyes blink and look about; person, light, skin, background and photographic finish stay. Each
frame is a scene again, so that its labels are measured as those of a still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.schema import Pose, Side
from mien.synth.courses import (
    LAG,
    Blink,
    Ease,
    Times,
    Timing,
    course,
    draw_blinks,
    draw_timing,
    eased,
    smooth,
)
from mien.synth.scene import Scene

Unit = tuple[int, Side]
Phase = Literal["neutral", "onset", "apex", "offset"]

TREMOR = 0.012
"""Standard deviation of a unit's tremor, in shares of its intensity."""
HELD = 1e-4
"""Least intensity of a unit of the clip. It shows nothing, but keeps the unit in every frame's
scene: forehead lines are laid out by whether AU2 is there at all, and would jump."""
TURNS = (65.0, 30.0, 35.0)
"""Most yaw, pitch and roll, as in stills."""
_GAZE = ((-25.0, 25.0), (-15.0, 12.0))
_SEED = 0x5E9  # apart from the numbers that the scene is drawn from


@dataclass(frozen=True, eq=False)
class Motion:
    """A clip before it is rendered; F is its number of frames.

    Attributes:
        scene: its apex.
        fps: frames a second.
        times: (F,) seconds.
        timing: when the expression comes and goes; None for a neutral face.
        units: (au, side) to (F,) intensities.
        extras: further action to (F,) weights.
        parting: (F,) as in `Scene`.
        pose: (F, 3) yaw, pitch and roll.
        gaze: (F, 2) yaw and pitch within the head.
        shift: (F, 2) of the camera.
        blinks: in order.
        seeds: (F,) of the noise.
    """

    scene: Scene
    fps: float
    times: Times
    timing: Timing | None
    units: Mapping[Unit, NDArray[np.float64]]
    extras: Mapping[str, NDArray[np.float64]]
    parting: NDArray[np.float64]
    pose: NDArray[np.float64]
    gaze: NDArray[np.float64]
    shift: NDArray[np.float64]
    blinks: tuple[Blink, ...]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times)

    def frame(self, number: int) -> Scene:
        """The scene of a frame."""
        yaw, pitch, roll = self.pose[number]
        gaze_yaw, gaze_pitch = self.gaze[number]
        x, y = self.shift[number]
        scene = self.scene
        return replace(
            scene,
            units={unit: float(values[number]) for unit, values in self.units.items()},
            extras={name: float(values[number]) for name, values in self.extras.items()},
            parting=float(self.parting[number]),
            pose=Pose(round(float(yaw), 2), round(float(pitch), 2), round(float(roll), 2)),
            camera=replace(scene.camera, shift=(float(x), float(y))),
            eyes=replace(
                scene.eyes, yaw=round(float(gaze_yaw), 2), pitch=round(float(gaze_pitch), 2)
            ),
            finish=replace(scene.finish, seed=int(self.seeds[number])),
        )

    def phase(self, number: int) -> Phase:
        """What the expression is doing in a frame; a neutral face is always "neutral"."""
        return self.timing.phase(float(self.times[number])) if self.timing else "neutral"

    def blinking(self, number: int) -> bool:
        """Whether a frame lies within a blink."""
        return any(b.start <= self.times[number] < b.end for b in self.blinks)

    def frame_at(self, time: float) -> int | None:
        """The first frame at or after a time; None where that lies outside the clip."""
        number = int(np.searchsorted(self.times, time - 1e-9))
        return number if time >= 0 and number < len(self) else None

    @property
    def peak(self) -> int:
        """The frame that stands for the clip: in the middle of the apex, with the eyes unblinking.

        Of a neutral face it is the middle of the clip.
        """
        held = [k for k in range(len(self)) if self.phase(k) == "apex"] or list(range(len(self)))
        middle = held[len(held) // 2]
        closed = closure(self.blinks, self.times)
        return min(held, key=lambda k: (round(float(closed[k]), 2), abs(k - middle)))


def closure(blinks: tuple[Blink, ...], times: Times) -> NDArray[np.float64]:
    """(F,) how far blinks close the lids, in [0, 1]."""
    return np.max([np.zeros(len(times)), *(b.closure(times) for b in blinks)], axis=0)


def draw_motion(scene: Scene, *, fps: float, seconds: float) -> Motion:
    """The motion of a scene; it depends on the scene's seed, split and index and the arguments.

    Args:
        scene: the apex, from `draw_scene`.
        fps: frames a second.
        seconds: length; an expression needs `courses.SHORTEST`.
    """
    rng = np.random.default_rng([scene.seed, scene.index, int(scene.split == "test"), _SEED])
    times = np.arange(round(seconds * fps)) / fps
    timing, courses = _courses(rng, scene, times, seconds)
    units = {
        unit: _trembling(rng, times, scene.units[unit]) * courses[unit] for unit in scene.units
    }
    barred = None
    if max((value for (au, _), value in scene.units.items() if au == 43), default=0.0) >= 1:
        barred = (timing.onset, timing.end) if timing else (0.0, seconds)
    blinks = draw_blinks(rng, seconds, barred)
    pose = _pose(rng, scene, times, seconds)
    return Motion(
        scene=scene,
        fps=fps,
        times=times,
        timing=timing,
        units={
            unit: values.clip(HELD, 5.0)
            for unit, values in _blinked(units, closure(blinks, times)).items()
        },
        extras={name: weight * courses[name] for name, weight in scene.extras.items()},
        parting=scene.parting * courses.get("parting", np.zeros(len(times))),
        pose=pose,
        gaze=_gaze(rng, scene, times, pose),
        shift=_shift(rng, scene, times),
        blinks=blinks,
        seeds=rng.integers(2**31, size=len(times)),
    )


def _courses(
    rng: np.random.Generator, scene: Scene, times: Times, seconds: float
) -> tuple[Timing | None, dict[Unit | str, NDArray[np.float64]]]:
    """The timing, and the course of each unit, each extra and "parting" if any."""
    # both sides of a unit, and what parts the lips, go together
    groups: dict[Unit | str, int | str] = {unit: unit[0] for unit in scene.units}
    if scene.parting:
        groups["parting"] = 25
    groups.update((name, name) for name in scene.extras)
    names = list(dict.fromkeys(groups.values()))
    if scene.origin == "neutral":
        return None, {key: np.ones(len(times)) for key in groups}
    lags = rng.uniform(0, LAG, (len(names), 2))
    lags -= lags.min(0)
    lead, trail = (float(v) for v in lags.max(0))
    timing = draw_timing(rng, seconds, lead=lead, trail=trail)
    kinds: tuple[Ease, Ease] = ("cubic", "sigmoid")
    found = {}
    for name, (early, late) in zip(names, lags, strict=True):
        chosen = (kinds[int(rng.integers(2))], kinds[int(rng.integers(2))])
        found[name] = course(times, timing, early=early, late=late, kinds=chosen)
    return timing, {key: found[name] for key, name in groups.items()}


def _trembling(rng: np.random.Generator, times: Times, intensity: float) -> NDArray[np.float64]:
    return intensity * (1 + TREMOR * smooth(rng, times, (1.0, 5.0)))


def _blinked(
    units: Mapping[Unit, NDArray[np.float64]], closed: NDArray[np.float64]
) -> dict[Unit, NDArray[np.float64]]:
    """The units with the blinks in them."""
    if not closed.any():
        return dict(units)
    # the lid cannot be raised while it falls
    found = {u: v * (1 - closed) if u[0] == 5 else v for u, v in units.items()}
    sides: tuple[Side, ...] = ("left", "right") if _sided(units) else ("both",)
    for side in sides:
        own = found.get((43, side), np.zeros(len(closed)))
        found[43, side] = np.maximum(own, 5 * closed)
    return found


def _sided(units: Mapping[Unit, NDArray[np.float64]]) -> bool:
    return (43, "left") in units or (43, "right") in units


def _pose(
    rng: np.random.Generator, scene: Scene, times: Times, seconds: float
) -> NDArray[np.float64]:
    """(F, 3) a slow drift about the scene's pose, now and then a nod or a turn."""
    start = np.array([scene.pose.yaw, scene.pose.pitch, scene.pose.roll])
    sizes = rng.uniform([0.5, 0.3, 0.3], [3.5, 2.2, 1.6])
    pose = start + sizes * np.stack([smooth(rng, times, (0.1, 0.7)) for _ in range(3)], 1)
    act = rng.random()
    if act < 0.12:
        cycles, rate = int(rng.integers(1, 4)), rng.uniform(1.0, 1.8)
        t = (times - rng.uniform(0, max(seconds - cycles / rate, 0.1))) * rate / cycles
        window = np.where((t > 0) & (t < 1), np.sin(np.pi * t.clip(0, 1)) ** 2, 0.0)
        pose[:, 1] -= rng.uniform(3, 8) * window * np.sin(2 * np.pi * cycles * t)
    elif act < 0.26:
        way = -np.sign(start[0]) if abs(start[0]) > 12 else rng.choice((-1.0, 1.0))
        begin, length = rng.uniform(0, 0.8 * seconds), rng.uniform(0.4, 1.0)
        pose[:, 0] += way * rng.uniform(8, 24) * eased((times - begin) / length, "cubic")
    return pose.clip([-t for t in TURNS], TURNS)


def _gaze(
    rng: np.random.Generator, scene: Scene, times: Times, pose: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(F, 2) gaze that jumps from place to place, and stays there though the head moves."""
    start = np.array([scene.eyes.yaw, scene.eyes.pitch])
    gaze = np.repeat(start[None], len(times), 0)
    restless = rng.uniform(0.15, 0.8)  # jumps a second
    before, when = start, float(rng.exponential(1 / restless))
    while when < times[-1]:
        after = rng.normal(0, [9, 5]) if rng.random() < 0.6 else np.zeros(2)
        step = eased((times - when) / rng.uniform(0.04, 0.08), "cubic")
        gaze += step[:, None] * (after - before)
        before = after
        when += 0.25 + float(rng.exponential(1 / restless))
    gaze -= 0.7 * (pose - pose[0])[:, :2]
    (left, right), (down, up) = _GAZE
    return gaze.clip([left, down], [right, up])


def _shift(rng: np.random.Generator, scene: Scene, times: Times) -> NDArray[np.float64]:
    """(F, 2) where the camera points; a quarter of them are held by hand."""
    shift = np.repeat(np.array([scene.camera.shift]), len(times), 0)
    if rng.random() < 0.25:
        shake = np.stack([smooth(rng, times, (0.4, 3.0)) for _ in range(2)], 1)
        shift += rng.uniform(0.001, 0.004) * shake
    return shift
