"""Scores: arrays in, numbers out, NumPy alone.

What a score cannot know is NaN, never 0, and is listed; it does not silently leave a mean.
"""

from mien.metrics.classification import (
    ClassScores,
    Confusion,
    confusion,
    macro_f1,
    majority_baseline,
    per_class,
    uar,
    war,
)

__all__ = [
    "ClassScores",
    "Confusion",
    "confusion",
    "macro_f1",
    "majority_baseline",
    "per_class",
    "uar",
    "war",
]
