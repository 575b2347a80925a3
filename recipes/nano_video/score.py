"""mien/nano-video against mien/nano frame by frame, on clips of unseen people and on stills."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.engines.numbers import read_expression, read_unit, softmax
from mien.metrics import confusion, count_units, uar, unit_f1, unit_macro_f1, war
from mien.metrics.resample import Resampler
from mien.metrics.sums import class_sums, uar_of, unit_macro_f1_of, unit_sums, war_of
from recipes.nano.calibrate import fit_calibration
from recipes.nano.rendered import UNITS, presence

from .fer2013_faces import CLASSES
from .looked import Looked

Calibration = dict[str, Any]
Called = tuple[NDArray[np.str_], NDArray[np.float64]]
"""Labels (N,) and units (N, 19), 1 called present."""

POOLINGS = ("mean", "maximum", "apex", "most seen")


def calibrated(
    looked: Looked,
    expression: NDArray[np.float32],
    levels: NDArray[np.float32],
    photographs: NDArray[np.bool_],
) -> Calibration:
    """Temperatures and thresholds of held-out clips and stills.

    Args:
        looked: held-out clips and stills.
        expression: (N, 7) log-likelihoods.
        levels: (N, 19, 6) likewise.
        photographs: (N,) whose units are not known.
    """
    known = looked.labels >= 0
    votes = np.eye(len(CLASSES), dtype=np.float32)[looked.labels[known]]
    return fit_calibration(
        expression[known], votes, levels[~photographs], looked.units[~photographs]
    )


def probabilities(
    expression: NDArray[np.float32], levels: NDArray[np.float32], calibration: Calibration
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 7) of expressions and (N, 19) of units, as an engine would answer."""
    p = softmax(expression / float(calibration["expression"]))
    q = np.empty(levels.shape[:2])
    for column, au in enumerate(UNITS):
        scaled = levels[:, column] / float(calibration["units"][str(au)])
        scaled = scaled + np.eye(6)[0] * float(calibration["absence"][str(au)])
        q[:, column] = 1 - softmax(scaled)[:, 0]
    return p, q


def check_reading(
    expression: NDArray[np.float32], levels: NDArray[np.float32], calibration: Calibration
) -> None:
    """Raises ValueError if `probabilities` differs from what engines read of one face."""
    p, q = probabilities(expression[:1], levels[:1], calibration)
    read = read_expression(expression[0], CLASSES, calibration)
    units = [read_unit(levels[0, i], au, calibration) for i, au in enumerate(UNITS)]
    if read.label != CLASSES[int(p[0].argmax())]:
        raise ValueError("expression: read otherwise than by the engine")
    if not np.allclose(q[0], [u.probability for u in units]):
        raise ValueError("units: read otherwise than by the engine")


def called(
    expression: NDArray[np.float32], levels: NDArray[np.float32], calibration: Calibration
) -> Called:
    """What a model answers."""
    p, q = probabilities(expression, levels, calibration)
    return np.array(CLASSES)[p.argmax(1)], (q >= 0.5).astype(float)


def pooled(looked: Looked, way: str, calibration: Calibration) -> Called:
    """mien/nano's answers to the frames, made one for the clip.

    Args:
        looked: clips with nano's log-likelihoods.
        way: "mean" and "maximum" of probabilities over the frames; "apex", the frame with the
            least probability of neutral; "most seen", the majority of the frames' answers.
        calibration: nano's, as it ships.
    """
    labels, units = [], []
    for row in range(len(looked)):
        seen = looked.found[row]
        p, q = probabilities(looked.expression[row, seen], looked.levels[row, seen], calibration)
        if way == "mean":
            label, probability = p.mean(0).argmax(), q.mean(0)
        elif way == "maximum":
            label, probability = p.max(0).argmax(), q.max(0)
        elif way == "apex":
            apex = int(p[:, CLASSES.index("neutral")].argmin())
            label, probability = p[apex].argmax(), q[apex]
        else:
            label = np.bincount(p.argmax(1), minlength=len(CLASSES)).argmax()
            probability = (q >= 0.5).mean(0)
        labels.append(CLASSES[int(label)])
        units.append((probability >= 0.5).astype(float))
    return np.array(labels), np.stack(units)


def scores(looked: Looked, answer: Called) -> dict[str, Any]:
    """UAR, WAR and AU macro-F1 with intervals by person."""
    known = looked.labels >= 0
    truth = np.array(CLASSES)[looked.labels[known]]
    found = answer[0][known]
    matrix = confusion(truth.tolist(), found.tolist(), CLASSES)
    units = presence(looked.units)
    faces = Resampler(int(known.sum()), groups=looked.person[known])
    clips = Resampler(len(looked), groups=looked.person)
    expression = class_sums(truth.tolist(), found.tolist(), CLASSES)
    u, w = faces.interval(expression, uar_of), faces.interval(expression, war_of)
    f = clips.interval(unit_sums(units, answer[1]), unit_macro_f1_of)
    counts = count_units(units, answer[1], UNITS)
    return {
        "clips": len(looked),
        "labelled": int(known.sum()),
        "people": len(np.unique(looked.person)),
        "uar": round(uar(matrix), 4),
        "uar_interval": [round(u.low, 4), round(u.high, 4)],
        "war": round(war(matrix), 4),
        "war_interval": [round(w.low, 4), round(w.high, 4)],
        "au_macro_f1": round(unit_macro_f1(counts), 4),
        "au_interval": [round(f.low, 4), round(f.high, 4)],
        "units": {str(au): round(float(value), 4) for au, value in unit_f1(counts).items()},
    }


def difference(looked: Looked, first: Called, second: Called) -> dict[str, Any]:
    """First less second: UAR and AU macro-F1 on the same draws of people."""
    known = looked.labels >= 0
    truth = np.array(CLASSES)[looked.labels[known]].tolist()
    faces = Resampler(int(known.sum()), groups=looked.person[known])
    clips = Resampler(len(looked), groups=looked.person)
    a, b = (class_sums(truth, answer[0][known].tolist(), CLASSES) for answer in (first, second))
    units = presence(looked.units)
    x, y = (unit_sums(units, answer[1]) for answer in (first, second))
    found = {}
    for name, part in (
        ("uar", faces.difference(a, b, uar_of)),
        ("au_macro_f1", clips.difference(x, y, unit_macro_f1_of)),
    ):
        found[name] = round(part.value, 4)
        found[f"{name}_interval"] = [round(part.low, 4), round(part.high, 4)]
    return found


def by_case(looked: Looked, answers: dict[str, Called]) -> dict[str, Any]:
    """UAR of each kind of clip and WAR, by who answers."""
    table: dict[str, Any] = {}
    for case in np.unique(looked.case):
        rows = (looked.case == case) & (looked.labels >= 0)
        truth = np.array(CLASSES)[looked.labels[rows]].tolist()
        row: dict[str, Any] = {"clips": int(rows.sum())}
        for name, answer in answers.items():
            matrix = confusion(truth, answer[0][rows].tolist(), CLASSES)
            row[name] = {"uar": round(uar(matrix), 4), "war": round(war(matrix), 4)}
        table[str(case)] = row
    return table
