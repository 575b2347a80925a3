"""Numbers out of a language model's own likelihoods: candidate answers and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.facs import INTENSITIES, LABEL_SETS
from mien.schema import ActionUnit, Expression

LEVELS: tuple[str, ...] = ("absent", *INTENSITIES)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Short answers that are scored behind one question, in groups of which one is true.

    Attributes:
        expressions: canonical names; the first group has one answer for each.
        action_units: FACS numbers; each has a group of six answers, absent and A to E.
    """

    expressions: tuple[str, ...]
    action_units: tuple[int, ...]

    def texts(self) -> list[list[str]]:
        """The answers as text, group by group."""
        groups = [[name.capitalize() for name in self.expressions]]
        groups += [[f"AU{au} {level}" for level in LEVELS] for au in self.action_units]
        return groups

    def token_ids(self, tokenizer: Any) -> list[list[list[int]]]:
        """The answers as token ids, without special tokens."""
        return [
            [tokenizer(text, add_special_tokens=False)["input_ids"] for text in group]
            for group in self.texts()
        ]


def read_expression(
    scores: NDArray[np.floating], names: Sequence[str], calibration: Mapping[str, Any]
) -> Expression:
    """Log-likelihoods of the first group to an expression with probabilities.

    Args:
        scores: (K,) log-likelihoods in the order of `names`.
        names: canonical expression names.
        calibration: "expression" holds the temperature; missing means 1.
    """
    p = softmax(scores / float(calibration.get("expression", 1.0)))
    label_set = next(key for key, labels in LABEL_SETS.items() if set(labels) == set(names))
    order = LABEL_SETS[label_set]
    by_name = dict(zip(names, p.tolist(), strict=True))
    return Expression(
        label=names[int(p.argmax())],
        label_set=label_set,
        scores={name: by_name[name] for name in order},
    )


def read_unit(scores: NDArray[np.floating], au: int, calibration: Mapping[str, Any]) -> ActionUnit:
    """Log-likelihoods of one unit's group to its probability and intensity.

    Probability is 1 - p(absent); intensity is the expectation over absent = 0 and A to E = 1 to 5,
    so that a unit called present (probability of a half or more) never has an intensity that
    rounds to 0.

    Args:
        scores: (6,) log-likelihoods of absent, A, B, C, D, E.
        au: FACS number.
        calibration: "units" maps the FACS number as text to its temperature, missing means 1;
            "absence" maps it to what is added to the log-likelihood of absent, so that the best
            F1 is at a half, missing means 0.
    """
    scaled = scores / float(calibration.get("units", {}).get(str(au), 1.0))
    shift = np.zeros(len(LEVELS))
    shift[0] = float(calibration.get("absence", {}).get(str(au), 0.0))
    p = softmax(scaled + shift)
    probability = float(np.clip(1 - p[0], 0, 1))
    intensity = float(np.clip(p @ np.arange(len(LEVELS)), 0, 5))
    return ActionUnit(
        au=au, present=probability >= 0.5, probability=probability, intensity=intensity
    )


def softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    x = np.asarray(scores, dtype=np.float64)
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)
