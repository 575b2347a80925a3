"""Clips rendered, their faces found and cut, in shards that a killed run need not make again."""

from __future__ import annotations

import argparse
import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.faces import CropSpec, Finder, MediaPipeFinder, crop_face
from mien.schema import Face
from mien.synth.face_models import NAMES, loader
from mien.synth.facemodel import FaceModel
from mien.synth.measure import MEASURED_UNITS
from mien.synth.scene import Split
from mien.synth.studio import Studio

from .scripts import FRAMES, Script, draw_script

log = logging.getLogger("recipes.nano_video")

SIZE, NATIVE, ENLARGED = 128, 48, 256
"""Pixels: of the pictures, of nano's crops, and of what the finder sees."""
SHARD = 50
SHARES = {"anny": 0.65, "ict": 0.35}
"""Of the clips by face model; those of ICT-FaceKit take twice as long."""
CROP = CropSpec(size=NATIVE)
SEEDS: dict[Split, int] = {"train": 11, "test": 12}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--ict", type=Path, required=True, help="checkout or .npz of ICT-FaceKit")
    parser.add_argument("--train", type=int, default=3000, help="clips of both face models")
    parser.add_argument("--test", type=int, default=2000)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    make_clips(options.out, ict=options.ict, train=options.train, test=options.test)


def make_clips(out: Path, *, ict: Path, train: int, test: int) -> None:
    """Makes all shards that a folder lacks; those of train and test take turns."""
    out.mkdir(parents=True, exist_ok=True)
    models = {name: loader(name, ict=ict)() for name in NAMES}
    with MediaPipeFinder(max_faces=1, min_detection=0.3) as finder:
        for split, model, shard in planned(train, test):
            path = shard_path(out, split, model, shard)
            if path.exists():
                continue
            start = time.time()
            numbers = range(shard * SHARD, (shard + 1) * SHARD)
            studio = Studio(models[model], SIZE)  # one at a time: each has an OpenGL context
            arrays = _stacked([_clip(studio, finder, number, split) for number in numbers])
            studio.close()
            part = path.with_suffix(".part.npz")
            np.savez(part, **arrays)
            part.rename(path)
            seen = arrays["found"].mean()
            log.info("%s: %.0f s, faces found %.3f", path.stem, time.time() - start, seen)


def planned(train: int, test: int) -> list[tuple[Split, str, int]]:
    """(split, face model, shard): both splits grow together, the test's a little ahead."""
    plan: list[tuple[float, Split, str, int]] = []
    counts: dict[Split, tuple[int, float]] = {"test": (test, 0.8), "train": (train, 1.0)}
    for split, (count, ahead) in counts.items():
        for name, share in SHARES.items():
            shards = max(1, round(count * share / SHARD))
            plan += [(ahead * (i + 0.5) / shards, split, name, i) for i in range(shards)]
    return [(split, name, shard) for _, split, name, shard in sorted(plan)]


def shard_path(out: Path, split: Split, model: str, shard: int) -> Path:
    """Where a shard lies."""
    return out / f"{split}-{model}-{shard:03d}.npz"


def _clip(studio: Studio, finder: Finder, number: int, split: Split) -> dict[str, Any]:
    """One clip as arrays; what is not found is zero, and `found` says so."""
    script = draw_script(number, seed=SEEDS[split], split=split, model=studio.model)
    count = len(MEASURED_UNITS)
    row: dict[str, Any] = {
        "crops": np.zeros((FRAMES, NATIVE, NATIVE), np.uint8),
        "found": np.zeros(FRAMES, bool),
        "landmarks": np.zeros((FRAMES, 478, 3), np.float32),
        "blendshapes": np.zeros((FRAMES, 51), np.float32),
        "pose": np.full((FRAMES, 3), np.nan, np.float32),
        "intensities": np.zeros((FRAMES, count), np.float32),
        "visible": np.zeros((FRAMES, count), bool),
        "blink": np.array([script.motion.blinking(k) for k in range(FRAMES)]),
        **_about(script, number, studio.model),
    }
    for k, scene in enumerate(script.scenes):
        if not script.shown[k]:
            continue
        shot = studio(scene)
        row["intensities"][k] = [unit.intensity for unit in shot.units]
        row["visible"][k] = [unit.visible for unit in shot.units]
        face, crop = found_face(finder, shot.image, CROP, enlarged=ENLARGED)
        if face is None:
            continue
        row["crops"][k] = crop
        row["found"][k] = True
        row["landmarks"][k] = face.landmarks
        row["blendshapes"][k] = list(face.blendshapes.values())
        if face.pose is not None:
            row["pose"][k] = (face.pose.yaw, face.pose.pitch, face.pose.roll)
    return row


def found_face(
    finder: Finder, image: NDArray[np.uint8], spec: CropSpec, *, enlarged: int | None = None
) -> tuple[Face | None, NDArray[np.uint8] | None]:
    """The largest face of a picture, in the picture's pixels, and its grey crop; None without.

    Args:
        finder: of faces.
        image: (H, W, 3).
        spec: of the crop.
        enlarged: side to which a small square picture is enlarged for the finder.
    """
    seen, share = image, 1.0
    if enlarged is not None:
        large = Image.fromarray(image).resize((enlarged, enlarged), Image.Resampling.BICUBIC)
        seen, share = np.asarray(large), image.shape[1] / enlarged
    faces = finder.find(seen)
    if not faces or faces[0].landmarks is None or not faces[0].blendshapes:
        return None, None
    box = tuple(float(v) * share for v in faces[0].box)
    landmarks = np.asarray(faces[0].landmarks, np.float32) * np.float32(share)
    face = replace(faces[0], box=box, landmarks=landmarks)  # type: ignore[arg-type]
    try:
        crop = crop_face(image, face, spec)
    except ValueError:  # the points lie outside of the picture
        return None, None
    return face, np.asarray(Image.fromarray(crop).convert("L"))


def _about(script: Script, number: int, model: FaceModel) -> dict[str, Any]:
    scene = script.motion.scene
    return {
        "number": number,
        "face_model": model.name,
        "person": scene.person.number,
        "attributes": json.dumps(dict(scene.person.attributes)),
        "case": script.case,
        "expression": script.expression or "",
        "peak": script.motion.peak,
    }


def _stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}


if __name__ == "__main__":
    main()
