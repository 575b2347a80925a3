"""Trains one variant on cached features, and answers for a set with a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import EvalPrediction, TrainerCallback

from mien.engines.numbers import Candidates
from mien.metrics import confusion, count_units, uar, unit_macro_f1
from mien.models import EmoLlamaForConditionalGeneration, EmoLlamaProcessor
from mien.models.branches import PrefixTree, score_branches
from mien.train import fit, training_arguments
from mien.train.targets import class_weights, unit_weights
from recipes.nano.rendered import UNITS, presence

from .batches import Collator, scoring_plan, training_plan
from .features import load_clips
from .fer2013_faces import CLASSES
from .looked import Looked, joined, padded
from .model import VARIANTS, Learner, build_model

CLIPS, STILLS = 32, 64
"""Batch sizes."""
SPLICED, SINGLE = 0.3, 0.15
"""Shares of clips that another is cut into, and of batches that show single frames of clips."""
HELD_OUT = 10
"""Every tenth person that trains is held out to calibrate."""


def load_sets(features: Path) -> dict[str, Looked]:
    """All that training reads, by name; "clips-select" are the held-out people's clips."""
    clips = load_clips(features, "train")
    number = np.array([int(p.split("-")[1]) // 5 for p in clips.person])
    held = number % HELD_OUT == 3
    seen = clips.found.any(1)
    sets = {
        "clips-fit": clips.rows(~held & seen),
        "clips-select": clips.rows(held & seen),
    }
    for name in ("fer-fit", "rendered-fit", "fer-select", "rendered-select"):
        sets[name] = Looked.load(features / f"{name}.npz")
    return sets


def tuning_set(sets: dict[str, Looked]) -> tuple[Looked, NDArray[np.bool_]]:
    """What calibrates: stills of one frame, and held-out clips as often as rendered stills.

    Returns:
        All of them, stills padded to the clips' frames, and which are photographs.
    """
    clips, rendered = sets["clips-select"], sets["rendered-select"]
    frames = clips.found.shape[1]
    times = max(1, round(len(rendered) / len(clips)))
    parts = [clips] * times
    parts += [padded(sets[name], frames) for name in ("rendered-select", "fer-select")]
    whole = joined(parts)
    return whole, whole.case == "photograph"


class _Trained(TrainerCallback):
    """Frozen parts stay in eval mode, whatever the Trainer switches."""

    def on_step_begin(self, *args: Any, model: Any = None, **_: Any) -> None:
        model.model.model.train(True)


def train_variant(
    sets: dict[str, Looked],
    out: Path,
    *,
    variant: str,
    blendshapes: list[str],
    visits: dict[str, int],
    seed: int,
    limit: int | None = None,
    attributes: bool = False,
    learning_rate: float = 1.5e-3,
    text_share: float = 0.25,
    spliced: float = SPLICED,
    order: int | None = None,
    **overrides: Any,
) -> tuple[EmoLlamaForConditionalGeneration, EmoLlamaProcessor]:
    """Trains one model.

    Args:
        sets: from `load_sets`.
        out: folder for checkpoints and curves.
        variant: key of `VARIANTS`.
        blendshapes: names in the order of the cache.
        visits: how often each set is gone over.
        seed: of the weights that it starts from.
        limit: most batches.
        attributes: tell the rendered people's attributes.
        learning_rate: of everything that trains.
        text_share: share of each batch that carries text.
        spliced: share of clips that another is cut into.
        order: seed of the order and of what varies; `seed` by default.
        **overrides: fields of `TrainingArguments`.
    """
    torch.manual_seed(seed)
    model, processor = build_model(blendshapes, **VARIANTS[variant])
    order = seed if order is None else order
    photographs = sets["fer-fit"]
    shown = presence(np.concatenate([sets["rendered-fit"].units, sets["clips-fit"].units]))
    learner = Learner(
        model,
        tree=tree_of(processor),
        class_weights=class_weights(
            np.bincount(photographs.labels, minlength=len(CLASSES)).tolist()
        ),
        unit_weights=unit_weights(np.nanmean(shown, axis=0).tolist()),
    )
    sizes = {name: CLIPS if name.startswith("clips") else STILLS for name in visits}
    plan = training_plan(
        {name: (sets[name], count, sizes[name]) for name, count in visits.items()},
        seed=order,
        limit=limit,
    )
    args = training_arguments(
        out,
        **{
            "num_train_epochs": 1,
            "per_device_train_batch_size": 1,
            "per_device_eval_batch_size": 1,
            "learning_rate": learning_rate,
            "weight_decay": 0.05,
            "warmup_steps": 30,
            "seed": order,
            "data_seed": order,
            "eval_strategy": "no",
            "save_strategy": "steps",
            "save_steps": 200,
            "logging_steps": 10,
            "eval_on_start": False,
            "use_cpu": True,
            "bf16": bool(torch.cpu._is_avx512_bf16_supported()),
            **overrides,
        },
    )
    fit(
        learner,
        args=args,
        train_dataset=plan,
        eval_dataset=scoring_plan("clips-select", sets["clips-select"], size=64),
        collator=Collator(
            sets,
            processor,
            seed=order,
            attributes=attributes,
            text_share=text_share,
            spliced=spliced,
            single=SINGLE,
        ),
        compute_metrics=_metrics,
        callbacks=[_Trained()],
        label_names=("labels", "units"),
    )
    return model.eval(), processor


def mean_of(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean weights of trainings that started from the same ones (model soup, arXiv 2203.05482)."""
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
    }


def tree_of(processor: EmoLlamaProcessor) -> PrefixTree:
    """The candidate answers, as engines score them."""
    candidates = Candidates(tuple(CLASSES), tuple(UNITS))
    return PrefixTree.from_candidates(candidates.token_ids(processor.tokenizer))


@torch.inference_mode()
def answers(
    model: EmoLlamaForConditionalGeneration,
    processor: EmoLlamaProcessor,
    looked: Looked,
    *,
    attributes: bool = False,
    priors: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Uncalibrated log-likelihoods, (N, 7) and (N, 19, 6).

    Args:
        model: the trained one.
        processor: its processor.
        looked: clips or stills.
        attributes: tell the people's attributes.
        priors: False withholds what the finder knows, as `--faces whole` does.
    """
    if not priors:
        unknown = ("landmarks", "blendshapes", "pose")
        values = {f.name: getattr(looked, f.name) for f in fields(looked)}
        looked = Looked(**values | {n: np.full_like(values[n], np.nan) for n in unknown})
    tree = tree_of(processor)
    collator = Collator({"": looked}, processor, seed=0, attributes=attributes)
    expression, levels = [], []
    for item in scoring_plan("", looked, size=64).batches:
        batch = collator([item])
        clips, mask = batch["clips"], batch["clips"]["frame_mask"]
        fast = bool(torch.cpu._is_avx512_bf16_supported())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            features = model.encode_images(**clips)
            first, *groups = score_branches(
                model, tree, image_features=features, frame_mask=mask, **batch["prefix"]
            )
        expression.append(first.float().numpy())
        levels.append(torch.stack(groups, 1).float().numpy())
    return np.concatenate(expression), np.concatenate(levels)


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    labels, units = prediction.label_ids
    expression, scores = prediction.predictions[:2]
    known = labels.sum(-1) > 0
    truth = [CLASSES[i] for i in labels[known].argmax(-1)]
    found = [CLASSES[i] for i in expression[known].argmax(-1)]
    p = np.exp(scores - scores.max(-1, keepdims=True))
    called = (1 - p[..., 0] / p.sum(-1) >= 0.5).astype(float)
    return {
        "uar": uar(confusion(truth, found, CLASSES)),
        "au_f1": unit_macro_f1(count_units(presence(units), called, UNITS)),
    }
