"""One stage on Hugging Face's Trainer: checkpoints, curves, speed, and how it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, Sampler
from transformers import EvalPrediction, PrinterCallback, TrainerCallback, TrainingArguments

from mien.partfile import sink_error
from mien.train.checkpoints import last_checkpoint, read_state
from mien.train.curves import draw_curves
from mien.train.fields import RecipeError
from mien.train.interrupts import Interrupted, StopOnSignal, out_of_memory
from mien.train.log import CsvLog, LogLines
from mien.train.recipe import Metric, Stage
from mien.train.speed import SpeedMeter
from mien.train.stages import base_of
from mien.train.trainer import StageTrainer
from mien.train.validation_scores import validation_scores

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Feed:
    """What a stage learns from.

    Attributes:
        train: items by the number of the visit.
        sampler: of these numbers; its `set_epoch` is told the epoch.
        collator: items to a batch.
        validation: items of the validation rows; None where there are none.
        expressions: names in the order of the expression's targets.
        action_units: numbers in the order of the units' targets.
    """

    train: Dataset[Any]
    sampler: Sampler[int]
    collator: Callable[[list[Any]], dict[str, Any]]
    validation: Dataset[Any] | None = None
    expressions: tuple[str, ...] = ()
    action_units: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """How a stage ended.

    Attributes:
        speed: figures of `SpeedMeter.report`.
        state: weights of the learner, gathered from the devices that share them out; None where
            the learner itself holds them. On the main process alone.
    """

    speed: dict[str, Any]
    state: dict[str, torch.Tensor] | None = None


class _Epochs(TrainerCallback):
    """Tells the sampler the epoch, also where a run goes on in the middle of one."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(int((state.epoch or 0) + 1e-6))


class _Speed(TrainerCallback):
    def __init__(self, speed: SpeedMeter) -> None:
        self.speed = speed

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.speed.step()


def stage_arguments(
    stage: Stage,
    out: Path,
    *,
    seed: int,
    metric: Metric,
    validate: bool,
    workers: int = 0,
    report: tuple[str, ...] = (),
) -> TrainingArguments:
    """A stage as Trainer's arguments.

    Args:
        stage: rates, batch, precision, how often it saves.
        out: folder of its checkpoints.
        seed: of new weights and dropout.
        metric: what chooses the best checkpoint.
        validate: whether there are validation rows.
        workers: processes that prepare batches.
        report: "tensorboard".
    """
    when = "epoch" if stage.save_every is None else "steps"
    length = (
        {"max_steps": stage.max_steps}
        if stage.max_steps is not None
        else {"num_train_epochs": stage.epochs}
    )
    fields: dict[str, Any] = {
        **length,
        "output_dir": str(out),
        "seed": seed,
        "data_seed": seed,
        "learning_rate": stage.learning_rate,
        "per_device_train_batch_size": stage.batch_size,
        "per_device_eval_batch_size": stage.batch_size,
        "gradient_accumulation_steps": stage.accumulation,
        "warmup_steps": stage.warmup,
        "lr_scheduler_type": stage.schedule,
        "weight_decay": stage.weight_decay,
        "adam_beta2": stage.adam_beta2,
        "max_grad_norm": stage.max_grad_norm,
        "bf16": stage.precision == "bf16",
        "fp16": stage.precision == "fp16",
        "save_strategy": when,
        "eval_strategy": when if validate else "no",
        "logging_steps": stage.log_every,
        "logging_first_step": True,  # or a short run would leave no loss
        "logging_nan_inf_filter": False,  # such a loss ends the run
        "metric_for_best_model": metric if validate else None,
        "greater_is_better": metric != "loss",
        "save_total_limit": None,  # StageTrainer removes old checkpoints itself
        "report_to": list(report),
        "remove_unused_columns": False,
        "dataloader_drop_last": True,
        "dataloader_num_workers": workers,
        "dataloader_persistent_workers": workers > 0,
        "disable_tqdm": True,
        "use_cpu": not (torch.cuda.is_available() or torch.backends.mps.is_available()),
    }
    if stage.save_every is not None:
        fields |= {"save_steps": stage.save_every, "eval_steps": stage.save_every}
    args = TrainingArguments(**fields)
    if args.n_gpu > 1:
        log.warning("%d devices, of which 1 is used; docs/train_many.md tells more", args.n_gpu)
        args._n_gpu = 1  # else Trainer would split batches by threads, counts and all
    return args


