"""Groups of sampled answers, and how likely a model finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mien.train.grpo_loss import token_log_probs


@dataclass(frozen=True, slots=True)
class Rollout:
    """G sampled answers to each of P prompts, the answers to one prompt next to each other.

    Attributes:
        prompt_ids, prompt_mask: (P * G, L), left-padded.
        answer_ids: (P * G, T), right-padded.
        answer_mask: (P * G, T), 1 up to and with the end of the answer.
        texts: the answers as text.
        finished: whether each answer ended by itself.
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    answer_ids: Tensor
    answer_mask: Tensor
    texts: tuple[str, ...]
    finished: tuple[bool, ...]


def base_of(model: Any) -> Any:
    """The model itself, or what PEFT has wrapped."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@torch.no_grad()
def sample_answers(
    model: Any,
    tokenizer: Any,
    features: Tensor,
    prompts: Sequence[str],
    *,
    group: int,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> Rollout:
    """Draws answers from the whole distribution of the model.

    Args:
        model: in eval mode, one of mien's, perhaps wrapped by PEFT.
        tokenizer: of the model.
        features: (P, ..., D) image features, a row a prompt.
        prompts: P texts made by `mien.engines.local.question`.
        group: answers per prompt.
        temperature: of the softmax.
        max_new_tokens: tokens after which an answer is cut off.
        seed: of the draws; the global random state is left as it was.
    """
    inputs = tokenizer(
        list(prompts),
        add_special_tokens=False,  # the chat template has them
        return_token_type_ids=False,
        return_tensors="pt",
        padding=True,
        padding_side="left",
    ).to(features.device)
    ids = inputs["input_ids"].repeat_interleave(group, 0)  # (P * G, L)
    mask = inputs["attention_mask"].repeat_interleave(group, 0)  # (P * G, L)
    devices = [features.device] if features.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            image_features=features.repeat_interleave(group, 0),
            do_sample=True,
            temperature=temperature,
            top_k=0,  # from the whole distribution, whose likelihoods are learned from
            top_p=1.0,
            max_new_tokens=max_new_tokens,
            # an image token in an answer would have no picture behind it
            suppress_tokens=[base_of(model).config.image_token_id],
            pad_token_id=tokenizer.pad_token_id,
            use_cache=True,
        )
    answer = out[:, ids.shape[1] :]  # (P * G, T)
    ends = torch.isin(answer, _ends(model, tokenizer, answer.device))
    before = ends.long().cumsum(1) - ends.long()  # ends to the left of each token
    answer_mask = (before == 0).long()
    return Rollout(
        ids,
        mask,
        answer.masked_fill(answer_mask == 0, tokenizer.pad_token_id),
        answer_mask,
        tuple(
            tokenizer.decode(row[kept.bool()], skip_special_tokens=True).strip()
            for row, kept in zip(answer, answer_mask, strict=True)
        ),
        tuple(ends.any(1).tolist()),
    )


def answer_log_probs(
    model: Any, rollout: Rollout, features: Tensor, *, temperature: float
) -> Tensor:
    """Log-probability of every token of the answers, in one forward pass, with gradients.

    Args:
        model: any model with the vocabulary of the one that wrote the answers.
        rollout: the answers.
        features: (P, ..., D) image features of this model, a row a prompt.
        temperature: at which the answers were drawn.

    Returns:
        (P * G, T); what it says of padding is to be masked.
    """
    group = len(rollout.texts) // len(features)
    mask = torch.cat((rollout.prompt_mask, rollout.answer_mask), 1)  # (P * G, L + T)
    length = rollout.answer_ids.shape[1]
    outputs = model(
        input_ids=torch.cat((rollout.prompt_ids, rollout.answer_ids), 1),
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),  # left padding takes no position
        image_features=features.repeat_interleave(group, 0),
        logits_to_keep=length + 1,
        use_cache=False,
    )
    # the last logits stand behind the last token
    return token_log_probs(outputs.logits[:, :-1], rollout.answer_ids, temperature=temperature)


def _ends(model: Any, tokenizer: Any, device: torch.device) -> Tensor:
    """(K,) ids of the tokens that end an answer."""
    known = base_of(model).generation_config.eos_token_id
    ends = set(known if isinstance(known, list) else [known]) | {tokenizer.eos_token_id}
    return torch.tensor(sorted(end for end in ends if end is not None), device=device)
