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
from mien.metrics.agreement import AgreementScores, agreement, ccc, rmse, sagr
from mien.metrics.baselines import (
    ClassBaseline,
    majority_class,
    majority_f1,
    prior_random_class,
    prior_random_f1,
)
from mien.metrics.bleu import corpus_bleu
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
    weighted_f1,
)
from mien.metrics.intensity import (
    IntensityScores,
    icc_2_1,
    icc_3_1,
    mae,
    mean_over_units,
    pcc,
    unit_intensity,
)
from mien.metrics.intervals import Interval, bootstrap
from mien.metrics.ranking import average_precision, unit_average_precision
from mien.metrics.rationale import (
    RationaleScore,
    RationaleSummary,
    consistent,
    score_rationale,
    summarize_rationales,
)
from mien.metrics.rege import Rege, rege_emotion, rege_units
from mien.metrics.resample import Difference, Estimate, Resampler
from mien.metrics.text import Wording, emola_rouge_l, rouge_l, wording
from mien.metrics.unit_table import (
    FoldF1,
    SampleF1,
    UnitRow,
    fold_f1,
    sample_f1,
    unit_table,
)

__all__ = [
    "AgreementScores",
    "ClassBaseline",
    "ClassScores",
    "Confusion",
    "Difference",
    "Estimate",
    "FoldF1",
    "IntensityScores",
    "Interval",
    "RationaleScore",
    "RationaleSummary",
    "Rege",
    "Resampler",
    "SampleF1",
    "UnitCounts",
    "UnitRow",
    "Wording",
    "agreement",
    "always_on_f1",
    "average_precision",
    "binary_calibration_error",
    "bootstrap",
    "ccc",
    "confusion",
    "consistent",
    "corpus_bleu",
    "count_units",
    "emola_rouge_l",
    "expected_calibration_error",
    "fit_temperature",
    "fold_f1",
    "fold_mean_f1",
    "icc_2_1",
    "icc_3_1",
    "macro_f1",
    "mae",
    "majority_baseline",
    "majority_class",
    "majority_f1",
    "mean_over_units",
    "negative_log_likelihood",
    "pcc",
    "per_class",
    "prior_random_class",
    "prior_random_f1",
    "rege_emotion",
    "rege_units",
    "rmse",
    "rouge_l",
    "sagr",
    "sample_f1",
    "score_rationale",
    "summarize_rationales",
    "uar",
    "unit_auc",
    "unit_average_precision",
    "unit_f1",
    "unit_intensity",
    "unit_macro_f1",
    "unit_micro_f1",
    "unit_table",
    "war",
    "weighted_f1",
    "wording",
]