def fit_stage(
    learner: nn.Module,
    feed: Feed,
    stage: Stage,
    out: Path,
    *,
    seed: int,
    metric: Metric = "loss",
    workers: int = 0,
    report: tuple[str, ...] = (),
    callbacks: tuple[TrainerCallback, ...] = (),
) -> Fitted:
    """Trains a stage, going on from its last whole checkpoint if there is one.

    Args:
        learner: gives "loss" and, where numbers are scored, "logits"; its trainable weights move.
        feed: what it learns from.
        stage: how.
        out: folder of its checkpoints and curves.
        seed: of dropout.
        metric: what chooses the best checkpoint, whose weights the learner ends with.
        workers: processes that prepare batches.
        report: "tensorboard".
        callbacks: further ones.

    Returns:
        Figures of its speed, and weights that are shared out over devices.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM, behind a checkpoint.
        TrainingError: where a loss is no number or memory is full.
        CheckpointError: where a checkpoint cannot be written.
    """
    args = stage_arguments(
        stage,
        out,
        seed=seed,
        metric=metric,
        validate=feed.validation is not None,
        workers=workers,
        report=report,
    )
    args.ddp_find_unused_parameters = _may_leave_unused(learner)
    out.mkdir(parents=True, exist_ok=True)
    _check_size(feed, args)
    speed, stop = SpeedMeter(), StopOnSignal()
    trainer = StageTrainer(
        model=learner,
        args=args,
        train_dataset=feed.train,
        eval_dataset=feed.validation,
        data_collator=feed.collator,
        compute_metrics=_metrics(feed) if feed.validation is not None else None,
        callbacks=[
            CsvLog(out / "log.csv"),
            LogLines(stage.name),
            _Epochs(feed.sampler),
            _Speed(speed),
            *callbacks,
            stop,  # last, so that it sees what the others were told
        ],
        sampler=feed.sampler,
        speed=speed,
        face_learning_rate=stage.face_learning_rate,
        keep=stage.keep,
    )
    trainer.remove_callback(PrinterCallback)
    found = _last_checkpoint(out, args)
    if found is not None:
        log.info("stage %s goes on from %s", stage.name, found)
    try:
        with stop.listening():
            _train(trainer, found)
    except (RuntimeError, MemoryError) as error:
        full = out_of_memory(error, stage.batch_size, stage.accumulation)
        if full is not None:
            raise full from error
        raise
    if stop.stopped:
        raise Interrupted(f"stopped at step {trainer.state.global_step} of stage {stage.name}")
    best = trainer.state.best_model_checkpoint
    if best is not None and trainer.state.best_global_step != trainer.state.global_step:
        log.info("the best checkpoint by %s is %s", metric, Path(best).name)
        trainer._load_best_model()
    if args.should_save and (out / "log.csv").exists():
        try:
            draw_curves(out / "log.csv", out / "curves.png")
        except OSError as error:
            raise sink_error(out / "curves.png", error) from error
    state = None
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    return Fitted(speed.report(args.world_size), state)


def _last_checkpoint(out: Path, args: TrainingArguments) -> Path | None:
    """The newest checkpoint that is whole; the main process alone reads it through."""
    found = [last_checkpoint(out) if args.process_index == 0 else None]
    if args.world_size > 1:
        torch.distributed.broadcast_object_list(found)
    return found[0]


def _train(trainer: StageTrainer, found: Path | None) -> None:
    """Trains, or takes the weights of a checkpoint that was the last of its stage."""
    if found is not None:
        state = read_state(found)
        if state["global_step"] >= state["max_steps"] and not trainer.is_fsdp_enabled:
            # Trainer would train another step where the stage ends within an epoch.
            trainer._load_from_checkpoint(str(found))
            trainer.state.global_step = state["global_step"]
            trainer.state.best_global_step = state.get("best_global_step")
            trainer.state.best_model_checkpoint = trainer._best()
            return
    trainer.train(resume_from_checkpoint=str(found) if found is not None else None)


def _may_leave_unused(learner: nn.Module) -> bool:
    """Whether a batch may leave trained weights alone, for which DDP then has to look each time.

    An EMO-LLaMA does so where no clip of a batch has a kind of prior; a FEALLM uses all it has.
    """
    model = base_of(getattr(learner, "model", learner))
    config: Any = getattr(model, "config", None)
    return getattr(config, "model_type", None) != "feallm"


def _check_size(feed: Feed, args: TrainingArguments) -> None:
    """Refuses data that does not fill one batch, and says how many steps an epoch has."""
    visits = len(feed.sampler)  # type: ignore[arg-type]
    wanted = args.per_device_train_batch_size * args.world_size
    if visits < wanted:
        raise RecipeError(
            f"the training data has {visits} rows or faces, fewer than one batch of {wanted}: "
            "lower batch_size or give more data"
        )


def steps_of(visits: int, stage: Stage, processes: int = 1) -> tuple[int, float]:
    """Optimiser steps of a stage, and the epochs that they are.

    Args:
        visits: rows or faces of an epoch.
        stage: batch, accumulation, length.
        processes: that train at the same time.
    """
    batches = visits // (stage.batch_size * processes)
    each = max(-(-batches // stage.accumulation), 1)
    if stage.max_steps is not None:
        return stage.max_steps, stage.max_steps / each
    assert stage.epochs is not None
    return max(int(-(-stage.epochs * each // 1)), 1), stage.epochs


def _metrics(feed: Feed) -> Callable[[EvalPrediction], dict[str, float]]:
    def compute(prediction: EvalPrediction) -> dict[str, float]:
        scores: Any = prediction.predictions
        targets: Any = prediction.label_ids
        if not isinstance(scores, tuple) or not isinstance(targets, tuple):
            return {}
        return validation_scores(
            scores[0],
            scores[1],
            targets[0],
            targets[1],
            expressions=feed.expressions,
            action_units=feed.action_units,
        )

    return compute
