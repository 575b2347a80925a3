"""What a 3D face model is to the renderer: a mesh, people, and facial actions that move it.

All models share one frame: centimetres, origin between the eyes, x to the person's left, y up, z
out of the face.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


class Part(IntEnum):
    """What a vertex belongs to; it decides how the vertex is coloured."""

    SKIN = 0
    EYE = 1
    TEETH = 2
    MOUTH = 3
    LASH = 4
    HAIR = 5


@dataclass(frozen=True, eq=False)
class Mesh:
    """The fixed part of a face model.

    Attributes:
        template: (V, 3) vertices of the mean face at rest.
        triangles: (T, 3) vertex numbers, counter-clockwise seen from outside.
        parts: (V,) `Part` of each vertex.
        actions: (K, V, 3) offset of each facial action at full strength.
        action_names: K names in ARKit's spelling (`arkit.canonical`).
        landmarks: (68,) vertices of the Multi-PIE landmarks.
        eyeballs: vertices of the person's left and right eyeball.
    """

    template: Floats
    triangles: Ints
    parts: NDArray[np.uint8]
    actions: Floats
    action_names: tuple[str, ...]
    landmarks: Ints
    eyeballs: tuple[Ints, Ints]


@dataclass(frozen=True)
class Person:
    """One identity of a face model.

    Attributes:
        number: index in the model's population; train and test draw from disjoint numbers.
        coefficients: identity coefficients, in the model's own order.
        attributes: what the model knows of the person, for example
            `{"age": 34.0, "gender": "female", "ancestry": "asian"}`; empty where it knows nothing.
    """

    number: int
    coefficients: tuple[float, ...]
    attributes: Mapping[str, str | float] = field(default_factory=dict)


class FaceModel(Protocol):
    """A 3D face model: mesh, people and actions.

    Attributes:
        name: "anny" or "ict".
        licence: terms of the pictures made from it.
        people: size of the population; `person` takes numbers below it.
        mesh: geometry and actions.
    """

    name: str
    licence: str
    people: int
    mesh: Mesh

    def person(self, number: int) -> Person:
        """The person of a number; the same number always gives the same person."""
        ...

    def at_rest(self, person: Person) -> Floats:
        """(V, 3) vertices of a person at rest, in the shared frame."""
        ...


def offsets(mesh: Mesh, weights: Mapping[str, float]) -> Floats:
    """How far facial actions move each vertex.

    An action that the mesh has for both sides at once takes the mean of the two sides, and one that
    it has by side takes the weight of the whole on each.

    Args:
        mesh: of the face model.
        weights: ARKit's name of the action to strength in [0, 1].

    Returns:
        (V, 3) in cm.

    Raises:
        ValueError: if the mesh does not have an action in any form.
    """
    total = np.zeros_like(mesh.template)
    for name, weight in weights.items():
        for own, share in _own_names(mesh, name):
            total += np.float32(weight * share) * mesh.actions[mesh.action_names.index(own)]
    return total


def _own_names(mesh: Mesh, name: str) -> list[tuple[str, float]]:
    whole = name.removesuffix("Left").removesuffix("Right")
    if name in mesh.action_names:
        return [(name, 1.0)]
    if whole in mesh.action_names:
        return [(whole, 0.5)]
    if name + "Left" in mesh.action_names:
        return [(name + "Left", 1.0), (name + "Right", 1.0)]
    raise ValueError(f"the face model has no facial action {name!r}")


class Normals:
    """Vertex normals of a fixed triangulation, area-weighted.

    Args:
        triangles: (T, 3).
        count: number of vertices; each must belong to a triangle.
    """

    def __init__(self, triangles: Ints, count: int):
        self.triangles = triangles
        corners = triangles.T.reshape(-1)  # (3T,) vertex of each corner
        order = np.argsort(corners, kind="stable")
        self.faces = (order % len(triangles)).astype(np.int32)
        starts = np.searchsorted(corners[order], np.arange(count))
        if len(np.unique(triangles)) != count:
            raise ValueError("a vertex belongs to no triangle")
        self.starts = starts

    def __call__(self, vertices: Floats) -> Floats:
        """(V, 3) unit normals of (V, 3) vertices."""
        a, b, c = (vertices[self.triangles[:, i]] for i in range(3))
        u, v = b - a, c - a
        faces = np.empty_like(u)  # np.cross is several times slower
        faces[:, 0] = u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1]
        faces[:, 1] = u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2]
        faces[:, 2] = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        summed = np.add.reduceat(faces[self.faces], self.starts, axis=0)
        length = np.sqrt((summed * summed).sum(1, keepdims=True))
        return summed / np.maximum(length, 1e-12)


def subset(
    keep: NDArray[np.bool_], triangles: NDArray[np.integer], *per_vertex: NDArray[np.generic]
) -> tuple[Ints, list[NDArray[np.generic]], Ints]:
    """A mesh without the vertices that are not kept, or that no triangle is left of.

    Args:
        keep: (V,) which vertices may stay.
        triangles: (T, 3).
        *per_vertex: arrays whose first axis is V.

    Returns:
        Triangles renumbered, the arrays cut down, and (V,) the new number of each old vertex, -1
        where it went.
    """
    left = triangles[keep[triangles].all(1)]
    used = np.unique(left)
    number = np.full(len(keep), -1, np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    return number[left], [array[used] for array in per_vertex], number


def centre_between_eyes(vertices: Floats, eyeballs: Sequence[Ints]) -> Floats:
    """(3,) point between the two eyeballs."""
    return np.mean([vertices[ball].mean(0) for ball in eyeballs], axis=0, dtype=np.float32)
