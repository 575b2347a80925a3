"""Metrics: arrays in, numbers out, NumPy alone. One place for training, recipes and benchmarks."""

from mien.metrics.action_units import (
    UnitCounts,
    always_on_f1,
    count_units,
    fold_mean_f1,
    unit_auc,
    unit_f1,
    unit_macro_f1,
    unit_micro_f1,
)
from mien.metrics.calibration import (
    binary_calibration_error,
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
from mien.metrics.intensity import (
    IntensityScores,
    icc_3_1,
    mae,
    mean_over_units,
    pcc,
    unit_intensity,
)
from mien.metrics.intervals import Interval, bootstrap

__all__ = [
    "ClassScores",
    "Confusion",
    "IntensityScores",
    "Interval",
    "UnitCounts",
    "always_on_f1",
    "binary_calibration_error",
    "bootstrap",
    "confusion",
    "count_units",
    "expected_calibration_error",
    "fit_temperature",
    "fold_mean_f1",
    "icc_3_1",
    "macro_f1",
    "mae",
    "majority_baseline",
    "mean_over_units",
    "negative_log_likelihood",
    "pcc",
    "per_class",
    "uar",
    "unit_auc",
    "unit_f1",
    "unit_intensity",
    "unit_macro_f1",
    "unit_micro_f1",
    "war",
]
