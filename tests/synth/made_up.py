"""A face model that needs no download: a ball with landmarks, eyes, teeth and bulges that move."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from mien.arkit import ARKIT_ACTIONS
from mien.synth.facemodel import Floats, Ints, Mesh, Part, Person

_CENTRE, _RADII = np.array([0, -4, -7.0]), np.array([8, 10, 10.0])
# x and y in cm of the Multi-PIE landmarks
# fmt: off
_JAW = [
    (-7.5, 1), (-7.4, -2), (-7, -4), (-6.4, -6), (-5.5, -8), (-4.3, -9.5), (-3, -10.6),
    (-1.5, -11.4),
]
_BROW = [(-5.6, 1.5), (-4.8, 2), (-3.8, 2.2), (-2.6, 2), (-1.4, 1.6)]
_NOSE = [
    (0, 0), (0, -1.3), (0, -2.6), (0, -3.9), (-1.3, -4.7), (-0.7, -4.9), (0, -5.1), (0.7, -4.9),
    (1.3, -4.7),
]
_EYE = [(-4.5, 0), (-3.6, 0.6), (-2.6, 0.6), (-1.7, 0), (-2.6, -0.6), (-3.6, -0.6)]
_LIPS = [
    (-2.5, -7.3), (-1.5, -6.7), (-0.7, -6.4), (0, -6.5), (0.7, -6.4), (1.5, -6.7), (2.5, -7.3),
    (1.5, -8.1), (0.7, -8.4), (0, -8.5), (-0.7, -8.4), (-1.5, -8.1),
    (-2, -7.3), (-0.8, -7), (0, -7), (0.8, -7), (2, -7.3), (0.8, -7.6), (0, -7.6), (-0.8, -7.6),
]
# fmt: on
_ANCHORS = {"brow": (-3.8, 2), "eye": (-3, 0), "cheek": (-3.5, -3), "nose": (-1, -4.8)}
_MOUTH, _JAW_TIP = (-2, -7.3), (-0.5, -10)


def _landmarks() -> np.ndarray:
    def mirrored(points: list[tuple[float, float]], order: list[int]) -> list[tuple[float, float]]:
        return [(-points[i][0], points[i][1]) for i in order]

    other_eye = mirrored(_EYE, [3, 2, 1, 0, 5, 4])
    jaw = [*_JAW, (0, -11.8), *mirrored(_JAW, list(range(7, -1, -1)))]
    brows = [*_BROW, *mirrored(_BROW, [4, 3, 2, 1, 0])]
    return np.array([*jaw, *brows, *_NOSE, *_EYE, *other_eye, *_LIPS])


def _ball(centre: np.ndarray, radii: np.ndarray, rings: int, sides: int) -> tuple[Floats, Ints]:
    """Vertices and triangles, counter-clockwise from outside."""
    a, b = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, rings), np.arange(sides) * 2 * np.pi / sides, indexing="ij"
    )
    unit = np.stack([np.sin(a) * np.sin(b), np.cos(a), np.sin(a) * np.cos(b)], -1).reshape(-1, 3)
    i, j = (n.reshape(-1) for n in np.meshgrid(range(rings - 1), range(sides), indexing="ij"))
    p, q = i * sides + j, i * sides + (j + 1) % sides
    faces = np.concatenate([np.stack([p, p + sides, q], 1), np.stack([q, p + sides, q + sides], 1)])
    return (centre + radii * unit).astype(np.float32), faces.astype(np.int32)


@cache
def _made() -> Mesh:
    pieces = [
        (_ball(_CENTRE, _RADII, 60, 120), Part.SKIN),
        (_ball(np.array([3, 0, 1.8]), np.full(3, 1.3), 8, 12), Part.EYE),
        (_ball(np.array([-3, 0, 1.8]), np.full(3, 1.3), 8, 12), Part.EYE),
        (_ball(np.array([0, -6.4, 1.0]), np.array([1.5, 0.4, 0.4]), 5, 8), Part.TEETH),
        (_ball(np.array([0, -8.2, 1.0]), np.array([1.5, 0.4, 0.4]), 5, 8), Part.TEETH),
    ]
    starts = np.cumsum([0, *(len(vertices) for (vertices, _), _ in pieces)])
    template = np.concatenate([vertices for (vertices, _), _ in pieces])
    parts = np.concatenate([np.full(len(v), part, np.uint8) for (v, _), part in pieces])
    triangles = np.concatenate(
        [faces + start for ((_, faces), _), start in zip(pieces, starts, strict=False)]
    )
    front = (parts == Part.SKIN) & (template[:, 2] > _CENTRE[2])
    distance = np.linalg.norm(template[None, :, :2] - _landmarks()[:, None], axis=2)
    landmarks = np.where(front, distance, np.inf).argmin(1)
    return Mesh(
        template=template,
        triangles=triangles.astype(np.int32),
        parts=parts,
        actions=np.stack([_action(name, template, parts) for name in ARKIT_ACTIONS]),
        action_names=tuple(ARKIT_ACTIONS),
        landmarks=landmarks.astype(np.int32),
        eyeballs=tuple(np.arange(starts[i], starts[i + 1], dtype=np.int32) for i in (1, 2)),
    )


def _action(name: str, template: Floats, parts: np.ndarray) -> Floats:
    """A bulge of the skin at the action's place; the jaw takes all below the lips along."""
    moved = np.zeros_like(template)
    if name == "jawOpen":
        below = (template[:, 1] < -7.35) & (parts != Part.EYE) & (template[:, 2] > _CENTRE[2])
        moved[below] = (0, -3, 0)
        return moved
    anchor = next((p for word, p in _ANCHORS.items() if name.startswith(word)), _MOUTH)
    anchor = _JAW_TIP if name.startswith("jaw") else anchor
    downwards = any(word in name for word in ("Down", "Frown", "Lower", "Blink", "Press"))
    for side in (-1, 1):
        if name.endswith("Left" if side < 0 else "Right"):
            continue
        place = np.array([-anchor[0] if side > 0 else anchor[0], anchor[1]])
        near = np.exp(-np.square(template[:, :2] - place).sum(1) / 3)
        share = near * (parts == Part.SKIN) * (template[:, 2] > _CENTRE[2])
        moved += share[:, None] * np.array([0.2 * side, -1.0 if downwards else 1.0, 0.3])
    return moved.astype(np.float32)


class MadeUpFace:
    """Two hundred people who differ in how wide and tall they are."""

    name = "made-up"
    licence = "CC0-1.0"
    people = 200

    def __init__(self) -> None:
        self.mesh = _made()

    def person(self, number: int) -> Person:
        rng = np.random.default_rng(number)
        width, height = rng.normal(1, 0.04, 2).round(4).tolist()
        gender = ("female", "male")[number % 2]
        return Person(number, (width, height), {"age": float(18 + number % 60), "gender": gender})

    def at_rest(self, person: Person) -> Floats:
        return self.mesh.template * np.array([*person.coefficients, 1], np.float32)


class OtherFace(MadeUpFace):
    """The same under another name, with other eyes."""

    name = "other"

    def __init__(self) -> None:
        super().__init__()
        template = self.mesh.template.copy()
        template[self.mesh.eyeballs[0], 2] += 0.2
        self.mesh = replace(self.mesh, template=template)


def broken() -> MadeUpFace:
    """What a loader does whose model is not installed."""
    raise ImportError("nothing here: pip install 'something'")
