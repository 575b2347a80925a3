"""Settings of GRPO, without torch: recipes hold them."""

from __future__ import annotations

from dataclasses import dataclass, field

from mien.train.rewards import RewardWeights


@dataclass(frozen=True)
class GrpoSpec:
    """What a stage of `kind: grpo` says beside what every stage says.

    Attributes:
        group: answers drawn to each prompt.
        temperature: at which they are drawn.
        max_new_tokens: longest answer.
        max_words: longest answer that the format part of the reward allows.
        clip: how far the probability ratio counts, on both sides of 1.
        kl: weight of the estimated KL divergence from the model at the start; 0.04 in UniFER.
        updates: optimiser steps on the same answers; clipping takes part only from the second on.
        scale: divide advantages by the standard deviation of their group.
        rewards: weights of the parts of the reward.
    """

    group: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 80
    max_words: int = 80
    clip: float = 0.2
    kl: float = 0.04
    updates: int = 1
    scale: bool = True
    rewards: RewardWeights = field(default_factory=RewardWeights)

    def __post_init__(self) -> None:
        rules = {
            "group": (self.group >= 2, "2 or more, for an answer is compared with its group"),
            "temperature": (self.temperature > 0, "a number above 0"),
            "max_new_tokens": (self.max_new_tokens >= 1, "1 or more"),
            "max_words": (self.max_words >= 1, "1 or more"),
            "clip": (0 < self.clip < 1, "a number between 0 and 1"),
            "kl": (self.kl >= 0, "0 or more"),
            "updates": (self.updates >= 1, "1 or more"),
        }
        for name, (good, wanted) in rules.items():
            if not good:
                raise ValueError(f"grpo.{name} is {getattr(self, name)}; give {wanted}")
