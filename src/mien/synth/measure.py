"""What can be seen of each unit, measured on the posed mesh and its picture.

A unit is *visible* where its own movement (the face with it against the same face without it) moves
enough of what the picture shows: at least `SHARE` of the movement lies on vertices that neither the
head itself nor a thing in front hides, and its largest visible part is at least `LEAST` of the
distance between the outer eye corners and `LEAST_PIXELS` at the picture's true resolution, more
where the picture is blurred. Noise and darkness are not counted.

Two units are not what was asked for but what the mesh shows: AU25 is the gap between the lips and
AU26 the drop of the lower jaw, both against the same person at rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien import arkit
from mien.schema import Side
from mien.synth.combinations import strengths
from mien.synth.facemodel import FaceModel, Floats, Mesh, Part, offsets
from mien.synth.renderer import Rendered
from mien.synth.scene import Scene

MEASURED_UNITS: tuple[int, ...] = (
    1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 24, 25, 26, 43,
)  # fmt: skip
"""The units whose presence is known in every picture."""
SHARE = 0.3
LEAST = 0.016
"""About 1.5 mm on a face."""
LEAST_PIXELS = 0.6
PIXELS_PER_BLUR = 0.5
"""Added to `LEAST_PIXELS` for each pixel of the blur's standard deviation."""
TRACE = 0.5
"""Intensity below which a unit is absent."""
PRESENT = 1.5
"""Intensity (B) from which a visible unit is called present."""

_DEPTH_SLACK = 2e-3
"""In units of the depth buffer, about 1 mm: a vertex lies on the surface that hides it."""
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))
_WIDE_GAP = 0.22
"""Gap of AU25 at E, in distances between the outer eye corners."""
_WIDE_DROP = 0.16
"""Drop of the lower teeth at AU26 E, likewise; a jaw stretched further is AU27."""


@dataclass(frozen=True)
class Measured:
    """One unit of one picture.

    Attributes:
        au: FACS number.
        intensity: of the stronger side, in [0, 5].
        left, right: intensity of each side.
        visible: whether the picture shows it; True for a unit of intensity 0 whose place is in
            sight, False where the place is hidden, so that absence cannot be seen either.
        margin: how far what was measured is from where the label would change, as a share of that
            limit; 0 is on the edge, where another machine's rounding may decide otherwise.
    """

    au: int
    intensity: float
    left: float
    right: float
    visible: bool
    margin: float = field(default=1.0, compare=False)

    @property
    def present(self) -> bool | None:
        """Visible and B or more; None where it is hidden or only a trace."""
        if not self.visible:
            return None
        if self.intensity < TRACE:
            return False
        return True if self.intensity >= PRESENT else None


def posed_weights(scene: Scene) -> dict[str, float]:
    """Strength of every facial action of a scene."""
    weights = dict(arkit.action_weights(scene.units))
    for name, weight in scene.extras.items():
        weights[name] = max(weights.get(name, 0.0), weight)
    if scene.parting:
        weights["jawOpen"] = max(weights.get("jawOpen", 0.0), scene.parting)
    return weights


