"""Scenes drawn by chance, with the test's people, skins, lights and combinations kept apart."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.schema import Pose
from mien.synth.combinations import draw_pattern, is_held_out, shown
from mien.synth.facemodel import FaceModel, Person
from mien.synth.renderer import Camera, Light
from mien.synth.scene import Eyes, Finish, Hair, HairStyle, Occluder, Scene, Split
from mien.synth.texture import Colour, Paint

T = TypeVar("T")

EVERY = 5
"""Every fifth person, band of skin tones and band of light directions belongs to the test."""
TONE_BANDS = 40
LIGHT_BAND = 8.0
"""Degrees."""

_TONES = np.array(  # from light to dark, as seen; albedo is darker
    [
        (0.97, 0.86, 0.79), (0.92, 0.77, 0.67), (0.84, 0.66, 0.53), (0.73, 0.53, 0.40),
        (0.57, 0.39, 0.28), (0.40, 0.26, 0.19), (0.27, 0.17, 0.13),
    ]
)  # fmt: skip
_HAIR: dict[str, Colour] = {
    "black": (0.05, 0.045, 0.04),
    "dark brown": (0.10, 0.065, 0.045),
    "brown": (0.20, 0.13, 0.08),
    "blond": (0.52, 0.40, 0.22),
    "red": (0.36, 0.15, 0.07),
    "grey": (0.45, 0.45, 0.46),
    "white": (0.75, 0.75, 0.74),
}
_IRIS: tuple[Colour, ...] = (
    (0.10, 0.06, 0.035), (0.17, 0.10, 0.05), (0.25, 0.17, 0.08), (0.24, 0.26, 0.12),
    (0.20, 0.30, 0.38), (0.30, 0.34, 0.36),
)  # fmt: skip


def draw_scene(index: int, *, seed: int, split: Split, model: FaceModel) -> Scene:
    """The scene of a number; it depends on the arguments alone.

    Args:
        index: number of the picture.
        seed: of the set.
        split: "test" draws people, skin tones, light directions and combinations of three units and
            more that "train" never has.
        model: who can be shown.
    """
    rng = np.random.default_rng([seed, index, int(split == "test")])
    pattern = draw_pattern(rng, held_out=split == "test")
    person = model.person(_in_split(int(rng.integers(model.people)), split, model.people))
    tone = _tone(rng, person, split)
    azimuth = _in_band(rng.normal(0, 40), LIGHT_BAND, split)
    hair = _hair(rng, person, tone)
    wish = any(au == 25 for au, _ in pattern.units)
    return Scene(
        index=index,
        seed=seed,
        split=split,
        model=model.name,
        person=person,
        origin=pattern.origin,
        expression=pattern.expression,
        units=pattern.units,
        extras=pattern.extras,
        parting=round(float(rng.uniform(0.06, 0.16)), 3) if wish else 0.0,
        pose=_pose(rng),
        camera=Camera(
            field_of_view=float(rng.uniform(12, 40)),
            height=float(rng.uniform(18, 30)),
            shift=(float(rng.normal(0, 0.03)), float(0.06 + rng.normal(0, 0.03))),
        ),
        light=_light(rng, azimuth),
        light_azimuth=round(azimuth, 1),
        skin_tone=round(tone, 3),
        paint=_paint(rng, person, tone, hair.colour if hair.style != "cover" else _HAIR["brown"]),
        hair=hair,
        eyes=_eyes(rng, tone),
        background=_pick(rng, ("plain", "gradient", "blotches", "shapes")),
        background_seed=int(rng.integers(2**31)),
        occluder=_occluder(rng) if rng.random() < 0.1 else None,
        finish=_finish(rng),
        teeth=_triple(np.array([0.88, 0.86, 0.8]) * rng.uniform(0.75, 1.0)),
    )


def belongs_to(scene: Scene) -> tuple[bool, ...]:
    """Whether person, skin, light and combination each belong to the scene's split.

    Combinations of fewer than three units belong to both.
    """
    test = scene.split == "test"
    few = len(shown(scene.units) - {25}) < 3
    return (
        (scene.person.number % EVERY == 0) == test,
        (int(scene.skin_tone * TONE_BANDS) % EVERY == 0) == test,
        (int(np.floor(scene.light_azimuth / LIGHT_BAND)) % EVERY == 0) == test,
        few or is_held_out(scene.units) == test,
    )


def _in_split(number: int, split: Split, count: int) -> int:
    """The nearest number of the split, below `count`."""
    if split == "test":
        return number - number % EVERY
    if number % EVERY:
        return number
    return number + 1 if number + 1 < count else number - 1


def _in_band(value: float, width: float, split: Split) -> float:
    """The value, or one in the nearest band of the split."""
    band = int(np.floor(value / width))
    wanted = _band(band, split)
    # Away from the edges, so that rounding in a label cannot cross them.
    inside = np.clip(value / width - band, 0.05, 0.95)
    return float((wanted + inside) * width)


def _band(band: int, split: Split) -> int:
    rest = band % EVERY
    if split == "test":
        return band - rest if rest <= EVERY // 2 else band + EVERY - rest
    return band if rest else band + 1


def _tone(rng: np.random.Generator, person: Person, split: Split) -> float:
    """Skin tone from 0 (light) to 1 (dark); it follows ancestry where that is known."""
    shares = [
        float(person.attributes.get(f"ancestry_{a}", 0)) for a in ("caucasian", "asian", "african")
    ]
    if sum(shares):
        tone = np.dot(shares, rng.normal([0.16, 0.34, 0.74], [0.1, 0.12, 0.12]))
    else:
        tone = rng.uniform(0.02, 0.95)
    top = 1 - 1 / TONE_BANDS
    banded = _in_band(float(np.clip(tone, 0.0, top)), 1 / TONE_BANDS, split)
    return banded if banded < 1 else banded - EVERY / TONE_BANDS


def _pose(rng: np.random.Generator) -> Pose:
    wide = rng.random() < 0.12
    yaw = rng.uniform(-65, 65) if wide else rng.normal(0, 15)
    return Pose(
        yaw=round(float(np.clip(yaw, -65, 65)), 1),
        pitch=round(float(np.clip(rng.normal(0, 9), -30, 30)), 1),
        roll=round(float(np.clip(rng.normal(0, 8), -35, 35)), 1),
    )


def _light(rng: np.random.Generator, azimuth: float) -> Light:
    a, e = np.deg2rad([azimuth, np.clip(rng.normal(30, 25), -30, 80)])
    warmth = rng.normal(0, 0.06)
    colour = np.array([1 + warmth, 1.0, 1 - warmth])
    key, sky, ground = rng.uniform([0.35, 0.15, 0.08], [1.0, 0.5, 0.3])
    return Light(
        direction=(float(np.sin(a) * np.cos(e)), float(np.sin(e)), float(np.cos(a) * np.cos(e))),
        key=_triple(key * colour),
        sky=_triple(sky * colour[::-1]),
        ground=_triple(ground * np.ones(3)),
        gloss=float(rng.uniform(0.03, 0.22)),
    )


def _paint(rng: np.random.Generator, person: Person, tone: float, hair: Colour) -> Paint:
    seen = np.array([np.interp(tone * 6, np.arange(7), channel) for channel in _TONES.T])
    skin = (seen * rng.normal(1, 0.02, 3)).clip(0.05, 1) ** 1.6
    gender = person.attributes.get("gender")
    bearded = rng.random() < {"male": 0.5, "female": 0.0}.get(str(gender), 0.25)
    made_up = not bearded and rng.random() < {"female": 0.45, "male": 0.03}.get(str(gender), 0.2)
    red = np.array([0.62, 0.2, 0.2]) if made_up else np.array([0.55, 0.27, 0.25])
    share = rng.uniform(0.3, 0.8) if made_up else rng.uniform(0.1, 0.4)
    age = float(person.attributes.get("age", rng.uniform(18, 75)))
    return Paint(
        skin=_triple(skin),
        lips=_triple((skin * (1 - share) + red * share * (0.4 + 0.6 * skin.mean())).clip(0, 1)),
        brows=_triple(np.array(hair) * rng.uniform(0.6, 1.0)),
        lip_strength=float(rng.uniform(0.5, 1.0)),
        brow_density=0.0 if rng.random() < 0.03 else float(rng.uniform(0.25, 1.0)),
        brow_width=float(rng.uniform(0.6, 1.4)),
        beard=float(rng.uniform(0.15, 0.85)) if bearded else 0.0,
        beard_colour=_triple(np.array(hair) * rng.uniform(0.7, 1.0)),
        eye_shadow=float(rng.uniform(0.2, 0.7)) if made_up else 0.0,
        redness=float(rng.uniform(0.1, 0.9)),
        unevenness=float(rng.uniform(0.03, 0.25)),
        lines=float(np.clip((0.15 + 0.75 * (age - 16) / 70) * rng.uniform(0.5, 1.5), 0.05, 1.0)),
        seed=int(rng.integers(2**31)),
    )


def _hair(rng: np.random.Generator, person: Person, tone: float) -> Hair:
    age = float(person.attributes.get("age", 40))
    female = person.attributes.get("gender") == "female"
    style: HairStyle = _pick(
        rng,
        ("bald", "shaven", "short", "long", "cover"),
        np.array([0.01, 0.03, 0.4, 0.48, 0.08])
        if female
        else np.array([0.12, 0.13, 0.57, 0.1, 0.08]),
    )
    if style == "cover":
        return Hair(style, _triple(rng.uniform(0.03, 0.8, 3)), float(rng.uniform(0.4, 1.2)))
    if rng.random() < np.clip((age - 38) / 45, 0, 0.9):
        name = "white" if age > 68 and rng.random() < 0.5 else "grey"
    elif tone > 0.4:
        name = _pick(rng, ("black", "dark brown", "brown"), np.array([0.7, 0.22, 0.08]))
    else:
        name = _pick(rng, tuple(_HAIR)[:5], np.array([0.2, 0.3, 0.25, 0.18, 0.07]))
    colour = _triple(np.array(_HAIR[name]) * rng.uniform(0.8, 1.2))
    volume = {"bald": 0.0, "shaven": 0.03, "short": rng.uniform(0.2, 1.4), "long": 0.3}[style]
    return Hair(style, colour, float(volume))


def _eyes(rng: np.random.Generator, tone: float) -> Eyes:
    dark = rng.random() < (0.95 if tone > 0.45 else 0.4)
    iris = _IRIS[int(rng.integers(2))] if dark else _IRIS[int(rng.integers(2, len(_IRIS)))]
    yaw, pitch = rng.normal(0, [9, 5]) if rng.random() < 0.6 else np.zeros(2)
    return Eyes(
        iris=_triple(np.array(iris) * rng.uniform(0.8, 1.3)),
        sclera=_triple(np.array([0.86, 0.83, 0.81]) * rng.uniform(0.8, 1.0)),
        yaw=round(float(np.clip(yaw, -25, 25)), 1),
        pitch=round(float(np.clip(pitch, -15, 12)), 1),
    )


def _occluder(rng: np.random.Generator) -> Occluder:
    width, height = rng.uniform([0.12, 0.06], [0.45, 0.3])
    x, y = rng.uniform([0.15, 0.15], [0.85, 0.9])
    shade = rng.uniform(0, 255, 3)
    return Occluder(
        shape="ellipse" if rng.random() < 0.5 else "bar",
        box=tuple(
            round(float(v), 3)
            for v in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        ),  # type: ignore[arg-type]
        angle=round(float(rng.uniform(-60, 60)), 1),
        colour=(int(shade[0]), int(shade[1]), int(shade[2])),
    )


def _finish(rng: np.random.Generator) -> Finish:
    def sometimes(share: float, value: float) -> float:
        return value if rng.random() < share else 0.0

    grey = rng.random() < 0.35
    return Finish(
        native=int(rng.integers(44, 200)) if rng.random() < 0.35 else None,
        blur=round(sometimes(0.3, float(rng.uniform(0.4, 1.6))), 2),
        exposure=round(float(np.exp(rng.normal(0, 0.16))), 3),
        contrast=round(float(np.exp(rng.normal(0, 0.14))), 3),
        saturation=0.0 if grey else round(float(rng.uniform(0.4, 1.2)), 3),
        cast=_triple(np.exp(rng.normal(0, 0.04, 3)).round(3)),
        noise=round(sometimes(0.5, float(rng.uniform(1, 12))), 2),
        jpeg=int(rng.integers(30, 96)) if rng.random() < 0.6 else None,
        seed=int(rng.integers(2**31)),
    )


def _pick(
    rng: np.random.Generator, options: tuple[T, ...], weights: NDArray[np.float64] | None = None
) -> T:
    return options[int(rng.choice(len(options), p=weights))]


def _triple(values: NDArray[np.floating]) -> Colour:
    a, b, c = (float(v) for v in values)
    return a, b, c
