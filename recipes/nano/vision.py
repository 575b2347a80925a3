"""Stage 1: the vision encoder learns expressions and AU pseudo-labels, before any language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import EvalPrediction, ResNetConfig, ResNetModel, TrainerCallback

from mien.metrics import confusion, uar, war
from mien.train import fit, training_arguments
from mien.train.targets import class_weights

from .augment import augment, plain
from .faces import CLASSES, Faces
from .pseudo_units import UNITS
from .rows import Rows

SIZE = 96
EARLY_SIZE = 64
EARLY_SHARE = 0.65
"""The first part of a run from scratch sees smaller pictures, at less than half the cost."""


def encoder_config() -> ResNetConfig:
    """4.2 million parameters; the stem reduces by four, so that 96 px give 24, 12, 6, 3."""
    return ResNetConfig(
        num_channels=3,
        embedding_size=64,
        hidden_sizes=[64, 128, 192, 256],
        depths=[2, 2, 2, 2],
        layer_type="basic",
    )


class EncoderWithHeads(nn.Module):
    """The encoder under two linear heads, which are thrown away afterwards.

    Args:
        class_weights: (7,) weight of each expression in the loss.
        unit_weights: (16,) weight of a present unit in the loss, for the rare ones.
    """

    def __init__(self, *, class_weights: Tensor, unit_weights: Tensor):
        super().__init__()
        self.encoder = ResNetModel(encoder_config())
        width = self.encoder.config.hidden_sizes[-1]
        self.dropout = nn.Dropout(0.3)
        self.expression = nn.Linear(width, len(CLASSES))
        self.units = nn.Linear(width, len(UNITS))
        self.register_buffer("class_weights", class_weights)
        self.register_buffer("unit_weights", unit_weights)

    def forward(self, pixel_values: Tensor, labels: Tensor, units: Tensor) -> dict[str, Tensor]:
        """Loss and logits.

        Args:
            pixel_values: (B, 3, H, W).
            labels: (B, 7) target distribution over the expressions.
            units: (B, 16) target intensity / 5, NaN where unknown.
        """
        x = pixel_values.contiguous(memory_format=torch.channels_last)
        features = self.encoder(pixel_values=x).last_hidden_state.mean((2, 3))  # (B, D)
        features = self.dropout(features.float())
        logits = self.expression(features)  # (B, 7)
        loss = -(labels * self.class_weights * F.log_softmax(logits, -1)).sum(-1).mean()
        known = torch.isfinite(units)
        target = torch.where(known, units, torch.zeros(()))
        unit_loss = F.binary_cross_entropy_with_logits(
            self.units(features),
            target,
            weight=1 + (self.unit_weights - 1) * target,
            reduction="none",
        )
        loss = loss + (unit_loss * known).sum() / known.sum().clamp(min=1)
        return {"loss": loss, "logits": logits}


class _Collator:
    """Indices to an augmented batch, with mixup of pictures and labels while training."""

    def __init__(self, faces: Faces, units: NDArray[np.float32], *, seed: int, mixup: float):
        self.mixup = mixup
        self.images = torch.from_numpy(faces.images)
        self.labels = F.one_hot(torch.from_numpy(faces.labels), len(CLASSES)).float()
        self.units = torch.from_numpy(units) / 5
        self.generator = torch.Generator().manual_seed(seed)
        self.size = SIZE

    def __call__(self, items: list[tuple[int, bool]]) -> dict[str, Tensor]:
        rows = torch.tensor([i for i, _ in items])
        images, labels, units = self.images[rows], self.labels[rows], self.units[rows]
        if not items[0][1]:
            return {"pixel_values": plain(images, self.size), "labels": labels, "units": units}
        x = augment(images, self.size, self.generator)
        labels = 0.9 * labels + 0.1 / len(CLASSES)
        if torch.rand((), generator=self.generator) < self.mixup:
            # One share per batch, near 1: a blend of two faces has few readable AUs.
            share = 1 - 0.4 * torch.rand((), generator=self.generator)
            other = torch.randperm(len(rows), generator=self.generator)
            x = share * x + (1 - share) * x[other]
            labels = share * labels + (1 - share) * labels[other]
            units = share * units + (1 - share) * units[other]
        return {"pixel_values": x, "labels": labels, "units": units}


class _GrowPictures(TrainerCallback):
    """Sets the collator's picture size at the start of each epoch."""

    def __init__(self, collator: _Collator, early_share: float):
        self.collator, self.early_share = collator, early_share

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        early = (state.epoch or 0) < self.early_share * args.num_train_epochs
        self.collator.size = EARLY_SIZE if early else SIZE


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    expressions, _ = prediction.label_ids  # (N, 7), (N, 16)
    truth = [CLASSES[i] for i in expressions.argmax(-1)]
    logits = prediction.predictions
    predicted = [CLASSES[i] for i in np.asarray(logits).argmax(-1)]
    matrix = confusion(truth, predicted, CLASSES)
    return {"war": war(matrix), "uar": uar(matrix)}


