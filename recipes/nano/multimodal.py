"""Stage 2: FEALLM on the frozen encoder learns numbers (branches) and words (instruction text)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    EvalPrediction,
    LlamaConfig,
    PreTrainedTokenizerFast,
    ResNetModel,
)

from mien.engines.local import question
from mien.engines.numbers import LEVELS, Candidates
from mien.metrics import confusion, uar, war
from mien.models import (
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)
from mien.models.branches import PrefixTree, score_branches
from mien.train import fit, training_arguments

from .augment import MEAN, STD, augment, plain
from .faces import CLASSES, Faces
from .pseudo_units import UNITS
from .rows import Rows
from .vision import SIZE
from .words import present_units, turns

NATIVE = 48
"""Pixels across a face in FER2013; every picture is brought down to it first."""


def build_model(
    encoder: Path, tokenizer: PreTrainedTokenizerFast
) -> FeallmForConditionalGeneration:
    """FEALLM around the trained encoder, with a fresh wide and shallow decoder."""
    vision = ResNetModel.from_pretrained(encoder, dtype=torch.float32)
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        intermediate_size=768,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = FeallmConfig(
        vision_config=vision.config,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_size=SIZE,
        hidden_size=128,
        crop_size=32,
        conv_channels=[16, 32, 64],
        lca_num_heads=4,
        mpp_num_heads=4,
        action_units=list(UNITS),
        expressions=list(CLASSES),
        face_scale=1.07,
        face_shift=[0.0, -0.055],
        face_align=True,
        mirror_average=True,
        native_size=NATIVE,
    )
    model = FeallmForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(vision.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def build_processor(
    model: FeallmForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> FeallmProcessor:
    """The processor that makes of a face crop what `augment.plain` makes of a row of FER2013."""
    image_processor = FeallmImageProcessor(
        size={"height": SIZE, "width": SIZE},
        native_size=NATIVE,
        do_grayscale=True,
        resample=2,  # bilinear
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )
    return FeallmProcessor(
        image_processor, tokenizer, num_image_tokens=model.config.num_image_tokens
    )


def level_targets(intensities: Tensor) -> Tensor:
    """Soft targets over absent, A to E: an intensity between two levels is shared by both.

    Args:
        intensities: (B, U) in [0, 5], NaN where unknown.

    Returns:
        (B, U, 6), NaN where unknown.
    """
    steps = torch.arange(len(LEVELS), dtype=intensities.dtype)
    return (1 - (intensities[..., None] - steps).abs()).clamp(min=0) + 0 * intensities[..., None]


class Learner(nn.Module):
    """FEALLM with its losses: numbers from branches, a teacher's softness, words.

    Args:
        model: FEALLM.
        tree: the candidate answers.
        prefix: (1, L) token ids of picture and question, behind which they are scored.
        heads: state of stage 1's `EncoderWithHeads`; its expression head is the teacher.
        class_weights: (7,) weight of each expression.
        unit_weights: (U,) weight of a present unit.
    """

    def __init__(
        self,
        model: FeallmForConditionalGeneration,
        *,
        tree: PrefixTree,
        prefix: Tensor,
        heads: dict[str, Tensor],
        class_weights: Tensor,
        unit_weights: Tensor,
    ):
        super().__init__()
        self.model, self.tree = model, tree
        self.register_buffer("prefix", prefix, persistent=False)
        self.register_buffer("teacher_weight", heads["expression.weight"], persistent=False)
        self.register_buffer("teacher_bias", heads["expression.bias"], persistent=False)
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("unit_weights", unit_weights, persistent=False)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Without the language-model head, which is the embedding and may not be saved twice."""
        state = super().state_dict(*args, **kwargs)
        return {k: v for k, v in state.items() if not k.endswith("lm_head.weight")}

    def forward(
        self,
        pixel_values: Tensor,
        labels: Tensor,
        units: Tensor,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        text_labels: Tensor | None = None,
    ) -> dict[str, Any]:
        """Losses and scores.

        Args:
            pixel_values: (B, 3, S, S).
            labels: (B, 7) target distribution.
            units: (B, U) intensities, NaN where unknown.
            input_ids, attention_mask, text_labels: (T, L) conversations about the first T faces.
        """
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        levels = self.model.model.vision_levels(pixel_values)
        features = self.model.encode_images(pixel_values, levels=levels)  # (B, N + 1, D_lm)
        prefix = self.prefix.expand(len(features), -1)  # (B, L)
        expression, *groups = score_branches(
            self.model, self.tree, input_ids=prefix, image_features=features
        )
        loss = -(labels * self.class_weights * F.log_softmax(expression, -1)).sum(-1).mean()

        pooled = levels[-1].float().mean((2, 3))  # (B, D_v)
        teacher = F.linear(pooled, self.teacher_weight, self.teacher_bias)  # (B, 7)
        loss = loss + F.kl_div(
            F.log_softmax(expression, -1),
            F.log_softmax(teacher, -1),
            reduction="batchmean",
            log_target=True,
        )

        scores = torch.stack(groups, 1)  # (B, U, 6)
        targets = level_targets(units)  # (B, U, 6)
        known = torch.isfinite(targets[..., 0])
        targets = targets.nan_to_num(0.0)
        weight = 1 + (self.unit_weights - 1) * (1 - targets[..., 0])
        unit_loss = -(targets * F.log_softmax(scores, -1)).sum(-1) * weight
        loss = loss + (unit_loss * known).sum() / known.sum().clamp(min=1)

        if input_ids is not None:
            text = self.model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                image_features=features[: len(input_ids)],
                labels=text_labels,
            )
            loss = loss + text.loss
        return {"loss": loss, "logits": (expression, scores)}


