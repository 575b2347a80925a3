"""Training on Hugging Face's Trainer: resumable, with a CSV log and a figure of its curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from mien.train.curves import draw_curves
from mien.train.log import CsvLog


def training_arguments(out: Path, **overrides: Any) -> TrainingArguments:
    """Arguments with mien's defaults: a cosine schedule, a checkpoint per epoch, nothing sent away.

    Args:
        out: folder for checkpoints, `log.csv` and `curves.png`.
        **overrides: any field of `transformers.TrainingArguments`.
    """
    defaults: dict[str, Any] = {
        "output_dir": str(out),
        "lr_scheduler_type": "cosine",
        "save_strategy": "epoch",
        "eval_strategy": "epoch",
        "save_total_limit": 1,
        "logging_steps": 20,
        "report_to": [],
        "remove_unused_columns": False,
        "dataloader_drop_last": True,
        "disable_tqdm": True,
    }
    return TrainingArguments(**{**defaults, **overrides})


def fit(
    model: torch.nn.Module,
    *,
    args: TrainingArguments,
    train_dataset: Any,
    eval_dataset: Any,
    collator: Callable[[list[Any]], dict[str, Any]],
    compute_metrics: Callable[[Any], dict[str, float]] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    label_names: Sequence[str] = ("labels",),
) -> Trainer:
    """Trains a model, going on from the last checkpoint in the output folder if there is one.

    Args:
        model: its `forward` returns a dict with "loss" (and "logits" for evaluation).
        args: from `training_arguments`.
        train_dataset, eval_dataset: map-style datasets.
        collator: items to a batch; evaluation items are told apart by the datasets themselves.
        compute_metrics: of a `transformers.EvalPrediction`.
        optimizer: None for the Trainer's AdamW.
        callbacks: further callbacks.
        label_names: keys of the batch that evaluation gathers.

    Returns:
        The Trainer, with the trained model.
    """
    out = Path(str(args.output_dir))
    out.mkdir(parents=True, exist_ok=True)
    args.label_names = list(label_names)
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        data_collator=collator,
        compute_metrics=compute_metrics,
        optimizers=(optimizer, None),
        callbacks=[CsvLog(out / "log.csv"), *callbacks],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(out)))
    draw_curves(out / "log.csv", out / "curves.png")
    return trainer
