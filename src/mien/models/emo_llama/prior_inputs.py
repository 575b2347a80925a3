"""Facial priors as the arrays that EMO-LLaMA takes; NaN is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.models.priors.face_priors import FacePriors
from mien.models.priors.landmarks import in_face_frame, layout


@dataclass(frozen=True, slots=True)
class PriorFormat:
    """Sizes of the priors that a model was made for; as in ``EmoLlamaConfig``."""

    face_embedding_size: int
    landmark_layout: str
    landmark_dim: int
    blendshapes: tuple[str, ...] = ()

    def arrays(
        self, clips: Sequence[Sequence[FacePriors | None]], *, frames: int
    ) -> dict[str, NDArray[np.float32]]:
        """Arrays of a batch of clips.

        Args:
            clips: per clip, the priors of its frames; ``None`` where nothing is known.
            frames: F, to which shorter clips are filled up as unknown.

        Returns:
            ``face_embedding`` (P, F, E), ``landmarks`` (P, F, points, 2 or 3) in the face's own
            frame, ``pose`` (P, F, 3) in degrees and, if there are any, ``blendshapes`` (P, F, S).

        Raises:
            ValueError: if a prior is not of this format.
        """
        points = layout(self.landmark_layout).count
        shapes: dict[str, tuple[int, ...]] = {
            "face_embedding": (self.face_embedding_size,),
            "landmarks": (points, self.landmark_dim),
            "pose": (3,),
        }
        if self.blendshapes:
            shapes["blendshapes"] = (len(self.blendshapes),)
        arrays = {
            name: np.full((len(clips), frames, *shape), np.nan, dtype=np.float32)
            for name, shape in shapes.items()
        }
        for row, clip in enumerate(clips):
            for column, priors in enumerate(clip):
                for name, value in self._values(priors or FacePriors()).items():
                    arrays[name][row, column] = value
        return arrays

    def _values(self, priors: FacePriors) -> dict[str, NDArray[np.float32]]:
        """What is known of one frame, checked."""
        values: dict[str, NDArray[np.float32]] = {}
        if priors.embedding is not None:
            if priors.embedding.shape != (self.face_embedding_size,):
                raise ValueError(
                    f"a face embedding has {len(priors.embedding)} numbers; this model was made "
                    f"for face_embedding_size {self.face_embedding_size}"
                )
            values["face_embedding"] = priors.embedding
        if priors.landmarks is not None:
            if priors.layout != self.landmark_layout:
                raise ValueError(
                    f"landmarks have layout {priors.layout!r}; this model was made for "
                    f"landmark_layout {self.landmark_layout!r}"
                )
            if priors.landmarks.shape[1] < self.landmark_dim:
                raise ValueError("landmarks are 2-D; this model was made for landmark_dim 3")
            placed = in_face_frame(priors.landmarks, self.landmark_layout)
            if placed is not None:
                values["landmarks"] = placed[:, : self.landmark_dim]
        if priors.pose is not None:
            pose = priors.pose
            values["pose"] = np.array([pose.yaw, pose.pitch, pose.roll], dtype=np.float32)
        known = priors.blendshapes
        if self.blendshapes and known and all(name in known for name in self.blendshapes):
            scores = [known[name] for name in self.blendshapes]
            values["blendshapes"] = np.array(scores, dtype=np.float32)
        return values