class Collator:
    """Rows to augmented pictures, targets and conversations about the first half of them."""

    def __init__(
        self,
        faces: Faces,
        units: NDArray[np.float32],
        processor: FeallmProcessor,
        *,
        seed: int,
        text_share: float = 0.5,
    ):
        self.faces, self.intensities, self.processor = faces, units, processor
        self.images = torch.from_numpy(faces.images)
        self.labels = F.one_hot(torch.from_numpy(faces.labels), len(CLASSES)).float()
        self.units = torch.from_numpy(units)
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = random.Random(seed)
        self.text_share = text_share

    def __call__(self, items: list[tuple[int, bool]]) -> dict[str, Tensor]:
        rows = torch.tensor([i for i, _ in items])
        images, labels, units = self.images[rows], self.labels[rows], self.units[rows]
        if not items[0][1]:
            return {"pixel_values": plain(images, SIZE), "labels": labels, "units": units}
        labels = 0.9 * labels + 0.1 / len(CLASSES)
        count = int(len(rows) * self.text_share)
        return {
            "pixel_values": augment(images, SIZE, self.generator),
            "labels": labels,
            "units": units,
            **self._texts(rows[:count].tolist()),
        }

    def _texts(self, rows: list[int]) -> dict[str, Tensor]:
        """Conversations as token ids, with labels on what the model is to write."""
        sequences = []
        for row in rows:
            talk, skip = turns(
                CLASSES[self.faces.labels[row]], present_units(self.intensities[row]), self.rng
            )
            sequences.append(self._sequence(talk, skip))
        length = max(len(ids) for ids, _ in sequences)
        pad = self.processor.tokenizer.pad_token_id
        return {
            "input_ids": torch.tensor([ids + [pad] * (length - len(ids)) for ids, _ in sequences]),
            "attention_mask": torch.tensor(
                [[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in sequences]
            ),
            "text_labels": torch.tensor(
                [labels + [-100] * (length - len(ids)) for ids, labels in sequences]
            ),
        }

    def _sequence(self, talk: list[tuple[str, str]], skip: int) -> tuple[list[int], list[int]]:
        """One conversation in the layout of the chat template, answers labelled."""
        tokenizer = self.processor.tokenizer

        def encode(text: str) -> list[int]:
            return tokenizer(text, add_special_tokens=False)["input_ids"]

        ids, labels = [], []
        picture = "<image>" * self.processor.num_image_tokens
        for number, (asked, answer) in enumerate(talk):
            start = tokenizer.bos_token + "<user>" + picture if number == 0 else "<user>"
            given = encode(start + asked + "<assistant>" + (answer[:skip] if number == 0 else ""))
            learned = encode(answer[skip:] if number == 0 else answer)
            learned.append(tokenizer.eos_token_id)
            ids += given + learned
            labels += [-100] * len(given) + learned
        return ids, labels


def question_prefix(processor: FeallmProcessor) -> Tensor:
    """(1, L) token ids of picture and question, as the engine asks."""
    ids = processor.tokenizer(question(processor), add_special_tokens=False)["input_ids"]
    return torch.tensor([ids])


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    labels, units = prediction.label_ids  # (N, 7), (N, U)
    expression, scores = prediction.predictions[:2]  # (N, 7), (N, U, 6)
    truth = [CLASSES[i] for i in labels.argmax(-1)]
    predicted = [CLASSES[i] for i in expression.argmax(-1)]
    matrix = confusion(truth, predicted, CLASSES)
    absent = np.exp(scores - scores.max(-1, keepdims=True))
    absent = absent[..., 0] / absent.sum(-1)
    known = np.isfinite(units[:, 0])
    present, called = units[known] >= 0.5, absent[known] < 0.5
    hits = (present & called).sum(0)
    f1 = 2 * hits / np.maximum(present.sum(0) + called.sum(0), 1)
    return {"war": war(matrix), "uar": uar(matrix), "pseudo_au_f1": float(f1.mean())}


def train_multimodal(
    faces: Faces,
    units: NDArray[np.float32],
    tokenizer: PreTrainedTokenizerFast,
    vision_run: Path,
    out: Path,
    *,
    epochs: int,
    seed: int,
    **overrides: Any,
) -> Path:
    """Trains stage 2 and saves model and processor in `out/model`.

    Args:
        faces: FER2013.
        units: (N, U) pseudo-intensities, NaN where unknown.
        tokenizer: from `words.make_tokenizer`.
        vision_run: folder of stage 1.
        out: folder of the run.
        epochs: passes over the "fit" part.
        seed: of weights, order, augmentation and text.
        **overrides: fields of `TrainingArguments`.
    """
    torch.manual_seed(seed)
    model = build_model(vision_run / "encoder", tokenizer)
    processor = build_processor(model, tokenizer)
    heads = load_file(vision_run / "heads.safetensors")
    candidates = Candidates(tuple(CLASSES), tuple(UNITS))
    present = np.nanmean(units[faces.where("fit")] >= 0.5, axis=0)
    learner = Learner(
        model,
        tree=PrefixTree.from_candidates(candidates.token_ids(tokenizer)),
        prefix=question_prefix(processor),
        heads=heads,
        class_weights=heads["class_weights"],
        unit_weights=torch.from_numpy(np.clip((0.2 / present) ** 0.5, 1, 2)).float(),
    )
    args = training_arguments(
        out,
        **{
            "num_train_epochs": epochs,
            "per_device_train_batch_size": 64,
            "per_device_eval_batch_size": 128,
            "learning_rate": 1e-3,
            "weight_decay": 0.05,
            "warmup_steps": 100,
            "seed": seed,
            "data_seed": seed,
            "eval_on_start": False,
            **overrides,
        },
    )
    fit(
        learner,
        args=args,
        train_dataset=Rows(faces.where("fit"), train=True),
        eval_dataset=Rows(faces.where("select"), train=False),
        collator=Collator(faces, units, processor, seed=seed),
        compute_metrics=_metrics,
        label_names=("labels", "units"),
    )
    model.save_pretrained(out / "model")
    processor.save_pretrained(out / "model")
    return out / "model"
