"""The encoder learns expressions from photographs and units from rendered faces, under heads.

Photographs teach what ten people saw (a distribution over eight expressions) and FER2013's own
label (a second head, for it means something else). Rendered faces teach units, intensities and
expressions. What is saved is the running average of the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import EvalPrediction, MobileNetV1Config, MobileNetV1Model, TrainerCallback

from mien.metrics import confusion, count_units, per_class, uar, unit_auc, unit_macro_f1, war
from mien.train import fit, training_arguments
from mien.train.heads import EncoderHeads
from mien.train.targets import unit_weights

from .augment import augment, plain
from .face_weights import adopt_statistics, load_face_network
from .photographs import CLASSES, SINGLE_CLASSES, Photographs
from .rendered import UNITS, Rendered, presence
from .rows import Rows

SIZE = 112
"""Side of the pictures in pixels."""
MIDDLE = 21
"""Index of the hidden state with the last 7 x 7 map, which shows where on the face something is."""
REAL, MILD = 0.7, 0.35
"""Strength of augmentation. Rendered scenes differ in pose, light, blur and noise already."""
COARSE = (20, 80)
"""Sides in pixels to which some rendered faces are brought down, as real sets are."""
AVERAGE = 0.998
"""Decay of the running average of the weights."""
SINGLE = 0.3
"""Weight of FER2013's own labels in the loss."""


class FaceEncoder(EncoderHeads):
    """MobileNet v1 under heads for the votes, FER2013's own labels, and units."""

    def __init__(self) -> None:
        super().__init__(512, 1024, expressions=len(CLASSES), units=len(UNITS), dropout=0.2)
        self.encoder = MobileNetV1Model(MobileNetV1Config(tf_padding=True), add_pooling_layer=False)
        self.single = nn.Linear(1024, len(SINGLE_CLASSES))

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of the votes (B, 8), of FER2013's labels (B, 7), presences and intensities.

        Args:
            pixel_values: (B, 3, H, W).
        """
        x = pixel_values.contiguous(memory_format=torch.channels_last)
        states = self.encoder(pixel_values=x, output_hidden_states=True).hidden_states
        votes, present, intensity, features = self.answers(states[MIDDLE], states[-1])
        return votes, self.single(self.dropout(features)).float(), present, intensity


class EncoderLearner(nn.Module):
    """The network, its running average and the losses.

    Args:
        student: the network to train.
        unit_weights: (19,) weight of a present unit.
    """

    def __init__(self, student: FaceEncoder, unit_weights: Tensor) -> None:
        super().__init__()
        self.student = student
        self.average = AveragedModel(
            student, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True
        )
        self.register_buffer("unit_weights", unit_weights, persistent=False)

    def train(self, mode: bool = True) -> EncoderLearner:
        """Only the student ever trains."""
        super().train(mode)
        self.average.eval()
        return self

    def forward(
        self,
        pixel_values: Tensor,
        votes: Tensor,
        single: Tensor,
        units: Tensor,
        majority: Tensor,
        real: Tensor,
    ) -> dict[str, Any]:
        """Losses, or the average's answers when not training.

        Args:
            pixel_values: (B, 3, H, W).
            votes: (B, 8) target distribution, zeros where unlabelled.
            single: (B,) FER2013's own label, -1 where unknown.
            units: (B, 19) intensities in [0, 5], NaN where unknown.
            majority: (B,) class that most people chose, -1 for none; only scores read it.
            real: (B,) whether the face is a photograph; likewise.
        """
        network = self.student if self.training else self.average
        voted, own, present, intensity = network(pixel_values)
        loss = -(votes * F.log_softmax(voted, -1)).sum(-1).mean()
        known = single >= 0
        if known.any():
            loss = loss + SINGLE * F.cross_entropy(own[known], single[known], label_smoothing=0.1)
        loss = loss + self._unit_loss(present, intensity, units)
        return {"loss": loss, "logits": (voted, own, present, intensity)}

    def _unit_loss(self, presence: Tensor, intensity: Tensor, units: Tensor) -> Tensor:
        known = torch.isfinite(units)
        units = units.nan_to_num(0.0)
        # a trace (A) is neither: it pulls the logit towards the middle
        present = (units - 0.5).clamp(0, 1)
        found = F.binary_cross_entropy_with_logits(presence, present, reduction="none")
        weighted = found * (1 + (self.unit_weights - 1) * present)
        graded = F.smooth_l1_loss(intensity, units / 5, reduction="none", beta=0.1)
        return ((weighted + 2 * graded) * known).sum() / known.sum().clamp(min=1)


class _Average(TrainerCallback):
    """Moves the running average after each step."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        model.average.update_parameters(model.student)


