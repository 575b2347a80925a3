"""Group-relative policy optimisation: advantages and losses, as arithmetic on tensors.

Source: DeepSeekMath (arXiv 2402.03300), section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_SPREAD = 1e-4
"""Added to the standard deviation of a group; a group of equal rewards teaches nothing."""


def group_advantages(rewards: Tensor, *, scale: bool = True) -> Tensor:
    """Rewards less the mean of their group, and in units of its standard deviation.

    Args:
        rewards: (P, G) of G answers to each of P prompts; NaN where an answer has none.
        scale: divide by the standard deviation (of the group, not of a sample from it). Without,
            prompts on which answers differ little count little (arXiv 2503.20783).

    Returns:
        (P, G), 0 where there is no reward.
    """
    known = rewards.isfinite()
    mean = rewards.nanmean(-1, keepdim=True)
    centred = torch.where(known, rewards - mean, 0.0)
    if scale:
        variance = centred.square().sum(-1, keepdim=True) / known.sum(-1, keepdim=True).clamp(min=1)
        centred = centred / (variance.sqrt() + SMALLEST_SPREAD)
    return centred


def token_log_probs(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Log-probability of each token under the distribution that it was drawn from.

    Args:
        logits: (B, T, V), each behind the token before.
        tokens: (B, T).
        temperature: of the sampling.

    Returns:
        (B, T) float32.
    """
    scaled = logits.float() / temperature
    chosen = scaled.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return chosen - scaled.logsumexp(-1)


def clipped_loss(
    log_probs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip: float
) -> Tensor:
    """Loss of the clipped probability ratio, as the mean over all tokens.

    The mean over tokens instead of over answers keeps long wrong answers as costly per token as
    short ones (arXiv 2503.14476).

    Args:
        log_probs: (B, T) of the model, with gradients.
        old: (B, T) of the model that wrote the answers.
        advantages: (B,).
        mask: (B, T), 1 at tokens of the answer.
        clip: the ratio counts within 1 - clip and 1 + clip.
    """
    ratio = (log_probs - old).exp()
    gain = torch.minimum(
        ratio * advantages[:, None], ratio.clamp(1 - clip, 1 + clip) * advantages[:, None]
    )
    return -masked_mean(gain, mask)


def kl_estimate(log_probs: Tensor, reference: Tensor) -> Tensor:
    """Estimate of KL(model || reference) at each token: r - 1 - log r, never negative.

    Args:
        log_probs: (B, T) of the model.
        reference: (B, T) of the reference.
    """
    difference = reference - log_probs
    return difference.exp() - difference - 1


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, T) values where the mask is 1."""
    return (values * mask).sum() / mask.sum().clamp(min=1)
