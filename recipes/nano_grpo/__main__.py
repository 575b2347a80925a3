"""GRPO on mien/nano: `python -m recipes.nano_grpo --data FEA_SYNTH --out runs/nano_grpo`.

FEA_SYNTH is a folder of `python -m recipes.fea_synth`. `--supervised` trains on the answers of the
same rows instead, as a control: as many steps, and as many answers in each. The result is in
`OUT/model`; a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

import mien.models  # noqa: F401  registers the architectures
from mien.train.fit_stage import Feed, fit_stage
from mien.train.grpo import GrpoObjective
from mien.train.grpo_spec import GrpoSpec
from mien.train.grpo_train import AskedCollator, GrpoTrainer, RepeatedBatches
from mien.train.recipe import Stage
from mien.train.rewards import RewardWeights
from mien.weights import verify

from .faces import Prompts
from .supervised import AnswerCollator, Supervised

SPEC = GrpoSpec(group=8, updates=2, kl=0.04, rewards=RewardWeights(reasons=0.5))


def main() -> None:
    """Trains and saves; answers and figures are for `mien bench`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of FEA-Synth")
    parser.add_argument("--out", type=Path, default=Path("runs/nano_grpo"))
    parser.add_argument("--start", type=Path, help="another model than mien/nano")
    parser.add_argument("--faces", type=int, default=2_000)
    parser.add_argument("--prompts", type=int, default=8, help="in a step")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--supervised", action="store_true", help="the control")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    start = options.start or verify("nano")
    model = AutoModelForImageTextToText.from_pretrained(start, dtype=torch.float32).train()
    processor = AutoProcessor.from_pretrained(start)
    crops = options.out.parent / f"crops_{options.faces}.npz"
    prompts = Prompts(
        options.data, processor, model.config.crop_spec, faces=options.faces, cache=crops
    )
    print(f"{len(prompts)} prompts about {len(prompts.crops)} faces", flush=True)
    answers = options.prompts * SPEC.group if options.supervised else options.prompts
    stage = Stage(
        "sft" if options.supervised else "grpo",
        ("face", "language"),
        kind="sft" if options.supervised else "grpo",
        grpo=None if options.supervised else SPEC,
        max_steps=options.steps,
        batch_size=answers,
        learning_rate=options.rate,
        schedule="constant_with_warmup",
        warmup=10,
        adam_beta2=0.99,
        precision="float32",
        save_every=50,
        log_every=5,
    )
    times = 1 if options.supervised else SPEC.updates
    sampler = RepeatedBatches(len(prompts), block=answers, times=times, seed=options.seed)
    learner: torch.nn.Module = Supervised(model)
    collator: Any = AnswerCollator(processor, prompts.answers)
    if not options.supervised:
        learner = GrpoObjective(model, processor, SPEC, seed=options.seed)
        collator = AskedCollator(processor)
    fit_stage(
        learner,
        Feed(train=prompts, sampler=sampler, collator=collator),
        stage,
        options.out,
        seed=options.seed,
        trainer_class=GrpoTrainer,
    )
    model.save_pretrained(options.out / "model")
    processor.save_pretrained(options.out / "model")


if __name__ == "__main__":
    main()
