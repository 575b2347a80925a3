"""Metrics: arrays in, numbers out, NumPy alone. One place for training, recipes and benchmarks."""

from mien.metrics.calibration import (
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
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
from mien.metrics.intervals import Interval, bootstrap

__all__ = [
    "ClassScores",
    "Confusion",
    "Interval",
    "bootstrap",
    "confusion",
    "expected_calibration_error",
    "fit_temperature",
    "macro_f1",
    "majority_baseline",
    "negative_log_likelihood",
    "per_class",
    "uar",
    "war",
]
