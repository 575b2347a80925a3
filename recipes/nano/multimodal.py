"""Stage 4: FEALLM on the frozen encoder learns numbers (branches) and words (instruction text)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    EvalPrediction,
    LlamaConfig,
    PreTrainedTokenizerFast,
    ResNetModel,
)

from mien.engines.local import question
from mien.engines.numbers import LEVELS, Candidates
from mien.metrics import confusion, count_units, uar, unit_auc, unit_macro_f1, war
from mien.models import (
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)
from mien.models.branches import PrefixTree, score_branches
from mien.train import fit, training_arguments

from .augment import MEAN, STD, augment, plain
from .faces import CLASSES
from .joint import MILD, UnitEncoder, load_joint
from .pool import Pool
from .rendered import UNITS, presence
from .rows import Rows
from .vision import SIZE, class_weights
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
        teacher: stage 3's network; its heads are the teacher, its encoder is the model's own.
        class_weights: (7,) weight of each expression.
        unit_weights: (U,) weight of a present unit.
    """

    def __init__(
        self,
        model: FeallmForConditionalGeneration,
        *,
        tree: PrefixTree,
        prefix: Tensor,
        teacher: UnitEncoder,
        class_weights: Tensor,
        unit_weights: Tensor,
    ):
        super().__init__()
        self.model, self.tree = model, tree
        self.register_buffer("prefix", prefix, persistent=False)
        self.teacher = teacher.requires_grad_(False)
        del self.teacher.encoder
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("unit_weights", unit_weights, persistent=False)

    def train(self, mode: bool = True) -> Learner:
        """The teacher never trains."""
        super().train(mode)
        self.teacher.eval()
        return self

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
        real: Tensor | None = None,
    ) -> dict[str, Any]:
        """Losses and scores.

        Args:
            pixel_values: (B, 3, S, S).
            labels: (B, 7) target distribution, zeros where unlabelled.
            units: (B, U) intensities, NaN where unknown.
            input_ids, attention_mask, text_labels: (T, L) conversations about the first T faces.
            real: (B,) whether the face is a photograph; for the evaluation only.
        """
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        levels = self.model.model.vision_levels(pixel_values)
        features = self.model.encode_images(pixel_values, levels=levels)  # (B, N + 1, D_lm)
        prefix = self.prefix.expand(len(features), -1)  # (B, L)
        expression, *groups = score_branches(
            self.model, self.tree, input_ids=prefix, image_features=features
        )
        loss = -(labels * self.class_weights * F.log_softmax(expression, -1)).sum(-1).mean()

        taught, presence_logits, *_ = self.teacher.answers(levels[-2], levels[-1])
        loss = loss + F.kl_div(
            F.log_softmax(expression, -1),
            F.log_softmax(taught, -1),
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
        # The teacher's presence is B and more, with a trace in the middle.
        p = scores.float().softmax(-1)
        shown = (1 - p[..., 0] - 0.5 * p[..., 1]).clamp(1e-5, 1 - 1e-5)
        soft = presence_logits.sigmoid()
        loss = loss - (soft * shown.log() + (1 - soft) * (1 - shown).log()).mean()

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
    """Rows to augmented pictures, targets and conversations about the first few of them."""

    def __init__(
        self,
        pool: Pool,
        processor: FeallmProcessor,
        *,
        seed: int,
        text_share: float = 0.25,
    ):
        self.pool, self.processor = pool, processor
        self.images = torch.from_numpy(pool.images)
        labels = torch.from_numpy(pool.labels)
        known = (labels >= 0)[:, None]
        self.labels = F.one_hot(labels.clamp(min=0), len(CLASSES)).float() * known
        self.units = torch.from_numpy(pool.units)
        self.real = torch.from_numpy(pool.real)
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = random.Random(seed)
        self.text_share = text_share

    def __call__(self, items: list[tuple[int, bool]]) -> dict[str, Tensor]:
        rows = torch.tensor([i for i, _ in items])
        images, labels, units = self.images[rows], self.labels[rows], self.units[rows]
        if not items[0][1]:
            x = plain(images, SIZE)
            real = self.real[rows]
            return {"pixel_values": x, "labels": labels, "units": units, "real": real}
        labels = 0.9 * labels + 0.1 * labels.sum(-1, keepdim=True) / len(CLASSES)
        count = int(len(rows) * self.text_share)
        return {
            "pixel_values": augment(
                images, SIZE, self.generator, torch.where(self.real[rows], 1.0, MILD)
            ),
            "labels": labels,
            "units": units,
            **self._texts(rows[:count].tolist()),
        }

    def _texts(self, rows: list[int]) -> dict[str, Tensor]:
        """Conversations as token ids, with labels on what the model is to write."""
        sequences = []
        for row in rows:
            label = int(self.pool.labels[row])
            expression = CLASSES[label] if label >= 0 else None
            talk, skip = turns(expression, present_units(self.pool.units[row]), self.rng)
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
    labels, units, real = prediction.label_ids  # (N, 7), (N, U), (N,)
    expression, scores = prediction.predictions[:2]  # (N, 7), (N, U, 6)
    result = {}
    for name, rows in (("", real), ("rendered_", ~real & (labels.sum(-1) > 0))):
        truth = [CLASSES[i] for i in labels[rows].argmax(-1)]
        matrix = confusion(truth, [CLASSES[i] for i in expression[rows].argmax(-1)], CLASSES)
        result |= {f"{name}war": war(matrix), f"{name}uar": uar(matrix)}
    exact = np.exp(scores - scores.max(-1, keepdims=True))[~real]
    present = 1 - exact[..., 0] / exact.sum(-1)
    truth = presence(units[~real])
    called = (present >= 0.5).astype(float)
    result["au_f1"] = unit_macro_f1(count_units(truth, called, UNITS))
    result["au_auc"] = float(np.mean(list(unit_auc(truth, present, UNITS).values())))
    return result


def train_multimodal(
    pool: Pool,
    tokenizer: PreTrainedTokenizerFast,
    vision_run: Path,
    out: Path,
    *,
    epochs: int,
    seed: int,
    **overrides: Any,
) -> Path:
    """Trains stage 4 and saves model and processor in `out/model`.

    Args:
        pool: real and rendered faces.
        tokenizer: from `words.make_tokenizer`.
        vision_run: folder of stage 3.
        out: folder of the run.
        epochs: passes over the "fit" part.
        seed: of weights, order, augmentation and text.
        **overrides: fields of `TrainingArguments`.
    """
    torch.manual_seed(seed)
    model = build_model(vision_run / "encoder", tokenizer)
    processor = build_processor(model, tokenizer)
    teacher = load_joint(vision_run)
    candidates = Candidates(tuple(CLASSES), tuple(UNITS))
    rows = pool.where("fit")
    rendered = presence(pool.units[rows[~pool.real[rows]]])
    learner = Learner(
        model,
        tree=PrefixTree.from_candidates(candidates.token_ids(tokenizer)),
        prefix=question_prefix(processor),
        teacher=teacher,
        class_weights=class_weights(pool.labels[rows[pool.real[rows]]]),
        unit_weights=torch.from_numpy(
            np.clip((0.3 / np.nanmean(rendered, axis=0)) ** 0.5, 1, 3)
        ).float(),
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
        train_dataset=Rows(rows, train=True),
        eval_dataset=Rows(pool.where("select"), train=False),
        collator=Collator(pool, processor, seed=seed),
        compute_metrics=_metrics,
        label_names=("labels", "units", "real"),
    )
    model.save_pretrained(out / "model")
    processor.save_pretrained(out / "model")
    return out / "model"
