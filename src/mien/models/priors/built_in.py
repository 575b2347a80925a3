"""The facial priors that need nothing but mien: the finder's points and nano's encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.faces import Finder, MediaPipeFinder, WholeFinder, crop_face
from mien.models.priors.face_priors import FacePriors, Picture
from mien.models.quiet import no_progress_bar
from mien.schema import Face
from mien.weights import verify


class EncoderEmbedding:
    """Face embeddings: the mean over the last map of a FEALLM's vision encoder.

    Args:
        model: a ``FeallmForConditionalGeneration``.
        image_processor: the one that it was trained with.
        identity: name of the weights.
        batch_size: faces in one forward pass.
    """

    def __init__(
        self, model: Any, image_processor: Any, *, identity: str, batch_size: int = 64
    ) -> None:
        self.model, self.image_processor = model.eval(), image_processor
        self.identity, self.batch_size = identity, batch_size
        self.crop_spec = model.config.crop_spec

    @classmethod
    def from_folder(
        cls, folder: Path | str | None = None, *, device: torch.device | str = "cpu"
    ) -> EncoderEmbedding:
        """Load what ``save_pretrained`` wrote; the model inside of mien by default."""
        from transformers import AutoModelForImageTextToText, AutoProcessor

        import mien.models  # noqa: F401  registers the architectures with the Auto classes

        place = verify("nano") if folder is None else Path(folder)
        with no_progress_bar():
            model: Any = AutoModelForImageTextToText.from_pretrained(place, dtype=torch.float32)
        processor = AutoProcessor.from_pretrained(place)
        name = "mien/nano" if folder is None else place.name
        identity = f"{name} encoder {_sha256(place / 'model.safetensors')}"
        return cls(model.to(device), processor.image_processor, identity=identity)

    @torch.inference_mode()
    def __call__(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(B, E) of B faces, cut out as ``crop_spec`` says."""
        rows = []
        for start in range(0, len(crops), self.batch_size):
            part = list(crops[start : start + self.batch_size])
            pixels = self.image_processor(part, return_tensors="pt")["pixel_values"]
            maps = self.model.model.vision_levels(pixels.to(self.model.device))[-1]  # (B, C, H, W)
            rows.append(maps.mean((2, 3)).float().cpu().numpy())
        return np.concatenate(rows)


class BuiltInPriors:
    """Landmarks, blendshapes and pose of the finder, and the embedding of nano's encoder.

    It knows no attributes.

    Args:
        finder: MediaPipe's by default.
        embedding: that of nano's encoder by default.
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
        self.embedding = EncoderEmbedding.from_folder() if embedding is None else embedding
        self.whole = whole
        found_by = self.finder.name
        if found_by == "mediapipe":
            found_by += " " + _sha256(verify("face_landmarker") / "face_landmarker.task")
        self.identity = f"built-in 1; {found_by}; {self.embedding.identity}; whole {whole}"

    def read(self, pictures: Sequence[Picture]) -> list[FacePriors]:
        """Priors of each picture; an empty one where there is no face."""
        faces = [self._face(picture) for picture in pictures]
        crops, places = [], []
        for index, (picture, face) in enumerate(zip(pictures, faces, strict=True)):
            cut = WholeFinder().find(picture.image)[0] if self.whole else face
            if cut is not None:
                crops.append(crop_face(picture.image, cut, self.embedding.crop_spec))
                places.append(index)
        vectors = dict(zip(places, self.embedding(crops), strict=True)) if crops else {}
        return [priors_of(face, vectors.get(i)) for i, face in enumerate(faces)]

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
