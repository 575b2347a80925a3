"""What is minimised: the words, the numbers of the branches, and a teacher's softness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.engines.history import question
from mien.engines.numbers import Candidates
from mien.language import prompt_for
from mien.models.branches import PrefixTree, score_branches
from mien.train.blocks import transformer_blocks
from mien.train.chat_tokens import IGNORED
from mien.train.collate import CLIP_MODELS, check_fit
from mien.train.counts import COUNTED, count_targets
from mien.train.heads import EncoderHeads
from mien.train.targets import PRESENT, level_targets

if TYPE_CHECKING:
    from mien.train.recipe import LossSpec

PRIORS = ("face_embedding", "landmarks", "pose", "blendshapes")


class Objective(nn.Module):
    """One of mien's models under the losses of a stage.

    Numbers are the likelihoods of candidate answers behind the question for an analysis, as the
    engine reads them. What the vision encoder makes of a face is computed once and serves both.

    Args:
        model: a FEALLM or EMO-LLaMA, or one wrapped by PEFT.
        processor: its processor.
        loss: weights of the parts.
        class_weights: (E,) weight of each expression; None for 1.
        unit_weights: (U,) weight of a present unit; None for 1.
        teacher: heads on the model's own encoder that are asked about each face as it is shown,
            instead of soft labels in the batch. They are not trained, and are no part of the state.

    Raises:
        mien.train.rows.RowsError: if processor and model do not belong together.
        ValueError: if numbers are asked for of a model that knows no expressions and units.
    """

    prefix: Tensor
    class_weights: Tensor
    unit_weights: Tensor
    accepts_loss_kwargs = True  # the Trainer then counts the targets of the whole step

    def __init__(
        self,
        model: Any,
        processor: Any,
        loss: LossSpec,
        *,
        class_weights: Tensor | None = None,
        unit_weights: Tensor | None = None,
        teacher: EncoderHeads | None = None,
    ) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self._no_split_modules = transformer_blocks(model)  # Accelerate shares these out
        config = self.base.config
        check_fit(processor, config)
        self.clips = config.model_type in CLIP_MODELS
        self.image_token_id = processor.image_token_id
        candidates = Candidates(tuple(config.expressions), tuple(config.action_units))
        self.has_numbers = bool(candidates.expressions and candidates.action_units)
        if not self.has_numbers and (loss.numbers or loss.teacher):
            raise ValueError(
                "this model's config names no `expressions` or no `action_units`, so numbers "
                "cannot be learned; set them with `mien init`, or set numbers and teacher to 0"
            )
        self.tree = None
        if self.has_numbers:
            self.tree = PrefixTree.from_candidates(candidates.token_ids(processor.tokenizer))
        asked = processor.tokenizer(question(processor), add_special_tokens=False)["input_ids"]
        self._keep("prefix", torch.tensor([asked]))
        self._keep("class_weights", _or_ones(class_weights, len(config.expressions)))
        self._keep("unit_weights", _or_ones(unit_weights, len(config.action_units)))
        if self.clips:
            for name, ids in processor.instruction_inputs([prompt_for("analysis")]).items():
                self._keep(name, ids)
        if teacher is not None:
            teacher.requires_grad_(False).eval()
        self._teacher = (teacher,)  # within a tuple it is no submodule: not saved, not shared out

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @property
    def teacher(self) -> EncoderHeads | None:
        """Who is asked about each face; None where soft labels come in the batch."""
        return self._teacher[0]

    @property
    def base(self) -> Any:
        """The model without PEFT's wrapping."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def state_dict(  # type: ignore[override]
        self, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Without a tied language-model head: safetensors refuses shared memory."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        if self.base.config.tie_word_embeddings:
            return {k: v for k, v in state.items() if not k.endswith("lm_head.weight")}
        return state

    def forward(
        self,
        pixel_values: Tensor | None = None,
        *,
        expression_targets: Tensor,
        unit_targets: Tensor,
        soft_expression: Tensor | None = None,
        soft_presence: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        vision_levels: Sequence[Tensor] | None = None,
        crops: Tensor | None = None,
        vision_tokens: Tensor | None = None,
        num_items_in_batch: Tensor | None = None,
        **clips: Tensor,
    ) -> dict[str, Any]:
        """Losses and scores.

        Args:
            pixel_values: (B, 3, S, S), or of clips (B, F, 3, S, S).
            expression_targets: (B, E) target distribution, zeros where unknown.
            unit_targets: (B, U) intensities in [0, 5], NaN unknown, infinite where a unit is
                present without a grade.
            soft_expression: (B, E) a teacher's probabilities, NaN where it says nothing.
            soft_presence: (B, U) likewise.
            input_ids, attention_mask, labels: (T, L) conversations about the first T faces.
            vision_levels, crops, vision_tokens: what the frozen encoder made of the faces, as the
                cache gives it, instead of ``pixel_values``.
            num_items_in_batch: (5,) counts of the whole optimiser step, as `mien.train.counts`
                makes them; None for this batch's own.
            **clips: ``frame_mask``, priors, and ``qformer_`` inputs of the first T clips.

        Returns:
            "loss"; "logits", expression (B, E) and units (B, U, 6), where numbers are computed;
            "parts", each loss by itself and the share of padding among the tokens of the text.
        """
        wanted = bool(self.loss.numbers or self.loss.teacher)
        numbers = wanted or (self.has_numbers and not self.training)
        count = 0 if input_ids is None or not self.loss.text else len(input_ids)
        most = count if not numbers else len(unit_targets)  # about the others nothing is asked
        if not most:  # neither numbers nor a text that is short enough
            moves_nothing: Any = sum(p.sum() * 0.0 for p in self.parameters() if p.requires_grad)
            return {"loss": moves_nothing, "parts": {}}
        seen = self._see(
            None if pixel_values is None else pixel_values[:most],
            None if vision_levels is None else [level[:most] for level in vision_levels],
            None if crops is None else crops[:most],
            None if vision_tokens is None else vision_tokens[:most],
            {k: v if k.startswith("qformer_") else v[:most] for k, v in clips.items()},
        )
        parts: dict[str, Tensor] = {}
        counts = num_items_in_batch
        if counts is None:
            counts = count_targets(
                {
                    "labels": labels,
                    "expression_targets": expression_targets,
                    "unit_targets": unit_targets,
                    "soft_expression": soft_expression,
                    "soft_presence": soft_presence,
                }
            )
        n = dict(zip(COUNTED, counts.clamp(min=1), strict=True))
        out: dict[str, Any] = {}
        loss: Any = 0
        if numbers:
            expression, units = self._scores(seen)
            out["logits"] = (expression, units)
            parts |= self._numbers(expression, units, expression_targets, unit_targets, n)
            loss = self.loss.numbers * (parts["expression"] + parts["units"])
            if self.loss.teacher:
                soft = self._taught(seen, soft_expression, soft_presence)
                if self.teacher is not None:  # they speak of every face
                    n |= {"soft_faces": n["faces"], "soft_units": n["faces"] * units.shape[1]}
                parts["teacher"] = _softness(expression, units, *soft, n)
                loss = loss + self.loss.teacher * parts["teacher"]
        if count:
            assert input_ids is not None
            assert attention_mask is not None
            assert labels is not None
            parts["text"] = self._text(seen, input_ids, attention_mask, labels, n["text"])
            loss = loss + self.loss.text * parts["text"]
            parts["padding"] = 1 - attention_mask.float().mean()
        out["loss"] = loss
        out["parts"] = {name: value.detach() for name, value in parts.items()}
        return out

    def _see(
        self,
        pixel_values: Tensor | None,
        levels: Sequence[Tensor] | None,
        crops: Tensor | None,
        tokens: Tensor | None,
        clips: dict[str, Tensor],
    ) -> dict[str, Any]:
        """What both losses look at: for pictures their features, for clips the encoder's tokens."""
        inner = self.base.model
        if not self.clips:
            if pixel_values is not None:
                pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
            if levels is None:
                levels = inner.vision_levels(pixel_values)
            features = inner.encode_images(pixel_values, levels=levels, crops=crops)
            return {"features": features, "levels": levels}
        mask = clips["frame_mask"]
        if tokens is None:
            assert pixel_values is not None
            real = inner.vision_tokens(pixel_values[mask.bool()])  # (R, V, C)
            tokens = real.new_zeros(*mask.shape, *real.shape[1:]).index_put((mask.bool(),), real)
        known = {name: clips[name] for name in PRIORS if name in clips}
        asked = {name: ids for name, ids in clips.items() if name.startswith("qformer_")}
        return {"tokens": tokens, "mask": mask, "known": known, "asked": asked}

    def _scores(self, seen: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Log-likelihoods of expressions (B, E) and of absent, A to E (B, U, 6)."""
        if not self.clips:
            features = seen["features"]
            inputs: dict[str, Any] = {"input_ids": self.prefix.expand(len(features), -1)}
        else:
            mask = seen["mask"]
            asked = {
                name: getattr(self, name).expand(len(mask), -1)
                for name in ("qformer_input_ids", "qformer_attention_mask")
                if hasattr(self, name)
            }
            features = self._clip_features(seen, len(mask), asked)
            inputs = {**self._prefixes(mask), "frame_mask": mask}
        assert self.tree is not None
        expression, *units = score_branches(self.base, self.tree, image_features=features, **inputs)
        return expression, torch.stack(units, 1)

    def _clip_features(self, seen: dict[str, Any], count: int, asked: dict[str, Tensor]) -> Tensor:
        """(count, F, T, D_lm) of the first clips before an instruction."""
        made: Tensor = self.base.model.encode_images(
            vision_tokens=seen["tokens"][:count],
            frame_mask=seen["mask"][:count],
            **{name: values[:count] for name, values in seen["known"].items()},
            **asked,
        )
        return made

    def _prefixes(self, mask: Tensor) -> dict[str, Tensor]:
        """The question behind each clip's placeholders, left-padded: ids and mask (B, L)."""
        ids = self.prefix[0]
        marks = (ids == self.image_token_id).nonzero().flatten()
        start, per_frame = int(marks[0]), len(marks)
        frames = mask.long().sum(1)
        most = int(frames.max())
        place = torch.full_like(ids[:1], self.image_token_id).expand(per_frame * (most - 1))
        longest = torch.cat((ids[:start], place, ids[start:]))  # (L,)
        rows, real = [], []
        for count in frames.tolist():
            missing = per_frame * (most - count)
            cut = torch.cat((longest[:start], longest[start + missing :]))
            rows.append(F.pad(cut, (missing, 0)))
            real.append(F.pad(torch.ones_like(cut), (missing, 0)))
        return {"input_ids": torch.stack(rows), "attention_mask": torch.stack(real)}

    def _numbers(
        self,
        expression: Tensor,
        units: Tensor,
        classes: Tensor,
        intensities: Tensor,
        n: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """Cross entropy of expression and units."""
        smooth = self.loss.label_smoothing if self.training else 0.0
        spread = classes.sum(-1, keepdim=True) / classes.shape[-1]
        classes = (1 - smooth) * classes + smooth * spread
        of_classes = -(classes * self.class_weights * F.log_softmax(expression, -1)).sum()

        ungraded = intensities == PRESENT
        targets = level_targets(intensities.masked_fill(ungraded, torch.nan))  # (B, U, 6)
        known = torch.isfinite(targets[..., 0])
        targets = targets.nan_to_num(0.0)
        logs = F.log_softmax(units, -1)
        weight = 1 + (self.unit_weights - 1) * (1 - targets[..., 0])
        of_units = -(targets * logs).sum(-1) * weight * known  # (B, U)
        if ungraded.any():
            present = -logs[..., 1:].logsumexp(-1) * self.unit_weights
            of_units = of_units + present * ungraded
        return {"expression": of_classes / n["faces"], "units": of_units.sum() / n["units"]}

    def _taught(
        self, seen: dict[str, Any], expression: Tensor | None, presence: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The teacher's log-probabilities of expressions, and its presences."""
        if self.teacher is not None:
            middle, last = seen["levels"][-2:]
            with torch.no_grad():
                logits, shown, *_ = self.teacher.to(last.device).answers(middle, last)
            return F.log_softmax(logits, -1), shown.sigmoid()
        if expression is None or presence is None:
            raise ValueError("the loss `teacher` has no teacher, and no soft labels in the batch")
        return expression.clamp(min=1e-8).log(), presence

    def _text(
        self,
        seen: dict[str, Any],
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        items: Tensor,
    ) -> Tensor:
        """Cross entropy of the answers."""
        count = len(input_ids)
        given: dict[str, Any] = {}
        if self.clips:
            features = self._clip_features(seen, count, seen["asked"])
            given["frame_mask"] = seen["mask"][:count]
        else:
            features = seen["features"][:count]
        # Logits before the first learned token, those of the picture above all, are not needed.
        first = int((labels != IGNORED).any(0).int().argmax())
        kept = labels.shape[1] - max(first - 1, 0)
        base = self.base
        logits = base(
            input_ids=input_ids,
            attention_mask=attention_mask,
            image_features=features,
            logits_to_keep=kept,
            use_cache=False,
            **given,
        ).logits
        loss: Tensor = base.loss_function(
            logits=logits,
            labels=labels[:, -kept:],
            vocab_size=base.config.text_config.vocab_size,
            num_items_in_batch=items,
        )
        return loss


def _softness(
    expression: Tensor, units: Tensor, taught: Tensor, shown: Tensor, n: dict[str, Tensor]
) -> Tensor:
    """Divergence from a teacher; presence to it is B and more, with a trace in the middle.

    Args:
        expression: (B, E) log-likelihoods.
        units: (B, U, 6) log-likelihoods.
        taught: (B, E) the teacher's log-probabilities, NaN where it says nothing.
        shown: (B, U) the teacher's presences, NaN where it says nothing.
        n: faces and units to divide by.
    """
    known = taught.isfinite().all(-1)  # (B,)
    taught = taught.masked_fill(~known[:, None], 0.0)
    logs = F.log_softmax(expression, -1)
    apart = F.kl_div(logs, taught, reduction="none", log_target=True).sum(-1)  # (B,)
    loss = (apart * known).sum() / n["soft_faces"]
    p = units.float().softmax(-1)
    present = (1 - p[..., 0] - 0.5 * p[..., 1]).clamp(1e-5, 1 - 1e-5)
    told = shown.isfinite()
    soft = shown.nan_to_num(0.0)
    entropy = -(soft * present.log() + (1 - soft) * (1 - present).log())
    return loss + (entropy * told).sum() / n["soft_units"]


def _or_ones(weights: Tensor | None, count: int) -> Tensor:
    return torch.ones(count) if weights is None else weights.float()