def sgd(network: nn.Module, learning_rate: float) -> torch.optim.SGD:
    """Nesterov's momentum; biases and the scales of norms do not decay."""
    decay = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [{"params": decay, "weight_decay": 5e-4}, {"params": rest, "weight_decay": 0.0}],
        lr=learning_rate,
        momentum=0.9,
        nesterov=True,
    )


def train_vision(
    faces: Faces,
    units: NDArray[np.float32],
    out: Path,
    *,
    epochs: int,
    seed: int,
    start: Path | None = None,
    **overrides: Any,
) -> Path:
    """Trains stage 1, or a second cycle of it, and saves the encoder.

    The second cycle starts from the first one's weights, with a third of its learning rate, at full
    picture size and without mixup.

    Args:
        faces: FER2013.
        units: (N, 16) pseudo-intensities in [0, 5], NaN where unknown.
        out: folder of the run.
        epochs: passes over the "fit" part.
        seed: of weights, order and augmentation.
        start: folder of the first cycle.
        **overrides: fields of `TrainingArguments`.

    Returns:
        The folder `out/encoder`, for `ResNetModel.from_pretrained`.
    """
    torch.manual_seed(seed)
    fit_rows = faces.where("fit")
    present = np.nanmean(units[fit_rows] >= 1.5, axis=0)
    model = EncoderWithHeads(
        class_weights=class_weights(
            np.bincount(faces.labels[fit_rows], minlength=len(CLASSES)).tolist()
        ),
        unit_weights=torch.from_numpy(np.clip((0.15 / present.clip(1e-3)) ** 0.5, 1, 4)).float(),
    )
    if start is not None:
        model.load_state_dict(load_file(start / "heads.safetensors"))
    optimizer = sgd(model, 0.05 if start is None else 0.015)
    args = training_arguments(
        out,
        **{
            "num_train_epochs": epochs,
            "per_device_train_batch_size": 128,
            "per_device_eval_batch_size": 256,
            "warmup_steps": 200 if start is None else 50,
            "max_grad_norm": 5.0,
            "seed": seed,
            "data_seed": seed,
            **overrides,
        },
    )
    collator = _Collator(faces, units, seed=seed, mixup=0.5 if start is None else 0.0)
    fit(
        model,
        args=args,
        train_dataset=Rows(fit_rows, train=True),
        eval_dataset=Rows(faces.where("select"), train=False),
        collator=collator,
        compute_metrics=_metrics,
        optimizer=optimizer,
        callbacks=[_GrowPictures(collator, EARLY_SHARE if start is None else 0.0)],
        label_names=("labels", "units"),
    )
    model.encoder.save_pretrained(out / "encoder")
    save_file(model.state_dict(), out / "heads.safetensors")
    return out / "encoder"
