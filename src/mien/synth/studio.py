"""Scenes to labelled pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.facs import LABEL_SETS
from mien.sample import Sample
from mien.schema import ActionUnit, Box, Expression
from mien.synth.combinations import strengths
from mien.synth.facemodel import FaceModel, Floats, offsets
from mien.synth.finish import background, compose, finished, occluded
from mien.synth.layout import Layout
from mien.synth.measure import Measured, Measurer, posed_weights
from mien.synth.renderer import Look, Renderer, rotation
from mien.synth.scene import Scene
from mien.synth.texture import paint_skin

LABELS = LABEL_SETS["basic8"]


@dataclass(frozen=True)
class Shot:
    """One finished picture.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        scene: what it was made from.
        units: what is measured of each unit.
        box: left, top, right, bottom of the face (landmarks) in pixels.
        inside: share of the face's box that lies within the picture.
    """

    image: NDArray[np.uint8]
    scene: Scene
    units: list[Measured]
    box: Box
    inside: float = 1.0


class Studio:
    """Renders the scenes of one face model at one size.

    Args:
        model: the face model.
        size: side of the pictures in pixels.
    """

    def __init__(self, model: FaceModel, size: int):
        self.model, self.size = model, size
        self.layout = Layout.of(model.mesh)
        self.renderer = Renderer(model.mesh, self.layout, size)
        self.measurer = Measurer(model)

    def __call__(self, scene: Scene) -> Shot:
        """The picture of a scene and its labels."""
        if scene.model != self.model.name:
            raise ValueError(f"scene {scene.index} is of {scene.model}, not of {self.model.name}")
        rest = self.model.at_rest(scene.person)
        vertices = rest + offsets(self.model.mesh, posed_weights(scene))
        pose = rotation(scene.pose.yaw, scene.pose.pitch, scene.pose.roll)
        rendered = self.renderer(vertices, self._look(scene), pose, scene.camera, scene.light)
        image = compose(
            rendered.colour, background(scene.background, scene.background_seed, self.size)
        )
        covered = None
        if scene.occluder is not None:
            image, covered = occluded(image, scene.occluder)
        units = self.measurer(scene, rest, vertices, rendered, covered)
        box, inside = self._box(rendered.project(vertices)[self.model.mesh.landmarks])
        return Shot(
            image=finished(image, scene.finish),
            scene=scene,
            units=units,
            box=box,
            inside=inside,
        )

    def _look(self, scene: Scene) -> Look:
        folds = strengths(scene.units)
        return Look(
            skin=paint_skin(scene.paint, self.layout.landmarks, folds),
            iris=scene.eyes.iris,
            sclera=scene.eyes.sclera,
            teeth=scene.teeth,
            mouth=(0.32, 0.08, 0.08),
            hair=scene.hair.colour,
            gaze=np.repeat(_direction(scene.eyes.yaw, scene.eyes.pitch)[None], 2, 0),
            hair_volume=scene.hair.volume,
            long_hair=scene.hair.style == "long",
        )

    def _box(self, landmarks: Floats) -> tuple[Box, float]:
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        low[1] -= 0.25 * (high[1] - low[1])  # the landmarks end at the brows
        whole = float(np.prod(high - low))
        low, high = low.clip(0, self.size), high.clip(0, self.size)
        box: Box = tuple(round(float(v), 1) for v in (*low, *high))  # type: ignore[assignment]
        return box, float(np.prod(high - low)) / whole

    def close(self) -> None:
        """Frees the OpenGL context."""
        self.renderer.close()


def _direction(yaw: float, pitch: float) -> Floats:
    y, p = np.deg2rad([yaw, pitch])
    return np.array([np.sin(y) * np.cos(p), np.sin(p), np.cos(y) * np.cos(p)], np.float32)


def to_sample(shot: Shot, *, name: str, image: str, dataset: str, licence: str) -> Sample:
    """A shot as a Sample.

    Args:
        shot: the picture and its labels.
        name: the sample's id.
        image: path of the picture, relative to the dataset.
        dataset: its name.
        licence: of the picture.
    """
    scene = shot.scene
    expression = None
    if scene.expression is not None:
        expression = Expression(label=scene.expression, label_set="basic8")
    return Sample(
        id=name,
        dataset=dataset,
        image=image,
        subject=f"{scene.model}-{scene.person.number}",
        split=scene.split,
        expression=expression,
        action_units=tuple(_unit(unit) for unit in shot.units),
        attributes=attributes(scene, shot.units),
        box=shot.box,
        licence=licence,
    )


def _unit(unit: Measured) -> ActionUnit:
    side = "both"
    if unit.intensity >= 0.5 and abs(unit.left - unit.right) > 0.25 * unit.intensity:
        side = "left" if unit.left > unit.right else "right"
    return ActionUnit(au=unit.au, present=unit.present, intensity=unit.intensity, side=side)  # type: ignore[arg-type]


def attributes(scene: Scene, units: list[Measured]) -> Mapping[str, str | float]:
    """All else that is known of a picture, flat: who, from where, and how it was taken."""
    hidden = " ".join(str(unit.au) for unit in units if not unit.visible)
    sides = " ".join(
        f"{unit.au}:{unit.left:g}/{unit.right:g}" for unit in units if unit.left != unit.right
    )
    values: dict[str, str | float | None] = {
        **scene.person.attributes,
        "face_model": scene.model,
        "skin_tone": scene.skin_tone,
        "hair": scene.hair.style,
        "beard": round(scene.paint.beard, 2),
        "origin": scene.origin,
        "hidden_units": hidden,
        "unit_sides": sides,
        "extras": " ".join(f"{name}:{weight:.2f}" for name, weight in scene.extras.items()),
        "yaw": scene.pose.yaw,
        "pitch": scene.pose.pitch,
        "roll": scene.pose.roll,
        "gaze_yaw": scene.eyes.yaw,
        "gaze_pitch": scene.eyes.pitch,
        "light_azimuth": scene.light_azimuth,
        "field_of_view": round(scene.camera.field_of_view, 1),
        "background": scene.background,
        "occluder": scene.occluder.shape if scene.occluder else "none",
        "native": scene.finish.native,
        "blur": scene.finish.blur,
        "noise": scene.finish.noise,
        "jpeg": scene.finish.jpeg,
        "grey": float(scene.finish.saturation == 0),
    }
    return {key: value for key, value in values.items() if value is not None}
