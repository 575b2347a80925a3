"""What FaceXFormer (arXiv 2403.12960) gives, as facial priors.

Its own code needs torchvision, so it runs elsewhere; what comes out is read here. Classes are as
its authors list them (Kartik-3004/facexformer, issue 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.models.priors.face_priors import Attribute, FacePriors
from mien.schema import Pose

CLASSES: dict[str, tuple[str, ...]] = {
    "age": ("0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70 or older"),
    "gender": ("male", "female"),
    "race": ("White", "Black", "Indian", "Asian", "other"),
}


def attribute_of(name: str, logits: NDArray[np.floating]) -> Attribute | None:
    """The likeliest class with its probability.

    Args:
        name: "age", "gender" or "race".
        logits: (8,), (2,) or (5,) as the network gives them; NaN where unknown.

    Raises:
        ValueError: if there are not as many as classes.
    """
    scores, classes = np.asarray(logits, dtype=np.float64).ravel(), CLASSES[name]
    if scores.size != len(classes):
        raise ValueError(f"{name} has {scores.size} scores; FaceXFormer has {len(classes)} classes")
    if not np.isfinite(scores).all():
        return None
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    best = int(chances.argmax())
    return Attribute(classes[best], float(chances[best]))


def from_facexformer(
    *,
    landmarks: NDArray[np.floating] | None = None,
    headpose: NDArray[np.floating] | None = None,
    age: NDArray[np.floating] | None = None,
    gender: NDArray[np.floating] | None = None,
    race: NDArray[np.floating] | None = None,
    embedding: NDArray[np.floating] | None = None,
    box: Sequence[float] | None = None,
) -> FacePriors:
    """Priors of one face.

    Args:
        landmarks: (136,) or (68, 2), x and y in [-1, 1] of the crop.
        headpose: (3,) pitch, yaw and roll in radians.
        age, gender, race: (8,), (2,) and (5,) logits.
        embedding: (E,), such as the pooled 256 channels of the fused map.
        box: (x0, y0, x1, y1) of the crop in pixels. FaceXFormer squeezes a box to a square, and
            this undoes it; without it the crop is taken to have been square.

    NaN is unknown in all of them.
    """
    points = None if landmarks is None else np.asarray(landmarks, np.float32).reshape(-1, 2)
    if points is not None and not np.isfinite(points).all():
        points = None
    if points is not None and box is not None and np.isfinite(box).all():
        x0, y0, x1, y1 = box
        sides, corner = np.array([x1 - x0, y1 - y0]), np.array([x0, y0])
        points = ((points + 1) / 2 * sides + corner).astype(np.float32)
    pose = None
    if headpose is not None and np.isfinite(headpose).all():
        pitch, yaw, roll = (math.degrees(float(angle)) for angle in np.ravel(headpose))
        pose = Pose(yaw=yaw, pitch=pitch, roll=roll)
    vector = None if embedding is None else np.asarray(embedding, np.float32).ravel()
    found = {
        name: attribute_of(name, logits)
        for name, logits in (("age", age), ("gender", gender), ("race", race))
        if logits is not None
    }
    return FacePriors(
        embedding=vector if vector is not None and np.isfinite(vector).all() else None,
        landmarks=points,
        layout=None if points is None else "ibug68",
        pose=pose,
        attributes={name: a for name, a in found.items() if a is not None},
    )