class Batches:
    """Rows of both kinds to one batch; rows of rendered faces are numbered behind the real ones."""

    def __init__(
        self, photographs: Photographs, rendered: Rendered | None, *, seed: int, mixup: float
    ) -> None:
        self.mixup = mixup
        self.count = len(photographs.images)
        self.images = torch.from_numpy(photographs.images)
        self.drawn = None if rendered is None else torch.from_numpy(rendered.images)
        votes, single = torch.from_numpy(photographs.votes), torch.from_numpy(photographs.single)
        majority = torch.from_numpy(photographs.majority)
        units = torch.full((self.count, len(UNITS)), torch.nan)
        if rendered is not None:
            labels = torch.from_numpy(rendered.labels)
            named = (labels >= 0)[:, None]
            shares = F.one_hot(labels.clamp(min=0), len(CLASSES)).float() * named
            # what a rendered face shows is certain, what people would call it is not
            votes = torch.cat([votes, 0.9 * shares + 0.1 * named / len(CLASSES)])
            single = torch.cat([single, torch.full_like(labels, -1)])
            majority = torch.cat([majority, labels])
            units = torch.cat([units, torch.from_numpy(rendered.known())])
        self.votes, self.single, self.units, self.majority = votes, single, units, majority
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, items: list[tuple[int, bool]]) -> dict[str, Tensor]:
        train = items[0][1]
        rows = torch.tensor([i for i, _ in items])
        rows = torch.cat([rows[rows < self.count], rows[rows >= self.count]])  # photographs first
        real = rows < self.count
        parts = []
        if real.any():
            parts.append(self._look(self.images[rows[real]], REAL if train else 0.0))
        if not real.all() and self.drawn is not None:
            images = self.drawn[rows[~real] - self.count]
            if train:
                images = self._coarsened(images)
            parts.append(self._look(images, MILD if train else 0.0))
        x = torch.cat(parts)
        votes = self.votes[rows]
        count = int(real.sum())
        if train and count and torch.rand((), generator=self.generator) < self.mixup:
            # photographs only, one share per batch near 1: a blend of two faces has no clear units
            share = 1 - 0.4 * torch.rand((), generator=self.generator)
            other = torch.randperm(count, generator=self.generator)
            x[:count] = share * x[:count] + (1 - share) * x[:count][other]
            votes[:count] = share * votes[:count] + (1 - share) * votes[:count][other]
        return {
            "pixel_values": x, "votes": votes, "single": self.single[rows],
            "units": self.units[rows], "majority": self.majority[rows], "real": real,
        }  # fmt: skip

    def _look(self, images: Tensor, strength: float) -> Tensor:
        if not strength:
            return plain(images, SIZE)
        return augment(images, SIZE, self.generator, torch.full((len(images),), strength))

    def _coarsened(self, images: Tensor) -> Tensor:
        """Brings half of the pictures down to one size of a real set, and back up."""
        chosen = torch.rand(len(images), generator=self.generator) < 0.5
        if not chosen.any():
            return images
        low, high = COARSE
        size = int(torch.randint(low, high, (), generator=self.generator))
        small = F.interpolate(
            images[chosen][:, None].float(), size=(size, size), mode="bilinear", antialias=True
        )
        side = images.shape[-1]
        back = F.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
        images = images.clone()
        images[chosen] = back[:, 0].round().clamp(0, 255).to(torch.uint8)
        return images


def expression_scores(
    logits: NDArray[np.floating], truth: NDArray[np.int64], classes: tuple[str, ...]
) -> dict[str, float]:
    """WAR, UAR and the recall of neutral over faces with a label (-1 is none)."""
    known = truth >= 0
    called = [classes[i] for i in logits[known].argmax(-1)]
    matrix = confusion([classes[i] for i in truth[known]], called, classes)
    return {"war": war(matrix), "uar": uar(matrix), "neutral": per_class(matrix)["neutral"].recall}


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    votes, single, units, majority, real = prediction.label_ids
    voted, own, present, _ = prediction.predictions
    result = expression_scores(voted[real], majority[real], CLASSES)
    log_p = voted[real] - np.logaddexp.reduce(voted[real], axis=1, keepdims=True)
    result["votes_ce"] = float(-(votes[real] * log_p).sum(1).mean())
    of_single = expression_scores(own[real], single[real], SINGLE_CLASSES)
    result |= {"fer2013_war": of_single["war"], "fer2013_uar": of_single["uar"]}
    if real.all():
        return result
    of_drawn = expression_scores(voted[~real], majority[~real], CLASSES)
    truth = presence(units[~real])
    called = (present[~real] > 0).astype(float)
    aucs = unit_auc(truth, present[~real], UNITS)
    return result | {
        "rendered_war": of_drawn["war"],
        "au_f1": unit_macro_f1(count_units(truth, called, UNITS)),
        "au_auc": float(np.mean(list(aucs.values()))),
    }


