"""FEALLM and EMO-LLaMA at 7B beside the plain LLaVA-1.5 of the same size: a step's cost.

    python benchmarks/full_size.py                # counted without weights; on any machine
    python benchmarks/full_size.py --device cuda  # and one real optimiser step with random weights

Both train what their papers train: the modules between encoder and language model, and LoRA on the
language model's attention, in mixed precision. LLaVA trains its projector and the same LoRA.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from step_cost import Account, account, picture_step, text_loss, without_numbers
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from mien.models import (
    EmoLlamaConfig,
    EmoLlamaForConditionalGeneration,
    FeallmConfig,
    FeallmForConditionalGeneration,
)
from mien.models.configuration import CLIP_L_336
from mien.models.multimodal import LORA_TARGETS
from mien.train.recipe import LoraSpec, Stage
from mien.train.stages import PartCount, prepare_stage

OUT = Path(__file__).with_suffix(".json")
TEXT = 256
LORA = LoraSpec(rank=128, alpha=256)
STAGE = Stage(
    name="lora",
    train=("face", "lora"),
    lora=LORA,
    max_steps=1,
    learning_rate=1e-4,
    precision="bf16",
)
Step = Callable[[], torch.Tensor]


def llava(batch: int, device: torch.device | None) -> tuple[nn.Module, Step]:
    """LLaVA-1.5-7B with LoRA, its projector trained, its vision encoder frozen."""
    from peft import LoraConfig, get_peft_model

    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**CLIP_L_336), text_config=LlamaConfig(vocab_size=32064)
    )
    with torch.device(device or "meta"):
        torch.set_default_dtype(torch.bfloat16)
        model = LlavaForConditionalGeneration(config)
        torch.set_default_dtype(torch.float32)
        settings = LoraConfig(
            r=LORA.rank,
            lora_alpha=int(LORA.alpha),
            lora_dropout=LORA.dropout,
            target_modules=LORA_TARGETS,
            modules_to_save=["multi_modal_projector"],
        )
        network: Any = get_peft_model(model, settings)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    network.train()

    def run() -> torch.Tensor:
        base, at = model.model, next(network.parameters()).device
        pixels = torch.rand(batch, 3, 336, 336, device=at, dtype=torch.bfloat16)
        ids = torch.ones(batch, TEXT, dtype=torch.long, device=at)
        with torch.autocast(at.type, torch.bfloat16):
            with torch.no_grad():
                seen = base.vision_tower(pixels, output_hidden_states=True).hidden_states[-2]
            features = base.multi_modal_projector(seen[:, 1:])
            return text_loss(network, features, ids, model.get_input_embeddings())

    return network, run


def ours(config: Any, batch: int, device: torch.device | None, frames: int) -> Any:
    """A model of mien as `mien train` prepares it."""
    kind: Any = (
        FeallmForConditionalGeneration
        if config.model_type == "feallm"
        else EmoLlamaForConditionalGeneration
    )
    _ = config.num_image_tokens
    with torch.device(device or "meta"):
        torch.set_default_dtype(torch.bfloat16)
        model = kind(config)
        torch.set_default_dtype(torch.float32)
        network = prepare_stage(model, STAGE)
    network.train()

    def run() -> torch.Tensor:
        step = picture_step(
            network, batch=batch, text_tokens=TEXT, frames=frames, half=torch.bfloat16
        )
        return step()

    return network, run


def measured(network: nn.Module, run: Step, batch: int) -> dict[str, float]:
    """Samples a second and peak memory of real optimiser steps on a GPU."""
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    torch.cuda.reset_peak_memory_stats()
    for number in range(8):
        if number == 3:
            torch.cuda.synchronize()
            start = time.perf_counter()
        run().backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.cuda.synchronize()
    return {
        "samples_per_second": 5 * batch / (time.perf_counter() - start),
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
    }


def row(found: Account, batch: int) -> dict[str, Any]:
    """An account in millions, TFLOP a sample and GB."""
    parts: dict[str, PartCount] = dict(found.parts)
    return {
        "parameters_m": round(found.parameters / 1e6, 1),
        "trained_m": round(found.trained / 1e6, 1),
        "parts_m": {k: round((p.trained + p.frozen) / 1e6, 1) for k, p in parts.items()},
        "forward_tflop": round(found.forward / batch / 1e12, 2),
        "step_tflop": round(found.step / batch / 1e12, 2),
        "weights_gb": round(found.weights / 1e9, 2),
        "gradients_gb": round(found.gradients / 1e9, 2),
        "optimizer_gb": round(found.optimizer / 1e9, 2),
        "activations_gb": round(found.activations / 1e9, 2),
        "memory_gb": round(found.memory / 1e9, 2),
    }


def main() -> None:
    """Counts, measures where there is a GPU, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="none")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    device = None if args.device == "none" else torch.device(args.device)
    made: dict[str, Callable[[torch.device | None], tuple[nn.Module, Step]]] = {
        "llava-1.5-7b": lambda at: llava(args.batch, at),
        "feallm-7b": lambda at: ours(FeallmConfig(), args.batch, at, 1),
        "emo-llama-7b, 1 frame": lambda at: ours(EmoLlamaConfig(), args.batch, at, 1),
        "emo-llama-7b, 8 frames": lambda at: ours(EmoLlamaConfig(), args.batch, at, 8),
    }
    rows: dict[str, Any] = {}
    for name, make in made.items():
        network, run = make(None)
        with FakeTensorMode(allow_non_fake_inputs=True):
            without_numbers(network)
            rows[name] = row(account(network, run), args.batch)
        if device is not None:
            network, run = make(device)
            rows[name] |= measured(network, run, args.batch)
            del network, run
            torch.cuda.empty_cache()
        plain = rows["llava-1.5-7b"]
        rows[name]["step_ratio"] = round(rows[name]["step_tflop"] / plain["step_tflop"], 3)
        rows[name]["memory_ratio"] = round(rows[name]["memory_gb"] / plain["memory_gb"], 3)
        print(name, json.dumps(rows[name]), flush=True)
        settings = {"batch": args.batch, "text_tokens": TEXT, "lora_rank": LORA.rank}
        versions = {"torch": torch.__version__, "device": args.device}
        args.out.write_text(json.dumps({**settings, **versions, "models": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
