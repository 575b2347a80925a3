"""EMO-LLaMA around nano's encoder and decoder, and its losses on cached features."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor

from mien.models import EmoLlamaConfig, EmoLlamaForConditionalGeneration, EmoLlamaProcessor
from mien.models.branches import PrefixTree, score_branches
from mien.train.targets import level_targets
from mien.weights import verify

from .low_rank import add_low_rank
from .scripts import FRAMES

LAYERS = r"model\.language_model\.layers\.\d+\..*(q|k|v|o|gate|up|down)_proj"
RANK = 32
WIDTH = 128
"""Of Q-Former and Face Info Mining."""
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "no global": {"use_global": False},
    "no local": {"use_local": False},
    "no priors": {"use_global": False, "use_local": False},
    "context only": {"use_content": False},
    "content only": {"use_context": False},
}
"""Fields of the config that an ablation changes; "attributes" is one of the processor."""


def build_model(
    blendshapes: list[str], **changes: Any
) -> tuple[EmoLlamaForConditionalGeneration, EmoLlamaProcessor]:
    """The model with nano's encoder and decoder frozen, and low-rank differences in the decoder.

    Args:
        blendshapes: names, in the order of the cache.
        **changes: fields of `EmoLlamaConfig`.
    """
    place = verify("nano")
    nano: Any = AutoModelForImageTextToText.from_pretrained(place, dtype=torch.float32)
    parts: Any = AutoProcessor.from_pretrained(place)
    old = nano.config
    shape = old.levels[-1]
    tokenizer = parts.tokenizer
    qformer = {
        "model_type": "instructblip_qformer",
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 2 * WIDTH,
        "max_position_embeddings": 128,
        "pad_token_id": tokenizer.pad_token_id,
        "cross_attention_frequency": 1,
        "encoder_hidden_size": shape.channels,
    }
    settings: dict[str, Any] = {
        "qformer_config": qformer,
        "num_query_tokens": 4,
        "vision_layer": old.tap_levels[-1],
        "level_shape": list(shape),
        "content_pool": "grid:2",
        "face_embedding_size": shape.channels,
        "blendshapes": blendshapes,
        "hidden_size": WIDTH,
        "num_clue_tokens": 2,
        "clue_layers": 1,
        "clue_heads": 4,
        "clip_frames": FRAMES,
        "prior_dropout": 0.15,
        "prior_frame_dropout": 0.05,
    }
    same = (
        *("image_token_id", "image_size", "action_units", "expressions", "native_size"),
        *("face_scale", "face_shift", "face_align", "mirror_average"),
    )
    config = EmoLlamaConfig(
        vision_config=old.vision_config,
        text_config=old.text_config,
        **{name: getattr(old, name) for name in same},
        **{**settings, **changes},
    )
    model = EmoLlamaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(nano.model.vision_tower.state_dict())
    model.model.language_model.load_state_dict(nano.model.language_model.state_dict())
    model.tie_weights()
    model.generation_config = nano.generation_config
    model.model.language_model.requires_grad_(False)
    add_low_rank(model, LAYERS, rank=RANK)
    for name, parameter in model.model.language_model.named_parameters():
        if "norm" in name or "low_rank" in name:
            parameter.requires_grad_(True)
    processor = EmoLlamaProcessor.for_model(config, parts.image_processor, tokenizer)
    return model, processor


class Learner(nn.Module):
    """EMO-LLaMA with its losses: numbers from branches, mien/nano's softness on stills, words.

    Args:
        model: EMO-LLaMA.
        tree: the candidate answers.
        class_weights: (7,) weight of each expression.
        unit_weights: (U,) weight of a present unit.
    """

    def __init__(
        self,
        model: EmoLlamaForConditionalGeneration,
        *,
        tree: PrefixTree,
        class_weights: Tensor,
        unit_weights: Tensor,
    ):
        super().__init__()
        self.model, self.tree = model, tree
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("unit_weights", unit_weights, persistent=False)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Without the language-model head, which is the embedding and may not be saved twice."""
        state = super().state_dict(*args, **kwargs)
        return {k: v for k, v in state.items() if not k.endswith("lm_head.weight")}

    def forward(
        self,
        clips: dict[str, Tensor],
        prefix: dict[str, Tensor],
        labels: Tensor,
        units: Tensor,
        soft_expression: Tensor | None = None,
        soft_levels: Tensor | None = None,
        text: dict[str, Tensor] | None = None,
        text_question: dict[str, Tensor] | None = None,
    ) -> dict[str, Any]:
        """Losses and scores.

        Args:
            clips: what `EmoLlamaModel.encode_images` takes, the Q-Former's instruction included.
            prefix: `input_ids` and `attention_mask` (B, L) of clip and question.
            labels: (B, 7) target distribution, zeros where unlabelled.
            units: (B, U) intensities, NaN where unknown.
            soft_expression: (B, 7) the teacher's log-likelihoods, NaN where it was not asked.
            soft_levels: (B, U, 6) likewise.
            text: `input_ids`, `attention_mask` and `labels` (T, L) about the first T clips.
            text_question: the Q-Former's instructions of these conversations.
        """
        mask = clips["frame_mask"]
        features = self.model.encode_images(**clips)  # (B, F, T, D_lm)
        expression, *groups = score_branches(
            self.model, self.tree, image_features=features, frame_mask=mask, **prefix
        )
        loss = -(labels * self.class_weights * F.log_softmax(expression, -1)).sum(-1).mean()
        scores = torch.stack(groups, 1)  # (B, U, 6)
        log_p = F.log_softmax(scores, -1)
        targets = level_targets(units)  # (B, U, 6)
        known = torch.isfinite(targets[..., 0])
        targets = targets.nan_to_num(0.0)
        weight = 1 + (self.unit_weights - 1) * (1 - targets[..., 0])
        unit_loss = -(targets * log_p).sum(-1) * weight
        loss = loss + (unit_loss * known).sum() / known.sum().clamp(min=1)
        if soft_expression is not None and soft_levels is not None:
            asked = torch.isfinite(soft_expression[:, 0])
            taught = F.log_softmax(soft_expression[asked], -1)
            own = F.log_softmax(expression[asked], -1)
            divergence = F.kl_div(own, taught, reduction="sum", log_target=True)
            loss = loss + divergence / len(labels)
            taught = F.log_softmax(soft_levels[asked], -1)
            divergence = F.kl_div(log_p[asked], taught, reduction="sum", log_target=True)
            loss = loss + divergence / taught[..., 0].numel()
        if text is not None and text_question is not None:
            count = len(text["input_ids"])
            first = {name: values[:count] for name, values in clips.items()} | text_question
            spoken = self.model(
                **text,
                image_features=self.model.encode_images(**first),
                frame_mask=mask[:count],
            )
            loss = loss + spoken.loss
        return {"loss": loss, "logits": (expression, scores)}
