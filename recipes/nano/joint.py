"""Stage 3: the encoder learns units from rendered faces, and keeps expressions from real ones.

Real faces teach expressions (their labels, and the encoder of stage 2 as a soft teacher on the same
augmented picture); rendered faces teach units, intensities and expressions. What is saved is the
running average of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import EvalPrediction, ResNetModel, TrainerCallback

from mien.metrics import confusion, count_units, uar, unit_auc, unit_macro_f1, war
from mien.train import fit, training_arguments
from mien.train.heads import EncoderHeads
from mien.train.targets import unit_weights

from .augment import augment, plain
from .faces import CLASSES, Faces
from .rendered import UNITS, Rendered, presence
from .rows import Rows
from .transfer import coral, restyle
from .vision import EARLY_SIZE, SIZE, EncoderWithHeads, encoder_config, sgd

MILD = 0.35
"""Strength of augmentation on rendered faces: their scenes differ in pose, light, blur and noise
already, and small movements drown in strong shifts and turns."""
AVERAGE = 0.999
"""Decay of the running average of the weights."""


@dataclass(frozen=True)
class Transfer:
    """How units are carried over to photographs.

    Attributes:
        style: share of rendered pictures that take on the light of a real one.
        alignment: weight of the distance between features of real and rendered faces.
        pseudo: weight of pseudo-labels on real faces.
    """

    style: float = 0.5
    alignment: float = 0.0
    pseudo: float = 0.0


class UnitEncoder(EncoderHeads):
    """The encoder under a head for expressions and one for units."""

    def __init__(self) -> None:
        config = encoder_config()
        *_, middle, last = config.hidden_sizes
        super().__init__(middle, last, expressions=len(CLASSES), units=len(UNITS), dropout=0.3)
        self.encoder = ResNetModel(config)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`answers` for (B, 3, H, W)."""
        x = pixel_values.contiguous(memory_format=torch.channels_last)
        *_, middle, last = self.encoder(pixel_values=x, output_hidden_states=True).hidden_states
        return self.answers(middle, last)


class JointLearner(nn.Module):
    """The network, its running average, its teacher and the losses.

    Args:
        taught: state of stage 2's `EncoderWithHeads`, the teacher.
        start: state of an earlier `UnitEncoder` to go on from; None starts from the teacher.
        unit_weights: (19,) weight of a present unit.
        transfer: what carries units over.
        softness: share of a photograph's expression loss that is the teacher's.
    """

    def __init__(
        self,
        taught: dict[str, Tensor],
        start: dict[str, Tensor] | None,
        *,
        unit_weights: Tensor,
        transfer: Transfer,
        softness: float,
    ):
        super().__init__()
        self.student = UnitEncoder()
        if start is None:
            kept = {k: v for k, v in taught.items() if k.startswith(("encoder.", "expression."))}
            self.student.load_state_dict(kept, strict=False)
        else:
            self.student.load_state_dict(start)
        self.average = AveragedModel(
            self.student, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True
        )
        self.teacher = EncoderWithHeads(
            class_weights=taught["class_weights"], unit_weights=taught["unit_weights"]
        )
        self.teacher.load_state_dict(taught)
        self.teacher.requires_grad_(False)
        self.transfer, self.softness = transfer, softness
        self.register_buffer("unit_weights", unit_weights, persistent=False)

    def train(self, mode: bool = True) -> JointLearner:
        """Only the student ever trains."""
        super().train(mode)
        self.teacher.eval()
        self.average.eval()
        return self

    def forward(
        self, pixel_values: Tensor, labels: Tensor, units: Tensor, real: Tensor
    ) -> dict[str, Any]:
        """Losses, or the average's answers when not training.

        Args:
            pixel_values: (B, 3, H, W).
            labels: (B, 7) target distribution over expressions, zeros where unlabelled.
            units: (B, 19) intensities in [0, 5], NaN where unknown.
            real: (B,) whether the face is a photograph.
        """
        if not self.training:
            expression, presence, intensity, _ = self.average(pixel_values)
            loss = -(labels * F.log_softmax(expression, -1)).sum(-1).mean()
            return {"loss": loss, "logits": (expression, presence, intensity)}
        expression, presence, intensity, features = self.student(pixel_values)
        log_p = F.log_softmax(expression, -1)
        weight = 1 - self.softness * real
        loss = -(weight[:, None] * labels * self.teacher.class_weights * log_p).sum(-1).mean()
        if self.softness and real.any():
            soft = self._taught(pixel_values[real]) / 2
            softened = F.log_softmax(expression[real] / 2, -1)
            divergence = F.kl_div(
                softened, F.log_softmax(soft, -1), reduction="sum", log_target=True
            )
            loss = loss + self.softness * 4 * divergence / len(real)  # 4: temperature squared
        loss = loss + self._unit_loss(presence, intensity, units, real)
        if self.transfer.alignment and real.any() and not real.all():
            loss = loss + self.transfer.alignment * coral(features[real], features[~real])
        return {"loss": loss, "logits": (expression, presence, intensity)}

    @torch.no_grad()
    def _taught(self, pixel_values: Tensor) -> Tensor:
        x = pixel_values.contiguous(memory_format=torch.channels_last)
        features = self.teacher.encoder(pixel_values=x).last_hidden_state.float().mean((2, 3))
        return self.teacher.expression(features).float()

    def _unit_loss(
        self, presence: Tensor, intensity: Tensor, units: Tensor, real: Tensor
    ) -> Tensor:
        known = torch.isfinite(units)
        units = units.nan_to_num(0.0)
        trust = torch.where(real, self.transfer.pseudo, 1.0)[:, None] * known
        # a trace (A) is neither: it pulls the logit towards the middle
        present = ((units - 0.5) / 1.0).clamp(0, 1)
        found = F.binary_cross_entropy_with_logits(presence, present, reduction="none")
        weighted = found * (1 + (self.unit_weights - 1) * present)
        graded = F.smooth_l1_loss(intensity, units / 5, reduction="none", beta=0.1)
        return ((weighted + 2 * graded) * trust).sum() / trust.sum().clamp(min=1)