class Measurer:
    """Measures the units of one face model.

    Args:
        model: the face model.
    """

    def __init__(self, model: FaceModel):
        self.mesh = model.mesh
        self._skin = np.isin(self.mesh.parts, (Part.SKIN, Part.LASH))
        self._lower_teeth = _lower_teeth(self.mesh)
        self._at_full = {
            (au, side): np.linalg.norm(
                offsets(self.mesh, arkit.action_weights({(au, side): 5.0})), axis=1
            )
            * self._skin
            for au in MEASURED_UNITS
            if au != 25
            for side in ("left", "right")
        }

    def __call__(
        self,
        scene: Scene,
        rest: Floats,
        vertices: Floats,
        rendered: Rendered,
        covered: NDArray[np.bool_] | None,
    ) -> list[Measured]:
        """All units of a picture, in the order of `MEASURED_UNITS`.

        Args:
            scene: what was rendered.
            rest: (V, 3) the person at rest.
            vertices: (V, 3) as rendered.
            rendered: the picture.
            covered: (H, W) where a thing in front hides it.
        """
        width = float(np.linalg.norm(rest[self.mesh.landmarks[45]] - rest[self.mesh.landmarks[36]]))
        places = rendered.project(vertices)
        seen = self._skin & _in_sight(places, rendered.depth, covered)
        height = rendered.colour.shape[0]
        native = scene.finish.native or height
        # in limits, so that a movement of one is just seen
        fine = LEAST_PIXELS + PIXELS_PER_BLUR * scene.finish.blur
        limits_per_cm = min(native, height) / scene.camera.height / fine
        sides = _by_side(scene.units)
        sides[25] = (_gap(self.mesh, vertices, rest, width),) * 2
        sides[26] = (self._drop(vertices, rest, width),) * 2
        found = []
        for au in MEASURED_UNITS:
            left, right = sides.get(au, (0.0, 0.0))
            strength = max(left, right)
            if au == 25:
                lips = seen[self.mesh.landmarks[48:60]]
                visible = bool(lips.mean() >= 0.4)
                margin = _margin_of_count(int(lips.sum()), 0.4 * len(lips))
            else:
                # an absent unit is judged by where it would show at C
                a, b = (left, right) if strength >= TRACE else (3.0, 3.0)
                moved = (a * self._at_full[au, "left"] + b * self._at_full[au, "right"]) / 5
                visible, margin = _shows(moved, seen, width, limits_per_cm)
            if au in (25, 26):  # the others' intensity is what was asked for
                margin = min(margin, abs(strength / TRACE - 1), abs(strength / PRESENT - 1))
            found.append(
                Measured(
                    au, round(strength, 2), round(left, 2), round(right, 2), visible, float(margin)
                )
            )
        return found

    def _drop(self, vertices: Floats, rest: Floats, width: float) -> float:
        down = float((rest - vertices)[self._lower_teeth, 1].mean()) / width
        return float(np.clip(5 * down / _WIDE_DROP, 0, 5))


def _by_side(units: Mapping[tuple[int, Side], float]) -> dict[int, tuple[float, float]]:
    """Left and right intensity of each unit."""
    sides: dict[int, tuple[float, float]] = {}
    for au in strengths(units):
        both = units.get((au, "both"), 0.0)
        sides[au] = (units.get((au, "left"), both), units.get((au, "right"), both))
    return sides


def _in_sight(
    places: Floats, depth: NDArray[np.float32], covered: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """(V,) vertices that the picture shows."""
    height, width = depth.shape
    scale = width / (covered.shape[1] if covered is not None else width / 2)
    x = np.floor(places[:, 0] * scale).astype(int)
    y = np.floor(places[:, 1] * scale).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    seen = inside & (places[:, 2] <= depth[y, x] + _DEPTH_SLACK)
    if covered is not None:
        seen &= ~covered[(y / scale).astype(int), (x / scale).astype(int)]
    return seen


def _shows(
    moved: Floats, seen: NDArray[np.bool_], width: float, limits_per_cm: float
) -> tuple[bool, float]:
    """Whether a movement can be seen, and how clearly so or not."""
    total = float(moved.sum())
    if total <= 0:
        return False, 1.0
    shown = moved * seen
    largest = float(shown.max())
    visible = bool(
        shown.sum() >= SHARE * total and largest >= LEAST * width and largest * limits_per_cm >= 1
    )
    weakest = min(
        float(shown.sum()) / (SHARE * total),
        largest / (LEAST * width),
        largest * limits_per_cm,
    )
    return visible, abs(weakest - 1)


def _margin_of_count(count: int, limit: float) -> float:
    """0 for a count that one vertex more or less may put on the other side of the limit."""
    spare = count - np.ceil(limit) if count >= limit else np.ceil(limit) - 1 - count
    return float(spare / limit)


def _gap(mesh: Mesh, vertices: Floats, rest: Floats, width: float) -> float:
    """Intensity of AU25 from the mean gap between the inner lips, beyond that at rest.

    The root makes a small gap count: lips part at once, and then only further.
    """
    gaps = []
    for upper, lower in _INNER_LIPS:
        a, b = mesh.landmarks[upper], mesh.landmarks[lower]
        gaps.append((vertices[a] - vertices[b])[1] - (rest[a] - rest[b])[1])
    share = max(float(np.mean(gaps)), 0.0) / width / _WIDE_GAP
    return float(min(5 * share**0.6, 5.0)) if share > 0.01 else 0.0


def _lower_teeth(mesh: Mesh) -> NDArray[np.intp]:
    """The teeth that the jaw moves."""
    jaw = -mesh.actions[mesh.action_names.index("jawOpen")][:, 1]
    return np.flatnonzero(
        (mesh.parts == Part.TEETH) & (jaw > 0.5 * jaw[mesh.parts == Part.TEETH].max())
    )
