"""Facial priors out of what is there anyway: the finder's points and the model's own encoder."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.faces import Finder, MediaPipeFinder, WholeFinder, crop_face
from mien.models.priors.face_priors import FacePriors, Picture
from mien.models.vision import encoder_tokens, weights_digest
from mien.schema import Face
from mien.weights import verify


class EncoderEmbedding:
    """Face embeddings: the mean over the patches that the vision encoder of an EMO-LLaMA makes.

    It keeps a copy of the encoder, in float32 and on the CPU: priors are made in worker processes,
    which a model on an accelerator does not reach.

    Args:
        model: an ``EmoLlamaForConditionalGeneration``.
        image_processor: the one that it was trained with.
        batch_size: faces in one forward pass.
    """

    def __init__(self, model: Any, image_processor: Any, *, batch_size: int = 64) -> None:
        self.encoder = copy.deepcopy(model.model.vision_tower).to("cpu", torch.float32).eval()
        self.image_processor, self.batch_size = image_processor, batch_size
        config = model.config
        self.crop_spec, self.layer = config.crop_spec, config.vision_layer
        self.prefix = config.vision_shape.prefix
        settings = json.dumps(
            [self.layer, repr(self.crop_spec), image_processor.to_dict()],
            sort_keys=True,
            default=str,
        )
        seen = hashlib.sha256(settings.encode()).hexdigest()[:16]
        self.identity = f"encoder {weights_digest(self.encoder)[:16]}, pictures {seen}"

    @torch.inference_mode()
    def __call__(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(B, E) of B faces, cut out as ``crop_spec`` says."""
        rows = []
        for start in range(0, len(crops), self.batch_size):
            part = list(crops[start : start + self.batch_size])
            pixels = self.image_processor(part, return_tensors="pt")["pixel_values"]
            tokens = encoder_tokens(self.encoder, pixels, layer=self.layer)  # (B, V, C)
            rows.append(tokens[:, self.prefix :].mean(1).numpy())
        return np.concatenate(rows)


class BuiltInPriors:
    """Landmarks, blendshapes and pose of the finder, and the embedding of a model's encoder.

    It knows no attributes.

    Args:
        finder: MediaPipe's by default.
        embedding: of the model that will read the priors; None leaves embeddings unknown.
        whole: every picture is a face crop: its embedding is that of the whole picture, whether or
            not the finder finds the face.
    """

    def __init__(
        self,
        finder: Finder | None = None,
        embedding: EncoderEmbedding | None = None,
        *,
        whole: bool = False,
    ) -> None:
        self.finder = MediaPipeFinder() if finder is None else finder
        self.embedding = embedding
        self.whole = whole
        found_by = self.finder.name
        if found_by == "mediapipe":
            found_by += " " + _sha256(verify("face_landmarker") / "face_landmarker.task")
        made_by = "no embedding" if embedding is None else embedding.identity
        self.identity = f"built-in 2; {found_by}; {made_by}; whole {whole}"

    def read(self, pictures: Sequence[Picture]) -> list[FacePriors]:
        """Priors of each picture; an empty one where there is no face."""
        faces = [self._face(picture) for picture in pictures]
        vectors = {} if self.embedding is None else self._embedded(self.embedding, pictures, faces)
        return [priors_of(face, vectors.get(i)) for i, face in enumerate(faces)]

    def _embedded(
        self,
        embedding: EncoderEmbedding,
        pictures: Sequence[Picture],
        faces: Sequence[Face | None],
    ) -> dict[int, NDArray[np.float32]]:
        """Number of a picture to the embedding of its face, where there is one."""
        crops, places = [], []
        for index, (picture, face) in enumerate(zip(pictures, faces, strict=True)):
            cut = WholeFinder().find(picture.image)[0] if self.whole else face
            if cut is not None:
                crops.append(crop_face(picture.image, cut, embedding.crop_spec))
                places.append(index)
        return dict(zip(places, embedding(crops), strict=True)) if crops else {}

    def _face(self, picture: Picture) -> Face | None:
        """The face that is meant: the given one, or the largest that is found."""
        if picture.face is not None:
            return picture.face
        found = self.finder.find(picture.image)
        return found[0] if found else None


def priors_of(face: Face | None, embedding: NDArray[np.float32] | None = None) -> FacePriors:
    """What a finder knows of a face, as priors; a face that is None is unknown."""
    landmarks = None if face is None else face.landmarks
    return FacePriors(
        embedding=embedding,
        landmarks=landmarks,
        layout=None if landmarks is None else "mediapipe478",
        pose=None if face is None else face.pose,
        blendshapes=None if face is None else dict(face.blendshapes) or None,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
