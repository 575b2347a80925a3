"""Facial priors for a model out of what the finder already knows of a face."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.faces import crop_face
from mien.models.priors import EncoderEmbedding, FacePriors, priors_of
from mien.schema import Face

_LAYOUT = "mediapipe478"  # of the landmarks in `Face`


class FaceReader:
    """Makes the priors that one EMO-LLaMA was made for.

    Landmarks, blendshapes and pose are the finder's. The embedding is that of nano's encoder, which
    is loaded when the first face comes; a model that was trained with another one is told of none.

    Args:
        config: of the model.
        device: where the encoder runs.
    """

    def __init__(self, config: Any, device: torch.device) -> None:
        self.config, self.device = config, device

    @cached_property
    def embedding(self) -> EncoderEmbedding | None:
        """Who makes embeddings; None where the model takes none of nano's encoder."""
        if not self.config.use_global or self.config.face_embedding_source != "mien/nano":
            return None
        return EncoderEmbedding.from_folder(device=self.device)

    def read(self, image: NDArray[np.uint8], faces: Sequence[Face]) -> list[FacePriors | None]:
        """See `mien.engines.base.ReadsPriors.face_priors`."""
        if not faces or not self.config.use_priors:
            return [None] * len(faces)
        vectors: Sequence[NDArray[np.float32] | None] = [None] * len(faces)
        if self.embedding is not None:
            spec = self.embedding.crop_spec
            vectors = list(self.embedding([crop_face(image, face, spec) for face in faces]))
        return [self._read(face, vector) for face, vector in zip(faces, vectors, strict=True)]

    def _read(self, face: Face, vector: NDArray[np.float32] | None) -> FacePriors | None:
        found = priors_of(face, vector)
        if self.config.landmark_layout != _LAYOUT or not self.config.use_local:
            found = FacePriors(vector, None, None, found.pose, found.blendshapes)
        return None if found.is_empty else found
