"""What happens in a clip: plain courses, and cases in which one frame misleads.

A clip shows two seconds at six frames a second. Its label is the expression that the person has in
it, which a single frame need not show:

* `plain`: onset, apex, offset, as in `mien synth sequence`; the apex may lie at an end.
* `micro`: a quarter to half a second of expression in an otherwise neutral clip.
* `turn`: a short, strong expression and a longer, weaker one; the longer one is the label.
* `speech`: jaw and lips move as in speech, over an expression or over a neutral face.
* `hidden`: a hand or a bar before mouth or eyes for a part of the clip.
* `gaps`: the face is missed in a run of frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.schema import Side
from mien.synth.courses import eased, smooth
from mien.synth.draw_scene import draw_scene
from mien.synth.facemodel import FaceModel
from mien.synth.motion import HELD, Motion, draw_motion
from mien.synth.scene import Occluder, Scene, Split

FPS, SECONDS = 6.0, 2.0
FRAMES = int(FPS * SECONDS)
KEPT = 8
"""Frames of a training clip that are rendered."""
CASES = {"plain": 0.34, "micro": 0.14, "turn": 0.14, "speech": 0.18, "hidden": 0.1, "gaps": 0.1}
CLASSES = {
    "neutral": 0.22, "happiness": 0.13, "sadness": 0.13, "surprise": 0.13,
    "fear": 0.13, "disgust": 0.13, "anger": 0.13,
}  # fmt: skip
UNLABELLED = 0.15
"""Share of plain clips whose units make no expression."""
Unit = tuple[int, Side]
Weights = NDArray[np.float64]
_MOUTH = (10, 12, 14, 15, 16, 17, 18, 20, 24, 25, 26)


@dataclass(frozen=True)
class Script:
    """One clip before it is rendered.

    Attributes:
        case: key of `CASES`.
        expression: one of `CLASSES`; None where the units make none in particular.
        motion: of the face.
        scenes: of the frames.
        shown: (F,) False where the face is missed.
    """

    case: str
    expression: str | None
    motion: Motion
    scenes: tuple[Scene, ...]
    shown: NDArray[np.bool_]


def draw_script(number: int, *, seed: int, split: Split, model: FaceModel) -> Script:
    """The clip of a number; it depends on the arguments alone."""
    rng = np.random.default_rng([seed, number, int(split == "test"), 0xC11B])
    case = str(rng.choice(list(CASES), p=list(CASES.values())))
    wanted: str | None = str(rng.choice(list(CLASSES), p=list(CLASSES.values())))
    if case == "plain" and rng.random() < UNLABELLED:
        wanted = None
    while case in ("micro", "turn") and wanted == "neutral":
        wanted = str(rng.choice(list(CLASSES), p=list(CLASSES.values())))
    scene = _scene(number, wanted, seed=seed, split=split, model=model)
    motion = draw_motion(scene, fps=FPS, seconds=SECONDS)
    if case == "micro":
        motion = _micro(rng, motion)
    elif case == "turn":
        other = wanted
        while other in (wanted, "neutral"):
            other = str(rng.choice(list(CLASSES)))
        short = _scene(number, other, seed=seed + 1, split=split, model=model)
        motion = _turn(rng, motion, short)
    elif case == "speech":
        motion = _speech(rng, motion)
    shown = np.ones(len(motion), bool)
    if split == "train":
        shown = _kept(rng, motion)
    if case == "gaps":
        length = int(rng.integers(3, 8))
        start = int(rng.integers(0, len(motion) - length + 1))
        shown[start : start + length] = False
        shown[_strongest(motion)] = True
    scenes = _finished(rng, motion, [motion.frame(k) for k in range(len(motion))])
    if case == "hidden":
        scenes = _hidden(rng, scenes)
    return Script(case, wanted, motion, tuple(scenes), shown)


def _strongest(motion: Motion) -> int:
    """The frame in which the face moves most; without it a clip may lose its label."""
    return int(np.sum(list(motion.units.values()), axis=0).argmax())


def _kept(rng: np.random.Generator, motion: Motion) -> NDArray[np.bool_]:
    """(F,) the frames that training renders: which ones is its augmentation over time."""
    kept = np.zeros(len(motion), bool)
    kept[rng.permutation(len(motion))[:KEPT]] = True
    kept[_strongest(motion)] = True
    return kept


def _scene(number: int, wanted: str | None, *, seed: int, split: Split, model: FaceModel) -> Scene:
    """The first scene of a clip's own numbers whose units make the expression."""
    for attempt in range(number * 1000, number * 1000 + 1000):
        scene = draw_scene(attempt, seed=seed, split=split, model=model)
        if scene.expression == wanted:
            return replace(scene, occluder=None)
    raise ValueError(f"no scene of {wanted!r} among 1000")


def _held(times: Weights, start: float, stop: float, ramp: float) -> Weights:
    """(F,) 1 from start to stop, with a rise before and a fall after."""
    rise = eased((times - start + ramp) / ramp, "cubic")
    return rise * (1 - eased((times - stop) / ramp, "cubic"))


def _timed(motion: Motion, course: Weights) -> Motion:
    """The motion with another course of its expression; what blinks do to the lids stays."""
    scene = motion.scene
    closed = np.max([np.zeros(len(motion)), *(b.closure(motion.times) for b in motion.blinks)], 0)
    units = {}
    for unit in motion.units:
        values = scene.units.get(unit, 0.0) * course
        if unit[0] == 43:
            values = np.maximum(values, 5 * closed)
        units[unit] = values.clip(HELD, 5.0)
    return replace(
        motion,
        units=units,
        extras={name: weight * course for name, weight in scene.extras.items()},
        parting=scene.parting * course,
    )