def train_encoder(
    photographs: Photographs,
    rendered: Rendered | None,
    out: Path,
    *,
    start: Path,
    epochs: float,
    seed: int,
    learning_rate: float,
    mixup: float = 0.0,
    repeats: int = 1,
    models: tuple[str, ...] = ("anny", "ict"),
    **overrides: Any,
) -> Path:
    """Trains the encoder and saves its running average.

    Args:
        photographs: FERPlus.
        rendered: rendered faces; None leaves units for later.
        out: folder of the run.
        start: folder with HSE-FaceRes, or of an earlier run of this stage.
        epochs: passes over the "fit" parts of both.
        seed: of weights, order and augmentation.
        learning_rate: of the encoder; the heads get five times as much.
        mixup: share of batches in which photographs are blended.
        repeats: how often an epoch passes over the rendered faces.
        models: face models to learn from; the others are left for testing.
        **overrides: fields of `TrainingArguments`.

    Returns:
        `out`, with `heads.safetensors`, for `load_encoder`.
    """
    torch.manual_seed(seed)
    N = len(photographs.images)
    student = FaceEncoder()
    real = photographs.where("fit")
    if (start / "faceres.bin").exists():
        student.encoder = load_face_network(start)
        chosen = np.random.default_rng(seed).choice(real, 2048, replace=False)
        images = torch.from_numpy(photographs.images[chosen])
        adopt_statistics(student.encoder, [plain(part, SIZE) for part in images.split(256)])
    else:
        student.load_state_dict(load_file(start / "heads.safetensors"))
    weights, drawn, judged = torch.ones(len(UNITS)), real[:0], real[:0]
    if rendered is not None:
        rows = rendered.where("fit", models=models)
        weights = unit_weights(np.nanmean(rendered.present()[rows], axis=0).tolist())
        drawn = np.tile(N + rows, repeats)
        judged = N + rendered.where("select", models=models)
    learner = EncoderLearner(student, weights)
    args = training_arguments(
        out,
        **{
            "num_train_epochs": epochs,
            "per_device_train_batch_size": 64,
            "per_device_eval_batch_size": 256,
            "warmup_steps": 100,
            "max_grad_norm": 5.0,
            "save_strategy": "steps",
            "save_steps": 200,
            "dataloader_drop_last": False,
            "seed": seed,
            "data_seed": seed,
            **overrides,
        },
    )
    select = photographs.where("select")
    fit(
        learner,
        args=args,
        train_dataset=Rows(np.concatenate([often(photographs, real), drawn]), train=True),
        eval_dataset=Rows(np.concatenate([select, judged]), train=False),
        collator=Batches(photographs, rendered, seed=seed, mixup=mixup),
        compute_metrics=_metrics,
        optimizer=_adamw(student, learning_rate),
        callbacks=[_Average()],
        label_names=("votes", "single", "units", "majority", "real"),
    )
    state = learner.average.module.state_dict()
    save_file({k: v.contiguous() for k, v in state.items()}, out / "heads.safetensors")
    return out


def often(photographs: Photographs, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows, those of rare classes up to four times: their root of 0.05 over their share."""
    top = photographs.votes[rows].argmax(1)
    shares = np.bincount(top, minlength=len(CLASSES)).clip(1) / len(rows)
    times = np.clip(np.sqrt(0.05 / shares), 1, 4).round().astype(int)
    return np.repeat(rows, times[top])


def _adamw(network: FaceEncoder, rate: float) -> torch.optim.AdamW:
    """Heads learn five times as fast as the encoder; biases and norms do not decay."""
    groups = []
    for inside, factor in ((True, 1.0), (False, 5.0)):
        named = [p for n, p in network.named_parameters() if n.startswith("encoder.") == inside]
        for deep, decay in ((True, 0.05), (False, 0.0)):
            chosen = [p for p in named if (p.ndim > 1) == deep]
            groups.append({"params": chosen, "lr": rate * factor, "weight_decay": decay})
    return torch.optim.AdamW(groups)


def load_encoder(folder: Path) -> FaceEncoder:
    """The network that `train_encoder` saved."""
    network = FaceEncoder().eval()
    network.load_state_dict(load_file(folder / "heads.safetensors"))
    return network


@torch.inference_mode()
def look(
    network: FaceEncoder,
    images: NDArray[np.uint8],
    *,
    batch_size: int = 256,
    bf16: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Answers for grey crops, each the mean over the picture and its mirror image.

    Args:
        network: from `load_encoder`.
        images: (N, H, W) uint8.
        batch_size: pictures at a time.
        bf16: compute in bfloat16, several times faster where the processor has it.

    Returns:
        Vote shares (N, 8), presence probabilities (N, 19), intensities (N, 19) in [0, 5].
    """
    batches = []
    for first in range(0, len(images), batch_size):
        x = plain(torch.from_numpy(images[first : first + batch_size]), SIZE)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            sides = [network(view) for view in (x, x.flip(-1))]
        voted, _, present, intensity = (sum(pair) / 2 for pair in zip(*sides, strict=True))
        batches.append((voted.softmax(-1), present.sigmoid(), (5 * intensity).clamp(0, 5)))
    votes, presences, intensities = (torch.cat(part).numpy() for part in zip(*batches, strict=True))
    return votes, presences, intensities
