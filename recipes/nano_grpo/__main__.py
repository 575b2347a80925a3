"""GRPO on mien/nano: `python -m recipes.nano_grpo --data FEA_SYNTH --out runs/nano_grpo`.

FEA_SYNTH is a folder of `python -m recipes.fea_synth`. `--supervised` trains on the answers of the
same rows instead, as a control: as many steps, and as many answers in each. The result is in
`OUT/model`; a killed run goes on where it was.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

import mien.models  # noqa: F401  registers the architectures
from mien.partfile import write_whole
from mien.train import training_arguments
from mien.train.grpo import GrpoObjective
from mien.train.grpo_spec import GrpoSpec
from mien.train.grpo_train import GrpoTrainer
from mien.train.rewards import RewardWeights
from mien.weights import verify

from .faces import Prompts
from .supervised import train_supervised

SPEC = GrpoSpec(group=8, updates=2, kl=0.04, rewards=RewardWeights(reasons=0.5))


def main() -> None:
    """Trains and saves; answers and figures are for `mien bench`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of FEA-Synth")
    parser.add_argument("--out", type=Path, default=Path("runs/nano_grpo"))
    parser.add_argument("--start", type=Path, help="another model than mien/nano")
    parser.add_argument("--faces", type=int, default=2_000)
    parser.add_argument("--prompts", type=int, default=8, help="in a step")
    parser.add_argument("--steps", type=int, default=400)
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
    args = training_arguments(
        options.out,
        max_steps=options.steps,
        per_device_train_batch_size=answers,
        learning_rate=options.rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=10,
        adam_beta2=0.99,
        max_grad_norm=1.0,
        save_strategy="steps",
        save_steps=50,
        logging_steps=5,
        logging_nan_inf_filter=False,
        use_cpu=True,
        seed=options.seed,
        data_seed=options.seed,
    )
    if options.supervised:
        train_supervised(model, processor, prompts, args)
    else:
        objective = GrpoObjective(model, processor, SPEC, seed=options.seed)
        GrpoTrainer(objective, args=args, dataset=prompts).fit()
        write_whole(options.out / "spec.txt", f"{asdict(SPEC)}\n".encode())
    model.save_pretrained(options.out / "model")
    processor.save_pretrained(options.out / "model")


if __name__ == "__main__":
    main()
