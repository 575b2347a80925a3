"""What is known of a face before the model looks: the facial priors of EMO-LLaMA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.models.priors.landmarks import LAYOUTS, layout
from mien.schema import Face, Pose, in_range, require

ATTRIBUTES = ("age", "gender", "race")
"""Attributes of the handcrafted sentence, in its order."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute as a network sees it, which may be wrong about the person.

    Attributes:
        value: in words, such as "20-29" or "female".
        confidence: probability in [0, 1]; None where the source gives none.
    """

    value: str
    confidence: float | None = None

    def __post_init__(self) -> None:
        require(bool(self.value.strip()), "an attribute has an empty value; leave it out instead")
        in_range("confidence of an attribute", self.confidence, 0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class FacePriors:
    """Facial priors of one face in one frame; whatever is not known is None.

    Attributes:
        embedding: (E,) float32, a face embedding.
        landmarks: (P, 2 or 3) float32 in pixels or any unit in which x and y are alike, y down.
        layout: which points `landmarks` has, a key of `LAYOUTS`; their regions stand there.
        pose: head pose in degrees.
        blendshapes: name to score in [0, 1]; None where not computed.
        attributes: "age", "gender" and "race" to what a network sees; unknown ones are left out.
    """

    embedding: NDArray[np.float32] | None = None
    landmarks: NDArray[np.float32] | None = None
    layout: str | None = None
    pose: Pose | None = None
    blendshapes: Mapping[str, float] | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            (self.landmarks is None) == (self.layout is None),
            f"landmarks and layout go together; layouts: {', '.join(LAYOUTS)}",
        )
        if self.embedding is not None:
            shape = np.shape(self.embedding)
            require(len(shape) == 1 and shape[0] > 0, f"embedding has shape {shape}, not (E,)")
        if self.landmarks is not None and self.layout is not None:
            shape, count = np.shape(self.landmarks), layout(self.layout).count
            require(
                len(shape) == 2 and shape[0] == count and shape[1] in (2, 3),
                f"landmarks have shape {shape}; layout {self.layout!r} needs ({count}, 2 or 3)",
            )
        for name, score in (self.blendshapes or {}).items():
            in_range(f"blendshape {name}", score, 0, 1)
        unknown = sorted(set(self.attributes) - set(ATTRIBUTES))
        require(not unknown, f"attributes {unknown} are not among {', '.join(ATTRIBUTES)}")

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        values = (self.embedding, self.landmarks, self.pose, self.blendshapes)
        return all(value is None for value in values) and not self.attributes


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture whose priors are asked for.

    Attributes:
        image: (H, W, 3) uint8, upright RGB.
        face: the face in it that is meant; None: the largest one.
        name: path relative to the dataset's root, for sources that are files.
        frame: index of the frame where the name is a clip's.
    """

    image: NDArray[np.uint8]
    face: Face | None = None
    name: str | None = None
    frame: int = 0


class PriorSource(Protocol):
    """Gives facial priors.

    Attributes:
        identity: what computed them, versions and weights included; other priors, other identity.
    """

    identity: str

    def read(self, pictures: Sequence[Picture]) -> list[FacePriors]:
        """Priors of each picture, in order; an empty `FacePriors` where there is no face."""
        ...
