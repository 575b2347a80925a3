"""GRPO on Hugging Face's Trainer: the order of prompts, the figures of rewards, resuming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from mien.data.build.labels import Labels
from mien.data.build.rows import turns_of
from mien.engines.local import question
from mien.language import prompt_for
from mien.train.grpo import Asked, GrpoObjective
from mien.train.loop import CsvLog
from mien.train.rewards import PARTS, RewardTask, Truth


def asked_of(row: Mapping[str, Any], index: int, processor: Any) -> Asked | None:
    """The first question of a row of instruction data; None if no reward checks its task.

    Args:
        row: of `mien.data.build.rows`.
        index: its number in the dataset.
        processor: of the model.
    """
    task: RewardTask = row["task"]
    if task not in PARTS:
        return None
    labels = Labels.from_dict(row["labels"])
    units = dict.fromkeys(labels.absent, False) | dict.fromkeys(labels.present or (), True)
    prompt = question(processor, turns_of(dict(row))[0][0])
    return Asked(index, prompt, task, Truth(labels.expression, units))


class AskedCollator:
    """Prompts with their faces to a batch of `GrpoObjective`.

    Pictures are read with the canonical prompt of the analysis, as the engine reads them.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __call__(self, items: Sequence[tuple[Asked, NDArray[np.uint8]]]) -> dict[str, Any]:
        """A batch of (prompt, RGB face crop (S, S, 3))."""
        pictures = self.processor.picture_inputs(
            [crop for _, crop in items], prompt_for("analysis")
        )
        return {"asked": [asked for asked, _ in items], **pictures}


class RepeatedBatches(Sampler[int]):
    """A new order every epoch, each block of it several times running.

    Args:
        size: items of the dataset; what is left over by whole blocks is left out of an epoch.
        block: items of one optimiser step, over all processes.
        times: how often a block comes.
        seed: of the order.
    """

    def __init__(self, size: int, *, block: int, times: int, seed: int) -> None:
        if size < block:
            raise ValueError(f"{size} prompts do not fill one step of {block}; use a smaller batch")
        self.size, self.block, self.times, self.seed, self.epoch = size, block, times, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of one epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size // self.block * self.block * self.times

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.size)
        for start in range(0, self.size // self.block * self.block, self.block):
            for _ in range(self.times):
                yield from order[start : start + self.block].tolist()


class GrpoTrainer(Trainer):
    """Trainer whose log holds rewards, and whose batches come once for every update.

    Args:
        objective: model and loss.
        args: from `mien.train.training_arguments`. `save_steps` should be a multiple of
            `spec.updates`: a run that goes on amid the updates of one batch draws new answers.
        dataset: pairs of `Asked` and face crop, the number of each its `index`.
        callbacks: further callbacks.
    """

    def __init__(
        self,
        objective: GrpoObjective,
        *,
        args: TrainingArguments,
        dataset: Dataset[Any],
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        out = Path(str(args.output_dir))
        out.mkdir(parents=True, exist_ok=True)
        args.remove_unused_columns, args.dataloader_drop_last = False, True
        args.eval_strategy = "no"  # type: ignore[assignment]
        super().__init__(
            model=objective,
            args=args,
            train_dataset=dataset,
            data_collator=AskedCollator(objective.processor),
            callbacks=[CsvLog(out / "log.csv"), *callbacks],
        )
        self.model_accepts_loss_kwargs = False  # the loss is a mean: Trainer divides it
        self.updates = objective.spec.updates
        self._parts: dict[str, list[float]] = {}

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int]:
        args = self.args
        block = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        data: Any = self.train_dataset if train_dataset is None else train_dataset
        seed = args.seed if args.data_seed is None else args.data_seed
        return RepeatedBatches(len(data), block=block, times=self.updates, seed=seed)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any
    ) -> torch.Tensor:
        """The objective's loss; keeps its parts for the log."""
        outputs = model(**inputs)
        for name, value in outputs["parts"].items():
            self._parts.setdefault(name, []).append(value)
        loss: torch.Tensor = outputs["loss"]
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the means of the parts since the last record."""
        if "loss" in logs:
            logs |= {name: sum(values) / len(values) for name, values in self._parts.items()}
            self._parts.clear()
        super().log(logs, start_time)

    def fit(self) -> None:
        """Trains, going on from the last checkpoint in the output folder if there is one."""
        self.train(resume_from_checkpoint=get_last_checkpoint(str(self.args.output_dir)))
