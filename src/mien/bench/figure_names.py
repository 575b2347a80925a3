"""How figures are named and written, the same in the terminal and in the report."""

from __future__ import annotations

import math

TITLES = {
    "parse_rate": "parsed",
    "war": "WAR",
    "uar": "UAR",
    "macro_f1": "macro-F1",
    "war_fold_mean": "WAR, mean of folds",
    "uar_fold_mean": "UAR, mean of folds",
    "au_macro_f1": "AU F1 (macro)",
    "au_micro_f1": "AU F1 (micro)",
    "au_shared_f1": "AU F1 (shared units)",
    "au_fold_f1": "AU F1 (mean of folds)",
    "au_accuracy": "AU accuracy",
    "au_auc": "AU AUC",
    "au_ap": "AU average precision",
    "au_ece": "AU calibration error",
    "ece": "calibration error",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU-4",
    "words": "words",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "rege": "REGE",
    "rationale_precision": "AU precision in reasons",
    "rationale_recall": "AU recall in reasons",
    "rationale_f1": "AU F1 in reasons",
    "hallucination": "units named that are absent",
    "fabricating": "texts with such a unit",
    "expression_match": "expression right",
    "consistency": "reasons fit expression",
    "ccc_valence": "CCC valence",
    "ccc_arousal": "CCC arousal",
    "rmse_valence": "RMSE valence",
    "rmse_arousal": "RMSE arousal",
    "intensity_pcc": "intensity PCC",
    "intensity_icc": "intensity ICC(3,1)",
    "intensity_mae": "intensity MAE",
}
KINDS = {
    "expression": "Expression recognition",
    "au_detection": "Action unit detection",
    "expression_description": "Expression description",
    "au_description": "Action unit description",
    "reasoning": "Reasoning from units to expression",
    "valence_arousal": "Valence and arousal",
}
STATUSES = {
    "ok": "parsed",
    "unparsed": "not understood",
    "failed": "no answer",
    "no_face": "no face found",
    "unreadable": "picture unreadable",
    "missing": "not asked yet",
}
# neither shares nor percentages: written as they are
_PLAIN = {"words": 1, "rege": 1}
_SCALE = ("ccc_", "rmse_", "intensity_")


def title(name: str) -> str:
    """Name of a figure for people."""
    return TITLES.get(name, name)


def shown(name: str, value: float | None) -> str:
    """A figure as it is written: shares in percent, agreements with three decimals, "-" if none."""
    if value is None or not math.isfinite(value):
        return "-"
    if name in _PLAIN:
        return f"{value:.{_PLAIN[name]}f}"
    if name.startswith(_SCALE):
        return f"{value:.3f}"
    return f"{100 * value:.1f}"


def interval(name: str, low: float | None, high: float | None) -> str:
    """An interval, "[58.2, 63.9]"; empty where there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{shown(name, low)}, {shown(name, high)}]"


def kind_title(name: str, kind: str) -> str:
    """Heading of a task."""
    words = KINDS[kind]
    return words if name == kind else f"{words} ({name})"
