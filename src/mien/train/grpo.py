"""Reinforcement from checkable rewards: group-relative policy optimisation (GRPO) after SFT.

`mien.train.grpo_loss` has the arithmetic, `mien.train.rollout` the sampling, `mien.train.rewards`
the rewards. `GrpoObjective` is a module whose forward gives a loss, so that Hugging Face's Trainer
does all the rest.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from mien.train.grpo_loss import clipped_loss, group_advantages, kl_estimate, masked_mean
from mien.train.grpo_spec import GrpoSpec
from mien.train.rewards import Reward, RewardTask, Truth, reward
from mien.train.rollout import Rollout, answer_log_probs, base_of, sample_answers


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt about a face, and what is known of the face.

    Attributes:
        index: number of the item in its dataset.
        prompt: as `mien.engines.local.question` writes it, picture and all.
        task: what is asked for.
        truth: labels of the face.
    """

    index: int
    prompt: str
    task: RewardTask
    truth: Truth


class GrpoObjective(nn.Module):
    """A model with the loss of GRPO.

    Every forward draws answers, rewards them and compares each with its group. Dropout is off, so
    that the ratio between the model before and after a step is that of its weights alone.

    Args:
        model: one of mien's with a language-model head, or one wrapped by PEFT.
        processor: of the model.
        spec: the settings.
        reference: the model that the KL divergence is measured from, never trained. By default the
            model at this moment: with its adapters off where it has adapters (they must be new
            in this stage), else a frozen copy. Not used where `spec.kl` is 0.
        seed: of all draws.
    """

    drawn: Tensor

    def __init__(
        self,
        model: Any,
        processor: Any,
        spec: GrpoSpec,
        *,
        reference: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model, self.processor, self.spec, self.seed = model, processor, spec, seed
        without_dropout(model)
        if reference is None and spec.kl > 0 and not hasattr(model, "disable_adapter"):
            reference = copy.deepcopy(model)
        # in a tuple, for it is no part of what is trained and saved
        self._reference = () if reference is None else (reference.eval().requires_grad_(False),)
        # saved with the weights: a run that goes on draws what it would have drawn
        self.register_buffer("drawn", torch.zeros((), dtype=torch.long))
        self._kept: dict[tuple[int, ...], _Kept] = {}

    def state_dict(  # type: ignore[override]
        self, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Without a head that is the embedding, which may not be saved twice."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        if base_of(self.model).config.tie_word_embeddings:
            state = {k: v for k, v in state.items() if not k.endswith("lm_head.weight")}
        return state

    def forward(
        self, *, asked: Sequence[Asked], pixel_values: Tensor, **pictures: Any
    ) -> dict[str, Any]:
        """Loss of one update.

        Args:
            asked: P prompts.
            pixel_values: a picture for each, as the processor makes them.
            **pictures: what else `processor.picture_inputs` gives.

        Returns:
            "loss" with gradients, and "figures": floats to log.
        """
        key = tuple(item.index for item in asked)
        kept = self._kept.pop(key, None) or self._draw(asked, pixel_values, pictures)
        spec, rollout = self.spec, kept.rollout
        features = base_of(self.model).encode_images(pixel_values, **pictures)  # (P, ..., D)
        log_probs = answer_log_probs(
            self.model, rollout, features, temperature=spec.temperature
        )  # (P * G, T)
        old = log_probs.detach() if kept.old is None else kept.old
        mask = rollout.answer_mask
        loss = clipped_loss(log_probs, old, kept.advantages.flatten(), mask, clip=spec.clip)
        figures = dict(kept.figures)
        with torch.no_grad():
            outside = ((log_probs - old).exp() - 1).abs() > spec.clip
            figures["clipped"] = float(masked_mean(outside.float(), mask))
        if kept.reference is not None:
            kl = masked_mean(kl_estimate(log_probs, kept.reference), mask)
            loss = loss + spec.kl * kl
            figures["kl"] = float(kl.detach())
        if kept.used + 1 < spec.updates:
            self._kept[key] = _Kept(
                rollout, kept.advantages, kept.figures, kept.reference, old, kept.used + 1
            )
        return {"loss": loss, "figures": figures}

    @torch.no_grad()
    def _draw(
        self, asked: Sequence[Asked], pixel_values: Tensor, pictures: Mapping[str, Tensor]
    ) -> _Kept:
        spec, training = self.spec, self.model.training
        self.model.eval()
        try:
            rollout = sample_answers(
                self.model,
                self.processor.tokenizer,
                base_of(self.model).encode_images(pixel_values, **pictures),
                [item.prompt for item in asked],
                group=spec.group,
                temperature=spec.temperature,
                max_new_tokens=spec.max_new_tokens,
                seed=_seed(self.seed, int(self.drawn), *(item.index for item in asked)),
            )
        finally:
            self.model.train(training)
        self.drawn.add_(1)
        rewards = self.rewards(asked, rollout)
        totals = torch.tensor(
            [torch.nan if r.total is None else r.total for r in rewards],
            device=pixel_values.device,
        ).view(len(asked), spec.group)
        reference = None
        if spec.kl > 0:
            with self._as_reference() as model:
                features = base_of(model).encode_images(pixel_values, **pictures)
                reference = answer_log_probs(model, rollout, features, temperature=spec.temperature)
        advantages = group_advantages(totals, scale=spec.scale)
        return _Kept(rollout, advantages, _figures(totals, rewards, rollout), reference)

    def rewards(self, asked: Sequence[Asked], rollout: Rollout) -> list[Reward]:
        """Reward of every answer, in order."""
        group = self.spec.group
        return [
            reward(
                text,
                asked[i // group].task,
                asked[i // group].truth,
                self.spec.rewards,
                finished=finished,
                max_words=self.spec.max_words,
            )
            for i, (text, finished) in enumerate(zip(rollout.texts, rollout.finished, strict=True))
        ]

    @contextmanager
    def _as_reference(self) -> Iterator[Any]:
        if self._reference:
            reference = self._reference[0]
            yield reference.to(next(self.model.parameters()).device)
        else:
            with self.model.disable_adapter():
                yield self.model


@dataclass(frozen=True, slots=True)
class _Kept:
    """Answers with what stays the same over several updates."""

    rollout: Rollout
    advantages: Tensor  # (P, G)
    figures: Mapping[str, float]
    reference: Tensor | None = None  # (P * G, T)
    old: Tensor | None = None  # (P * G, T)
    used: int = 0


def without_dropout(model: nn.Module) -> None:
    """Sets every dropout of a model to 0."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            cast(Any, module).attention_dropout = 0.0


def _figures(totals: Tensor, rewards: Sequence[Reward], rollout: Rollout) -> dict[str, float]:
    """Means to log; a part that no answer has is left out."""
    figures = {
        "reward": float(totals.nanmean()),
        "equal_groups": float((totals.amax(1) - totals.amin(1) < 1e-6).float().mean()),
        "answer_tokens": float(rollout.answer_mask.sum(1).float().mean()),
        "unfinished": 1 - sum(rollout.finished) / len(rollout.finished),
    }
    for name in sorted({name for r in rewards for name in r.parts}):
        values = [r.parts[name] for r in rewards if name in r.parts]
        figures[f"reward_{name}"] = sum(values) / len(values)
    return figures


def _seed(*numbers: int) -> int:
    """A seed in [0, 2^63) from several numbers, the same in every process."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
