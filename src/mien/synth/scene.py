"""Everything that decides a rendered picture, as data: who, what the face does, how it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mien.schema import Pose, Side
from mien.synth.combinations import Origin
from mien.synth.facemodel import Person
from mien.synth.renderer import Camera, Light
from mien.synth.texture import Paint

Split = Literal["train", "test"]
BackgroundKind = Literal["plain", "gradient", "blotches", "shapes"]
HairStyle = Literal["bald", "shaven", "short", "long", "cover"]


@dataclass(frozen=True)
class Hair:
    """What is on the head.

    Attributes:
        style: "cover" is a cap or cloth without strands.
        colour: RGB in [0, 1].
        volume: centimetres off the scalp.
    """

    style: HairStyle
    colour: tuple[float, float, float]
    volume: float


@dataclass(frozen=True)
class Eyes:
    """Colour and direction of the eyes.

    Attributes:
        iris, sclera: RGB in [0, 1].
        yaw, pitch: of the gaze within the head, in degrees; positive to the person's left and up.
    """

    iris: tuple[float, float, float]
    sclera: tuple[float, float, float]
    yaw: float
    pitch: float


@dataclass(frozen=True)
class Occluder:
    """A flat thing before the face: an ellipse or a bar.

    Attributes:
        shape: "ellipse" or "bar".
        box: left, top, right, bottom in shares of the picture.
        angle: turn in degrees.
        colour: RGB in [0, 255].
    """

    shape: Literal["ellipse", "bar"]
    box: tuple[float, float, float, float]
    angle: float
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Finish:
    """What the camera and the file format do to the picture, in this order.

    Attributes:
        native: side in pixels to which the picture is reduced first, None to leave it.
        blur: standard deviation in pixels.
        exposure: factor on brightness.
        contrast: factor about the mean.
        saturation: 0 is grey.
        cast: factors on RGB.
        noise: standard deviation in grey values of 255.
        jpeg: quality, None for no compression.
        seed: of the noise.
    """

    native: int | None
    blur: float
    exposure: float
    contrast: float
    saturation: float
    cast: tuple[float, float, float]
    noise: float
    jpeg: int | None
    seed: int


@dataclass(frozen=True)
class Scene:
    """One picture before it is rendered.

    Attributes:
        index: number of the picture in its set.
        seed: of the set.
        split: which population of people, skins, lights and combinations it is drawn from.
        model: name of the face model.
        person: who.
        origin: how the units were drawn.
        expression: the expression that they show; None where they show none in particular.
        units: (au, side) to intensity in (0, 5].
        extras: further actions to weight in [0, 1].
        parting: how far the lips part beyond what the units do, as weight of the jaw in [0, 1].
        pose: of the head.
        camera, light, paint, hair, eyes: how it looks.
        background, background_seed: what is behind.
        occluder: what is before, if anything.
        finish: photographic effects.
    """

    index: int
    seed: int
    split: Split
    model: str
    person: Person
    origin: Origin
    expression: str | None
    units: Mapping[tuple[int, Side], float]
    extras: Mapping[str, float]
    parting: float
    pose: Pose
    camera: Camera
    light: Light
    light_azimuth: float
    skin_tone: float
    paint: Paint
    hair: Hair
    eyes: Eyes
    background: BackgroundKind
    background_seed: int
    finish: Finish
    occluder: Occluder | None = None
    teeth: tuple[float, float, float] = field(default=(0.85, 0.83, 0.76))
