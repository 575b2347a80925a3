"""How much the cached features of the frozen encoder save in nano's multimodal training.

    python benchmarks/feature_cache.py [--steps 20] [--threads 1]

Trains the shipped nano on the pictures of FEABench-Synth as its recipe does: numbers of every face
and the text of a quarter, 64 faces a batch. Steps with and without the cache alternate on the same
faces, from the same weights. A step is: the batch is made, forward, backward, AdamW; its seconds
are those of the processor, so that other work on the machine counts less. Without the cache it is
measured with the augmentation of the recipe, and plain; with it, on the plain view.
Then the saving at 7B is computed from the operations of both parts. Writes
`benchmarks/feature_cache.json`.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForImageTextToText, AutoProcessor

import mien.models  # noqa: F401  registers the architectures
from mien.data.build.face_labels import labels_of
from mien.data.build.instruction_row import make_row, parquet_schema
from mien.data.build.tasks import DEFAULT_TASKS, tasks_of
from mien.synth.feabench import load_feabench
from mien.train.collate import Collator
from mien.train.faces import FaceCrops
from mien.train.feature_cache import FeatureCache
from mien.train.items import ItemSource, TrainItems
from mien.train.objective import Objective
from mien.train.recipe import CacheSpec, LossSpec
from mien.train.rows import InstructionRows
from mien.weights import verify

OUT = Path(__file__).with_suffix(".json")
BATCH = 64


def write_rows(folder: Path, spec: Any) -> Path:
    """Rows of every task about each face, with the face crop as nano's data have it: 48 pixels."""
    import random

    import pyarrow as pa
    import pyarrow.parquet as pq

    from mien.data.build.embed import png
    from mien.data.build.tasks import write

    crops = FaceCrops(spec)
    rows = []
    for sample, picture in load_feabench():
        labels = labels_of(sample)
        data = png(crops(picture))
        for task in tasks_of(labels, DEFAULT_TASKS):
            rng = random.Random(f"{sample.id} {task}")
            turns = write(task, labels, dataset=sample.dataset, clip=False, rng=rng)
            rows.append(make_row(sample, labels, turns, source="synth", task=task, pictures=[data]))
    path = folder / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows, parquet_schema(True)), path)
    return path


