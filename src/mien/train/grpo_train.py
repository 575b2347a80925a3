"""What GRPO learns from and how it is trained: prompts of rows, their order, their Trainer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset, Sampler

from mien.data.build.face_labels import Labels
from mien.data.build.instruction_row import turns_of
from mien.engines.local import question
from mien.faces import CropSpec
from mien.language import prompt_for
from mien.train.empty_batches import LEFT_OUT, NO_FACE, nothing
from mien.train.faces import CACHE_FOLDER, FaceCrops
from mien.train.fit_stage import Feed
from mien.train.grpo import Asked
from mien.train.recipe import DataSpec, Stage
from mien.train.rewards import PARTS, RewardTask, RewardWeights, Truth, reward
from mien.train.rows import InstructionRows, RowsError
from mien.train.trainer import StageTrainer

log = logging.getLogger(__name__)

Item = tuple[Asked, NDArray[np.uint8]]


def asked_of(row: Mapping[str, Any], index: int, processor: Any) -> Asked | None:
    """The first question of a row of instruction data.

    None if no reward checks its task, or its labels say nothing of what the task asks for.

    Args:
        row: of `mien.data.build.instruction_row`.
        index: its number in the dataset.
        processor: of the model.
    """
    task: RewardTask = row["task"]
    if task not in PARTS:
        return None
    truth = truth_of(row["labels"])
    if reward("", task, truth, RewardWeights()).total is None:
        return None
    return Asked(index, question(processor, turns_of(dict(row))[0][0]), task, truth)


def truth_of(labels: Mapping[str, Any]) -> Truth:
    """What is known of a face, from the labels of a row."""
    known = Labels.from_dict(labels)
    units = dict.fromkeys(known.absent, False) | dict.fromkeys(known.present or (), True)
    return Truth(known.expression, units)


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
            for number in _checkable(rows)
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
                f"{rows.name_of(row)}: is a clip; GRPO asks about pictures, leave clips out"
            )
        crop, asked = self.crops(frames[0]), asked_of(row, index, self.processor)
        if crop is None:
            log.warning("%s: no face is found; left out", rows.name_of(row))
        return None if crop is None or asked is None else (asked, crop)


def _checkable(rows: InstructionRows) -> Iterator[int]:
    """Rows that `asked_of` makes prompts of, without opening their pictures."""
    labels = rows.labels(np.arange(len(rows)))
    for number, (task, known) in enumerate(zip(rows.tasks(), labels, strict=True)):
        if task in PARTS and known is not None:
            checked = reward("", task, truth_of(known), RewardWeights())
            if checked.total is not None:
                yield number


def open_prompts(
    data: DataSpec,
    stage: Stage,
    processor: Any,
    spec: CropSpec,
    *,
    seed: int,
    processes: int = 1,
) -> Feed:
    """What a stage of the kind "grpo" learns from: the first question of every training row.

    Args:
        data: sources and faces; its weights, augmentation, priors and cache take no part.
        stage: batch and updates.
        processor: of the model.
        spec: how the model wants faces cut.
        seed: of the order.
        processes: that train at the same time.

    Raises:
        RowsError: if rows are missing or damaged, or none can be checked.
    """
    rows = [InstructionRows(source.rows, root=source.root) for source in data.train]
    beside = data.train[0].rows
    folder = (beside if beside.is_dir() else beside.parent) / CACHE_FOLDER
    items = AskedRows(rows, processor, FaceCrops(spec, faces=data.faces, folder=folder))
    updates = 1 if stage.grpo is None else stage.grpo.updates
    block = stage.batch_size * stage.accumulation * processes
    return Feed(
        train=items,
        sampler=RepeatedBatches(len(items), block=block, times=updates, seed=seed),
        collator=AskedCollator(processor),
    )


class AskedCollator:
    """Prompts with their faces to a batch of `GrpoObjective`.

    Pictures are read with the canonical prompt of the analysis, as the engine reads them.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __call__(self, items: Sequence[Item | None]) -> dict[str, Any]:
        """A batch of (prompt, RGB face crop (S, S, 3)), without those that are None."""
        found = [item for item in items if item is not None]
        if not found:
            return nothing(NO_FACE)
        pictures = self.processor.picture_inputs(
            [crop for _, crop in found], prompt_for("analysis")
        )
        return {"asked": [asked for asked, _ in found], **pictures}


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
        self._scale = 1.0

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The batches of one step, whose mean is over those of which something is left."""
        batches, counts = super().get_batch_samples(epoch_iterator, num_batches, device)
        left = sum(LEFT_OUT not in batch for batch in batches)
        self._scale = len(batches) / max(left, 1)
        return batches, counts

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
        counts = LEFT_OUT not in inputs
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        loss = loss * self._scale
        for name, value in outputs["figures"].items() if counts else ():
            self._figures.setdefault(name, []).append(value)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the means of the figures since the last record, over this process's batches."""
        if "loss" in logs:
            logs |= {name: sum(values) / len(values) for name, values in self._figures.items()}
            self._figures.clear()
        super().log(logs, start_time)
