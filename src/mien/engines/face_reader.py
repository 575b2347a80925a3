"""Facial priors for a model out of what the finder already knows of a face."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch

from mien.models.priors import FacePriors, priors_of
from mien.schema import Face

log = logging.getLogger(__name__)

_LAYOUT = "mediapipe478"  # of the landmarks in `Face`


class FaceReader:
    """Makes the priors that one EMO-LLaMA was made for.

    Landmarks, blendshapes and pose are the finder's. An embedding that is the work of the model's
    own encoder is added by `with_own_embedding` when the model looks at the face; a model that was
    trained with another one is told of none.

    Args:
        config: of the model.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        if config.use_global and not config.makes_embedding:
            log.warning(
                "this model was trained with face embeddings of %r, which mien does not compute; "
                "it is told of none",
                config.face_embedding_source,
            )

    def read(self, faces: Sequence[Face]) -> list[FacePriors | None]:
        """What the model wants to know of each face, in order; None where nothing is known."""
        return (
            [self._read(face) for face in faces] if self.config.use_priors else [None] * len(faces)
        )

    def _read(self, face: Face) -> FacePriors | None:
        found = priors_of(face)
        if self.config.landmark_layout != _LAYOUT or not self.config.use_local:
            found = FacePriors(pose=found.pose, blendshapes=found.blendshapes)
        return None if found.is_empty and not self.config.makes_embedding else found

    def with_own_embedding(
        self,
        inputs: dict[str, torch.Tensor],
        priors: Sequence[Sequence[FacePriors | None]] | None,
    ) -> dict[str, torch.Tensor]:
        """Inputs of the model with the embedding of each face that is known without one.

        Args:
            inputs: with `vision_tokens` (B, F, V, C) and, where there are priors, `face_embedding`
                (B, F, E).
            priors: per clip, of the face in each of its frames.
        """
        if priors is None or not self.config.makes_embedding:
            return inputs
        wanted = torch.zeros(inputs["vision_tokens"].shape[:2], dtype=torch.bool)
        for row, clip in enumerate(priors):
            for column, known in enumerate(clip):
                wanted[row, column] = known is not None and known.embedding is None
        given = inputs["face_embedding"]
        patches = inputs["vision_tokens"][:, :, self.config.vision_shape.prefix :]
        own = patches.float().mean(2)  # (B, F, C)
        chosen = torch.where(wanted.to(given.device)[..., None], own.to(given.dtype), given)
        return {**inputs, "face_embedding": chosen}