class Variant:
    """One way to train, with weights and optimiser of its own."""

    def __init__(self, model: Any, processor: Any, items: TrainItems) -> None:
        self.items = items
        loss = LossSpec(text=1.0, numbers=1.0, label_smoothing=0.1)
        self.objective = Objective(copy.deepcopy(model), processor, loss).train()
        self.collate = Collator(processor, model.config, text_share=0.25)
        trained = [p for p in self.objective.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, 1e-4)
        self.data: list[float] = []
        self.model: list[float] = []
        self.losses: list[float] = []

    def step(self, visits: list[int]) -> None:
        start = time.process_time()
        batch = self.collate([self.items[n] for n in visits])
        ready = time.process_time()
        loss = self.objective(**batch)["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.data.append(ready - start)
        self.model.append(time.process_time() - ready)
        self.losses.append(float(loss))

    def figures(self, skip: int) -> dict[str, float]:
        data, model = self.data[skip:], self.model[skip:]
        whole = [a + b for a, b in zip(data, model, strict=True)]
        return {
            "step_seconds": round(statistics.median(whole), 4),
            "batch_seconds": round(statistics.median(data), 4),
            "model_seconds": round(statistics.median(model), 4),
        }


def parts_of(variant: Variant, pixels: torch.Tensor, batch: dict[str, Any]) -> dict[str, float]:
    """Seconds of the processor for each part of a step, the best of two."""
    objective = variant.objective
    inner = objective.base.model
    kept, crops = batch["vision_levels"], batch["crops"]
    with torch.no_grad():
        features = objective._see(None, kept, crops, None, {})["features"]
    seen = {"features": features}
    text = [batch[name] for name in ("input_ids", "attention_mask", "labels")]

    def modules() -> None:
        objective._see(None, kept, crops, None, {})["features"].sum().backward()

    def numbers() -> None:
        expression, units = objective._scores(seen)
        (expression.sum() + units.sum()).backward()

    def words() -> None:
        objective._text(seen, *text, torch.tensor(1000.0)).backward()

    jobs: dict[str, Callable[[], object]] = {
        "encoder": lambda: inner.vision_levels(pixels),
        "crops": lambda: inner.local_crops(pixels),
        "face_modules": modules,
        "numbers": numbers,
        "text": words,
    }
    found = {}
    for name, job in jobs.items():
        times = []
        for _ in range(2):
            start = time.process_time()
            job()
            times.append(time.process_time() - start)
        found[name] = round(min(times), 4)
    return found


def seven_billion(tokens: int = 777) -> dict[str, Any]:
    """Operations of FEALLM-7B's parts for one face; a multiply and an addition are two.

    CLIP ViT-L/14-336 looks once at 577 tokens. A step with LoRA runs the decoder forward and
    backward to the activations, and with gradient checkpointing forward again; no gradients of the
    frozen weights are made.
    """
    d, layers, n = 1024, 24, 577
    clip = layers * (2 * n * 12 * d * d + 4 * n * n * d)
    D, L, M = 4096, 32, 11008
    decoder = L * (2 * tokens * (4 * D * D + 3 * D * M) + 4 * tokens * tokens * D)
    decoder += 2 * tokens * D * 32000
    found: dict[str, Any] = {
        "computed": True,
        "tokens": tokens,
        "clip_forward_tflop": round(clip / 1e12, 3),
        "decoder_forward_tflop": round(decoder / 1e12, 3),
    }
    for name, passes in (("plain", 2), ("checkpointing", 3)):
        step = passes * decoder
        found[f"ratio_{name}"] = round((step + clip) / step, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--skip", type=int, default=3, help="first steps that are not counted")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = verify("nano")
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(folder)
    config = model.config
    with tempfile.TemporaryDirectory() as place:
        rows = InstructionRows(write_rows(Path(place), config.crop_spec))

        def items(augment: float) -> TrainItems:
            return TrainItems(
                [ItemSource(rows, augment=augment)],
                expressions=config.expressions,
                units=config.action_units,
                crops=FaceCrops(config.crop_spec),
                by="face",
            )

        cached = items(0.0)
        began = time.perf_counter()
        cache = FeatureCache(cached, model, processor, CacheSpec(Path(place) / "cache"))
        cached.features = cache.fill(cached)
        filled = time.perf_counter() - began
        variants = {
            "augmented": Variant(model, processor, items(1.0)),
            "plain": Variant(model, processor, items(0.0)),
            "cached": Variant(model, processor, cached),
        }
        total = options.steps + options.skip
        for step in range(total):
            visits = [(step * BATCH + k) % len(cached) for k in range(BATCH)]
            order = list(variants.values())
            for one in order[step % 3 :] + order[: step % 3]:
                one.step(visits)
        first = list(range(BATCH))
        picture_batch = variants["plain"].collate([variants["plain"].items[n] for n in first])
        cached_batch = variants["cached"].collate([cached[n] for n in first])
        parts = parts_of(variants["cached"], picture_batch["pixel_values"], cached_batch)
        found = {name: one.figures(options.skip) for name, one in variants.items()}
        plain, kept = variants["plain"], variants["cached"]
        apart = [abs(a - b) for a, b in zip(plain.losses, kept.losses, strict=True)]
        fast = found["cached"]["step_seconds"]
        result = {
            "faces": len(cached),
            "batch": BATCH,
            "steps": options.steps,
            **found,
            "parts_seconds": parts,
            "ratio_to_augmented": round(found["augmented"]["step_seconds"] / fast, 2),
            "ratio_to_plain": round(found["plain"]["step_seconds"] / fast, 2),
            "largest_difference_of_losses": max(apart),
            "first_loss": kept.losses[0],
            "cache": {
                "seconds": round(filled, 1),
                "bytes_a_view": cache.bytes_a_view,
                "megabytes": round(len(cache.store) * cache.bytes_a_view / 1e6, 1),
            },
            "feallm_7b": seven_billion(),
            "machine": {
                "processor": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
                "threads": options.threads,
                "load_a_minute": os.getloadavg()[0],
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
        }
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
