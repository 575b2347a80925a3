"""What of a face model's mesh is the same for all people: where to paint, and where hair grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.synth.facemodel import Floats, Mesh, Part

_AXIS = -8.0
"""Depth in cm, behind the eyes, of the upright axis around which the head is unwrapped."""
_HALF_TURN = 1.9
"""Angle in radians from the front to either edge of the texture."""
_BOTTOM, _TOP = -14.0, 12.0
"""Heights in cm of the texture's lower and upper edge."""


@dataclass(frozen=True)
class Layout:
    """Fixed properties of the vertices.

    Attributes:
        uv: (V, 2) place in the skin texture, u to the person's left, v up, in [0, 1] on the face.
        landmarks: (68, 2) the Multi-PIE landmarks in the same places.
        scalp: (V,) how much a vertex belongs to the hairy part of the head, in [0, 1].
        left: (V,) whether it is on the person's left.
    """

    uv: Floats
    landmarks: Floats
    scalp: Floats
    left: NDArray[np.bool_]

    @classmethod
    def of(cls, mesh: Mesh) -> Layout:
        """The layout of a mesh, from its mean face."""
        uv = _unwrapped(mesh.template)
        return cls(
            uv=uv,
            landmarks=uv[mesh.landmarks],
            scalp=_scalp(mesh),
            left=mesh.template[:, 0] > 0,
        )


def _angle(vertices: Floats) -> Floats:
    """(V,) angle in radians around the head, 0 in front and positive on the person's left."""
    return np.arctan2(vertices[:, 0], vertices[:, 2] - _AXIS)


def _unwrapped(vertices: Floats) -> Floats:
    u = 0.5 + _angle(vertices) / (2 * _HALF_TURN)
    v = (vertices[:, 1] - _BOTTOM) / (_TOP - _BOTTOM)
    return np.stack([u, v], 1).astype(np.float32)


def _scalp(mesh: Mesh) -> Floats:
    """High above the brows in front, down to the neck behind the ears."""
    points = mesh.template[mesh.landmarks]
    brows, chin = points[17:27, 1].max(), points[8, 1]
    face = brows - chin
    ear_level = points[33, 1]  # the lobes are about as high as the base of the nose
    angle = np.rad2deg(np.abs(_angle(mesh.template)))
    hairline = np.interp(
        angle,
        [0, 40, 58, 70, 84, 108, 125, 180],
        [
            brows + 0.44 * face,
            brows + 0.36 * face,
            brows + 0.12 * face,
            brows + 0.02 * face,
            brows + 0.10 * face,  # above the ears
            brows + 0.10 * face,
            ear_level - 0.1 * face,
            ear_level - 0.3 * face,
        ],
    )
    above = (mesh.template[:, 1] - hairline) / 4.0
    scalp = np.clip(0.5 + above, 0, 1)
    return np.where(mesh.parts == Part.SKIN, scalp, 0).astype(np.float32)
