"""A tiny start model and instruction rows on disk, and a recipe over them."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from mien.train.recipe import Recipe, load_recipe

from .tiny import tiny_feallm, tiny_processor

NAMES = ("happiness", "sadness", "neutral")


def write_rows(folder: Path, count: int = 12, *, broken: str | None = None) -> Path:
    """`rows.jsonl` with `count` faces, one row each, and their pictures below `pictures/`."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    lines = []
    for n in range(count):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        name = NAMES[n % 3]
        Image.fromarray(pixels).save(folder / "pictures" / f"{n}.png")
        answer = f"{name.capitalize()} . AU12 {'absent' if n % 2 else 'C'}"
        unit = {"au": 12, "present": n % 2 == 0, "intensity": None if n % 2 else 3.0}
        content = [{"type": "image"}, {"type": "text", "text": "what is the expression ?"}]
        lines.append(
            {
                "id": f"toy/{n}/analysis",
                "messages": [
                    {"role": "user", "content": content},
                    {"role": "assistant", "content": [{"type": "text", "text": answer}]},
                ],
                "images": [f"toy/{n}.png"],
                "videos": [],
                "source": "toy",
                "dataset": "toy",
                "sample": str(n),
                "subject": str(n),
                "split": "train",
                "task": "analysis",
                "writer": "template",
                "pseudo": False,
                "labels": {"expression": name, "label_set": "basic7", "action_units": [unit]},
                "licence": "CC0",
            }
        )
    if broken == "no pictures":
        lines[0]["images"] = []
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_start(folder: Path) -> Path:
    model = tiny_feallm()
    model.save_pretrained(folder)
    tiny_processor(model).save_pretrained(folder)
    return folder


def write_recipe(folder: Path, **changes) -> Path:
    """A recipe of two stages over rows and start model below the folder."""
    write_rows(folder / "data")
    write_start(folder / "start")
    source = {
        "rows": str(folder / "data" / "rows.jsonl"),
        "root": str(folder / "data" / "pictures"),
    }
    shared = {"batch_size": 2, "precision": "float32", "log_every": 1, "learning_rate": 1e-2}
    recipe = {
        "name": "toy",
        "start": str(folder / "start"),
        "seed": 3,
        "data": {
            "train": [{**source, "augment": 1}],
            "validation": [source],
            "faces": "given",
        },
        "loss": {"text": 1, "numbers": 1},
        "stages": [
            {"name": "align", "train": ["face"], "max_steps": 5, "save_every": 2, **shared},
            {
                "name": "lora",
                "train": ["face", "lora"],
                "lora": {"rank": 2, "alpha": 4, "dropout": 0.2},
                "epochs": 1,
                "save_every": 2,
                **shared,
            },
        ],
        "metric": "war",
        **changes,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def toy_recipe(folder: Path, *overrides: str) -> Recipe:
    return load_recipe(folder / "recipe.yaml", overrides)


def kill_at(stage: str, step: int) -> None:
    """Has this process killed at the end of a step of a stage."""
    from mien.train import fit_stage

    real = fit_stage.StopOnSignal.on_step_end

    def killing(self, args, state, control, **rest):
        if Path(args.output_dir).name == stage and state.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, args, state, control, **rest)

    fit_stage.StopOnSignal.on_step_end = killing


if __name__ == "__main__":
    import torch

    from mien.train.run import train

    torch.set_num_threads(1)  # as in the tests: sums of more threads are rounded otherwise
    kill_at(sys.argv[3], int(sys.argv[4]))
    train(toy_recipe(Path(sys.argv[1])), out=Path(sys.argv[2]))
