"""mien/nano from data to weights: `python -m recipes.nano --data DIR ... --out runs/nano`.

Stages: rendered, encoder, multimodal, calibrate, score, install. A stage whose result is on disk is
not run again, and training goes on from its last checkpoint, so that a killed run can simply be
restarted.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import torch

from mien.engines.local_responder import LocalResponder
from mien.faces import CropSpec
from mien.synth.dataset import make_dataset
from mien.synth.face_models import loader

from .calibrate import calibrate
from .encoder import SIZE, load_encoder, train_encoder
from .export import export
from .instructions import make_instructions
from .multimodal import HEADS, make_start, train_multimodal
from .photographs import Photographs, read_ferplus
from .rendered import Rendered, cache_rendered, load_rendered
from .score import figures
from .words import make_tokenizer

log = logging.getLogger("recipes.nano")

CROP = CropSpec(size=SIZE)
RENDERED = {"anny": 8000, "ict": 7000}
"""Pictures of each face model."""
RENDERED_SIZE = 192
"""Pixels; a face is then about 105 px high, nearly as much as nano looks at."""
EPOCHS, RATE = 5, 4e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    parser.add_argument("--face-weights", type=Path, required=True, help="folder of HSE-FaceRes")
    parser.add_argument("--ict", type=Path, required=True, help="checkout or .npz of ICT-FaceKit")
    parser.add_argument("--out", type=Path, default=Path("runs/nano"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--install", action="store_true", help="put the result into the package")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.out.mkdir(parents=True, exist_ok=True)

    precision = fast_precision()
    rendered = rendered_faces(options)
    photographs = read_ferplus(options.data / "ferplus.parquet")
    encoder = options.out / "encoder"
    if not (encoder / "heads.safetensors").exists():
        log.info("training the encoder")
        train_encoder(
            photographs, rendered, encoder, start=options.face_weights, epochs=EPOCHS,
            learning_rate=RATE, seed=options.seed, **precision,
        )  # fmt: skip
    folder = train_words(photographs, rendered, encoder, options, precision)

    responder = LocalResponder.from_folder(
        folder, name="mien/nano", device=torch.device("cpu"), batch_size=64
    )
    if not responder.core.model.config.calibration:
        log.info("calibrating")
        calibrate(responder, photographs, rendered, folder)
    scores = options.out / "figures.json"
    if not scores.exists():
        log.info("scoring")
        result = figures(responder, photographs, rendered, options.data)
        scores.write_text(json.dumps(result, indent=1))
    if options.install:
        log.info("installed in %s", export(responder, json.loads(scores.read_text()), options.out))


def rendered_faces(options: argparse.Namespace) -> Rendered:
    """Rendered faces of both models."""
    caches = []
    for name, count in RENDERED.items():
        folder = options.out / "rendered" / f"{name}-train"
        cache = folder.with_suffix(".npz")
        if not cache.exists():
            log.info("rendering %d faces: %s", count, folder.name)
            make_dataset(
                folder,
                count=count,
                models=[loader(name, ict=options.ict)],
                seed=11,
                split="train",
                size=RENDERED_SIZE,
                processes=2,
                per_shard=500,
            )
            cache_rendered(folder, cache, CROP)
        caches.append(cache)
    return load_rendered(*caches)


def train_words(
    photographs: Photographs,
    rendered: Rendered,
    encoder: Path,
    options: argparse.Namespace,
    precision: dict[str, Any],
) -> Path:
    """Numbers and words; returns the folder of the model."""
    out = options.out / "multimodal"
    if not (out / "model").is_dir():
        log.info("writing instruction rows")
        rows = options.out / "instructions"
        make_instructions(
            photographs, rendered, load_encoder(encoder), rows, seed=options.seed,
            bf16=precision["bf16"],
        )  # fmt: skip
        log.info("training the multimodal model")
        start = make_start(
            encoder, make_tokenizer(options.seed), options.out / "start", seed=options.seed
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
