"""Rendered faces as nano sees them: grey crops with exact units."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from mien.faces import CropSpec, MediaPipeFinder, crop_face
from mien.synth.measure import MEASURED_UNITS
from mien.train.validation_scores import unit_presence

from .photographs import CLASSES

UNITS: tuple[int, ...] = MEASURED_UNITS
ENLARGED = 256
"""Side to which pictures are brought before faces are looked for."""


@dataclass(frozen=True)
class Rendered:
    """Crops of rendered faces with their labels.

    Attributes:
        images: (N, 112, 112) uint8.
        intensities: (N, 19) in [0, 5] in the order of `UNITS`.
        visible: (N, 19) whether the picture shows the unit, or that it is absent.
        labels: (N,) index into `CLASSES`, -1 where the face shows none of them in particular.
        landmarks: (N, 478, 3) from MediaPipe, in shares of the picture; only the regressor and the
            baselines read them.
        blendshapes: (N, K) from MediaPipe.
        face_model: (N,) "anny" or "ict".
        people: (N,) number of the person.
        part: (N,) "fit" or "select"; every tenth person is held out. "test" for the test split.
    """

    images: NDArray[np.uint8]
    intensities: NDArray[np.float32]
    visible: NDArray[np.bool_]
    labels: NDArray[np.int64]
    landmarks: NDArray[np.float32]
    blendshapes: NDArray[np.float32]
    face_model: NDArray[np.str_]
    people: NDArray[np.int64]
    part: NDArray[np.str_]

    def where(self, part: str, *, models: tuple[str, ...] = ("anny", "ict")) -> NDArray[np.int64]:
        """Indices of one part, of some face models."""
        return np.flatnonzero((self.part == part) & np.isin(self.face_model, models))

    def known(self) -> NDArray[np.float32]:
        """(N, 19) intensities, NaN where the unit cannot be seen."""
        return np.where(self.visible, self.intensities, np.nan).astype(np.float32)

    def present(self) -> NDArray[np.float32]:
        """(N, 19) 1 visible and B or more, 0 absent, NaN for traces and what cannot be seen."""
        return presence(self.known())


def load_rendered(*caches: Path) -> Rendered:
    """Several files of `cache_rendered` as one."""
    parts: dict[str, list[NDArray[np.generic]]] = {}
    for cache in caches:
        with np.load(cache) as stored:
            for name in stored.files:
                parts.setdefault(name, []).append(stored[name])
    return Rendered(**{name: np.concatenate(arrays) for name, arrays in parts.items()})  # type: ignore[arg-type]


def presence(units: NDArray[np.floating]) -> NDArray[np.float32]:
    """1 for B and more, 0 for none, NaN for traces and unknown intensities."""
    return unit_presence(units).astype(np.float32)


def cache_rendered(folder: Path, cache: Path, spec: CropSpec) -> None:
    """Finds and crops the faces of a set made by `mien synth`, once.

    Pictures in which no face is found (about 4 %) are left out.

    Args:
        folder: with Parquet files of one face model and one split.
        cache: the .npz to write.
        spec: framing, as nano has it.
    """
    rows: list[dict[str, Any]] = []
    with MediaPipeFinder(max_faces=1, min_detection=0.3) as finder:
        for row in _stored(folder):
            picture = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
            large = picture.resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC)
            found = finder.find(np.asarray(large))
            if not found or found[0].landmarks is None or not found[0].blendshapes:
                continue
            share = picture.width / ENLARGED  # the crop is cut from the picture's own pixels
            landmarks = np.asarray(found[0].landmarks, np.float32)
            box = tuple(float(v) * share for v in found[0].box)
            face = replace(found[0], box=box, landmarks=landmarks * np.float32(share))
            try:
                crop = crop_face(np.asarray(picture), face, spec)
            except ValueError:  # the points lie outside of the picture
                continue
            rows.append(
                {
                    "images": np.asarray(Image.fromarray(crop).convert("L")),
                    "intensities": [row[f"AU{au:02d}_r"] for au in UNITS],
                    "visible": [row[f"AU{au:02d}_v"] for au in UNITS],
                    "labels": class_index(row["expression"]),
                    "landmarks": landmarks / ENLARGED,
                    "blendshapes": list(found[0].blendshapes.values()),
                    **_who(row["subject"], row["split"]),
                }
            )
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name in ("intensities", "landmarks", "blendshapes"):
        columns[name] = columns[name].astype(np.float32)
    part = cache.with_suffix(".part.npz")
    arrays: dict[str, Any] = columns
    np.savez(part, **arrays)
    part.rename(cache)


def _stored(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(batch_size=100):
            yield from batch.to_pylist()


def _who(subject: str, split: str) -> dict[str, Any]:
    """Every tenth of the people that train is held out to choose and calibrate."""
    model, _, number = subject.partition("-")
    held_out = int(number) // 5 % 10 == 3  # fives, for every fifth person belongs to the test
    part = "test" if split == "test" else "select" if held_out else "fit"
    return {"face_model": model, "people": int(number), "part": part}


def class_index(name: str | None) -> int:
    """Index into `CLASSES`, -1 for anything else."""
    return CLASSES.index(name) if name in CLASSES else -1