class _Average(TrainerCallback):
    """Moves the running average after each step."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        model.average.update_parameters(model.student)


class _Collator:
    """Rows of both kinds to one batch; rows of rendered faces are numbered behind the real ones."""

    def __init__(
        self,
        faces: Faces,
        rendered: Rendered,
        pseudo: NDArray[np.float32] | None,
        *,
        seed: int,
        style: float,
        size: int,
    ):
        self.size = size
        self.count = len(faces.images)
        self.style = style
        self.images = torch.from_numpy(np.concatenate([faces.images, rendered.images]))
        labels = torch.from_numpy(np.concatenate([faces.labels, rendered.labels]))
        known = (labels >= 0)[:, None]
        self.labels = F.one_hot(labels.clamp(min=0), len(CLASSES)).float() * known
        if pseudo is None:
            pseudo = np.full((self.count, len(UNITS)), np.nan, np.float32)
        self.units = torch.from_numpy(np.concatenate([pseudo, rendered.known()]))
        self.photographs = torch.from_numpy(faces.where("fit"))
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, items: list[tuple[int, bool]]) -> dict[str, Tensor]:
        rows = torch.tensor([i for i, _ in items])
        images, labels, units = self.images[rows], self.labels[rows], self.units[rows]
        real = rows < self.count
        if not items[0][1]:
            x = plain(images, self.size)
            return {"pixel_values": x, "labels": labels, "units": units, "real": real}
        restyled = ~real & (torch.rand(len(rows), generator=self.generator) < self.style)
        if restyled.any():
            count = int(restyled.sum())
            picked = torch.randint(len(self.photographs), (count,), generator=self.generator)
            share = torch.rand(count, generator=self.generator)
            references = self.images[self.photographs[picked]]
            images[restyled] = restyle(images[restyled], references, share)
        strength = torch.where(real, 1.0, MILD)
        x = augment(images, self.size, self.generator, strength)
        labels = 0.9 * labels + 0.1 * labels.sum(-1, keepdim=True) / len(CLASSES)
        return {"pixel_values": x, "labels": labels, "units": units, "real": real}


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    labels, units, real = prediction.label_ids  # (N, 7), (N, 19), (N,)
    expression, logits, _ = prediction.predictions
    result = {}
    for name, rows in (("", real), ("rendered_", ~real & (labels.sum(-1) > 0))):
        truth = [CLASSES[i] for i in labels[rows].argmax(-1)]
        matrix = confusion(truth, [CLASSES[i] for i in expression[rows].argmax(-1)], CLASSES)
        result |= {f"{name}war": war(matrix), f"{name}uar": uar(matrix)}
    truth = presence(units[~real])
    called = (logits[~real] > 0).astype(float)
    result["au_f1"] = unit_macro_f1(count_units(truth, called, UNITS))
    result["au_auc"] = float(np.mean(list(unit_auc(truth, logits[~real], UNITS).values())))
    return result


def train_joint(
    faces: Faces,
    rendered: Rendered,
    vision: Path,
    out: Path,
    *,
    start: Path | None = None,
    epochs: float,
    seed: int,
    transfer: Transfer,
    models: tuple[str, ...] = ("anny", "ict"),
    pseudo: NDArray[np.float32] | None = None,
    real_share: float = 1.0,
    repeats: int = 1,
    small: bool = False,
    softness: float = 0.5,
    learning_rate: float | None = None,
    **overrides: Any,
) -> Path:
    """Trains stage 3 and saves the averaged network.

    Args:
        faces: FER2013.
        rendered: rendered faces.
        vision: folder of stage 2, whose encoder teaches.
        start: folder of an earlier cycle of this stage, to go on from; None starts from stage 2.
        out: folder of the run.
        epochs: passes over the "fit" parts of both.
        seed: of weights, order and augmentation.
        transfer: what carries units over.
        models: face models to learn from; the others are left for testing.
        pseudo: (N, 19) intensities of `faces`, for `Transfer.pseudo`.
        real_share: share of the real faces that is used, for short experiments.
        repeats: how often an epoch passes over the rendered faces; each time they look different.
        small: look at small pictures, at less than half the cost; the teacher, which is used to
            large ones, is not asked then.
        softness: share of a photograph's expression loss that is the teacher's.
        learning_rate: the highest; by default 0.025, and 0.015 to go on.
        **overrides: fields of `TrainingArguments`.

    Returns:
        The folder `out/encoder`, for `ResNetModel.from_pretrained`.
    """
    torch.manual_seed(seed)
    N = len(faces.images)
    real_rows = faces.where("fit")
    # the rows are sorted by class, so that a part of them must be drawn from all over
    real_rows = np.random.default_rng(seed).permutation(real_rows)
    real_rows = real_rows[: int(real_share * len(real_rows))]
    rendered_rows = rendered.where("fit", models=models)
    shown = np.nanmean(rendered.present()[rendered_rows], axis=0)
    learner = JointLearner(
        load_file(vision / "heads.safetensors"),
        None if start is None else load_joint(start).state_dict(),
        unit_weights=unit_weights(shown.tolist()),
        transfer=transfer,
        softness=0.0 if small else softness,
    )
    rate = learning_rate or (0.025 if start is None else 0.015)
    optimizer = sgd(learner.student, rate)
    args = training_arguments(
        out,
        **{
            "num_train_epochs": epochs,
            "per_device_train_batch_size": 128,
            "per_device_eval_batch_size": 256,
            "warmup_steps": 100,
            "max_grad_norm": 5.0,
            "seed": seed,
            "data_seed": seed,
            **overrides,
        },
    )
    collator = _Collator(
        faces, rendered, pseudo, seed=seed, style=transfer.style, size=EARLY_SIZE if small else SIZE
    )
    chosen = rendered.where("select", models=models)
    fit(
        learner,
        args=args,
        train_dataset=Rows(
            np.concatenate([real_rows, np.tile(N + rendered_rows, repeats)]), train=True
        ),
        eval_dataset=Rows(np.concatenate([faces.where("select"), N + chosen]), train=False),
        collator=collator,
        compute_metrics=_metrics,
        optimizer=optimizer,
        callbacks=[_Average()],
        label_names=("labels", "units", "real"),
    )
    result = learner.average.module
    result.encoder.save_pretrained(out / "encoder")
    state = {name: tensor.contiguous() for name, tensor in result.state_dict().items()}
    state["class_weights"] = learner.teacher.class_weights
    save_file(state, out / "heads.safetensors")
    return out / "encoder"


def load_joint(folder: Path) -> UnitEncoder:
    """The network that `train_joint` saved."""
    network = UnitEncoder().eval()
    state = load_file(folder / "heads.safetensors")
    state.pop("class_weights")
    network.load_state_dict(state)
    return network


@torch.inference_mode()
def look(
    network: UnitEncoder, images: NDArray[np.uint8], *, size: int = SIZE, batch_size: int = 256
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Answers for grey crops, each the mean over the picture and its mirror image.

    Args:
        network: from `load_joint`.
        images: (N, 48, 48) uint8.
        size: side at which they are looked at.
        batch_size: pictures at a time.

    Returns:
        Expression probabilities (N, 7), presence probabilities (N, 19), intensities (N, 19) in
        [0, 5].
    """
    batches = []
    for first in range(0, len(images), batch_size):
        x = plain(torch.from_numpy(images[first : first + batch_size]), size)
        sides = [network(view)[:3] for view in (x, x.flip(-1))]
        expression = sum(side[0].softmax(-1) for side in sides) / 2
        present = sum(side[1].sigmoid() for side in sides) / 2
        intensity = sum(side[2] for side in sides) / 2
        batches.append((expression, present, (5 * intensity).clamp(0, 5)))
    return tuple(torch.cat(part).float().numpy() for part in zip(*batches, strict=True))  # type: ignore[return-value]
