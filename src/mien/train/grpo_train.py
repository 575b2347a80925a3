"""What GRPO learns from and how it is trained: prompts of rows, their order, their Trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset, Sampler

from mien.data.build.labels import Labels
from mien.data.build.rows import turns_of
from mien.engines.local import question
from mien.language import prompt_for
from mien.train.faces import FaceCrops
from mien.train.grpo import Asked
from mien.train.rewards import PARTS, RewardTask, RewardWeights, Truth, reward
from mien.train.rows import InstructionRows, RowsError
from mien.train.trainer import StageTrainer

Item = tuple[Asked, NDArray[np.uint8]]


def asked_of(row: Mapping[str, Any], index: int, processor: Any) -> Asked | None:
    """The first question of a row of instruction data.

    None if no reward checks its task, or its labels say nothing of what the task asks for.

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
    truth = Truth(labels.expression, units)
    if reward("", task, truth, RewardWeights()).total is None:
        return None
    return Asked(index, prompt, task, truth)


class AskedRows(Dataset[Item | None]):
    """Prompts of rows with the crop of their face; None where no face is found.

    Args:
        sources: rows; those that no reward can check are left out.
        processor: of the model.
        crops: cuts the faces.

    Raises:
        RowsError: if no row can be checked.
    """

    def __init__(
        self, sources: Sequence[InstructionRows], processor: Any, crops: FaceCrops
    ) -> None:
        self.sources, self.processor, self.crops = list(sources), processor, crops
        self.places = [
            (source, number)
            for source, rows in enumerate(self.sources)
            for number in range(len(rows))
            if asked_of(rows[number], 0, processor) is not None
        ]
        if not self.places:
            raise RowsError(
                f"{self.sources[0].place}: no row has a task and labels that a reward can check; "
                f"the tasks are {', '.join(PARTS)}"
            )

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Item | None:
        source, number = self.places[index]
        rows = self.sources[source]
        row = rows[number]
        frames = rows.open_pictures(row, clip_frames=1)
        if len(frames) > 1:
            raise RowsError(
                f"{rows.place}, row {row['id']!r}: is a clip; GRPO asks about pictures, leave "
                "clips out"
            )
        crop, asked = self.crops(frames[0]), asked_of(row, index, self.processor)
        return None if crop is None or asked is None else (asked, crop)


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


class GrpoTrainer(StageTrainer):
    """StageTrainer for `GrpoObjective`: its loss is a mean, its figures stand in the log."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_accepts_loss_kwargs = False  # Trainer divides the loss by the accumulation
        self._figures: dict[str, list[float]] = {}

    def _get_num_items_in_batch(self, *_: Any) -> None:  # type: ignore[override]
        """Nothing: how long the answers of a step are is not known before they are drawn."""

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The objective's loss; keeps its figures for the log."""
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        for name, value in outputs["figures"].items():
            self._figures.setdefault(name, []).append(value)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the means of the figures since the last record, over this process's batches."""
        if "loss" in logs:
            logs |= {name: sum(values) / len(values) for name, values in self._figures.items()}
            self._figures.clear()
        super().log(logs, start_time)