def _micro(rng: np.random.Generator, motion: Motion) -> Motion:
    middle = motion.times[int(rng.integers(1, len(motion) - 1))]
    half = rng.uniform(0.04, 0.12)
    return _timed(motion, _held(motion.times, middle - half, middle + half, 0.12))


def _turn(rng: np.random.Generator, motion: Motion, other: Scene) -> Motion:
    """The clip's own expression is held long, the other one shortly, before or after it."""
    short, ramp = rng.uniform(0.15, 0.35), 0.2
    gap = rng.uniform(0.1, 0.3)
    length = rng.uniform(0.8, 1.1)
    if rng.random() < 0.5:
        start = rng.uniform(0.1, 0.25)
        first = (start, start + short)
        own = (first[1] + gap, first[1] + gap + length)
    else:
        own = (0.1, 0.1 + length)
        first = (own[1] + gap, own[1] + gap + short)
    own_course = rng.uniform(0.75, 1.0) * _held(motion.times, *own, ramp)
    other_course = _held(motion.times, *first, ramp)
    moved = _timed(motion, own_course)
    units = dict(moved.units)
    for (au, side), strength in other.units.items():
        sides = [u for u in units if u[0] == au] or [(au, side)]
        for unit in sides:  # a unit has either both sides at once or single ones
            before = units.get(unit, np.full(len(motion), HELD))
            units[unit] = np.maximum(before, strength * other_course).clip(HELD, 5.0)
    names = set(moved.extras) | set(other.extras)
    zero = np.zeros(len(motion))
    extras = {
        n: np.maximum(moved.extras.get(n, zero), other.extras.get(n, 0.0) * other_course)
        for n in names
    }
    parting = np.maximum(moved.parting, other.parting * other_course)
    return replace(moved, units=units, extras=extras, parting=parting)


def _speech(rng: np.random.Generator, motion: Motion) -> Motion:
    """Jaw, parting and rounding of the lips at the rate of syllables; they damp the mouth."""
    times = motion.times
    start, length = rng.uniform(0.0, 0.6), rng.uniform(0.9, 2.0)
    talking = _held(times, start, start + length, 0.15)
    jaw = talking * (0.5 + 0.4 * smooth(rng, times, (1.5, 4.5))).clip(0, 1)
    round_ = talking * (0.5 * smooth(rng, times, (0.8, 2.5)) - 0.1).clip(0, 1)
    units = {
        unit: (values * (1 - 0.35 * talking) if unit[0] in _MOUTH else values).clip(HELD, 5.0)
        for unit, values in motion.units.items()
        if unit[0] != 24  # pressed lips do not speak
    }
    loud = rng.uniform(1.2, 3.6)
    for au, values in ((26, loud * jaw), (18, rng.uniform(1.5, 4.0) * round_)):
        for unit in [u for u in units if u[0] == au] or [(au, "both")]:
            units[unit] = np.maximum(units.get(unit, HELD), values).clip(HELD, 5.0)  # type: ignore[index]
    return replace(motion, units=units, parting=np.maximum(motion.parting, 0.3 * jaw))


def _hidden(rng: np.random.Generator, scenes: list[Scene]) -> list[Scene]:
    """A thing before mouth or eyes in the first or the last frames."""
    mouth = rng.random() < 0.6
    x, y = 0.5 + rng.normal(0, 0.03), (0.66 if mouth else 0.44) + rng.normal(0, 0.03)
    width, height = rng.uniform([0.2, 0.12], [0.4, 0.2])
    shade = rng.uniform(0, 255, 3)
    thing = Occluder(
        shape="ellipse" if mouth else "bar",
        box=(x - width / 2, y - height / 2, x + width / 2, y + height / 2),
        angle=float(rng.uniform(-30, 30)),
        colour=(int(shade[0]), int(shade[1]), int(shade[2])),
    )
    count = int(rng.integers(4, 9))
    covered = range(count) if rng.random() < 0.7 else range(len(scenes) - count, len(scenes))
    return [
        replace(scene, occluder=thing) if k in covered else scene for k, scene in enumerate(scenes)
    ]


def _finished(rng: np.random.Generator, motion: Motion, scenes: list[Scene]) -> list[Scene]:
    """Blur where the head turns fast or the focus is lost, and light that flickers."""
    speed = np.abs(np.gradient(motion.pose[:, :2], axis=0)).sum(1)  # degrees a frame
    blur = 0.04 * speed
    if rng.random() < 0.15:
        start = int(rng.integers(0, len(scenes) - 2))
        blur[start : start + int(rng.integers(2, 5))] += rng.uniform(0.8, 1.8)
    flicker = np.ones(len(scenes))
    if rng.random() < 0.2:
        flicker = 1 + 0.12 * smooth(rng, motion.times, (0.5, 3.0))
    found = []
    for scene, more, light in zip(scenes, blur, flicker, strict=True):
        finish = replace(
            scene.finish,
            blur=round(min(scene.finish.blur + float(more), 3.0), 2),
            exposure=round(scene.finish.exposure * float(light.clip(0.6, 1.5)), 3),
        )
        found.append(replace(scene, finish=finish))
    return found
