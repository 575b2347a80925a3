"""How well units are found: on rendered faces of unseen people, and on photographs by landmarks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from mien import arkit
from mien.analyzer import Analyzer
from mien.engines.local_responder import LocalResponder
from mien.faces import Finder, make_finder
from mien.media import Picture
from mien.metrics import (
    always_on_f1,
    count_units,
    icc_3_1,
    mae,
    pcc,
    unit_auc,
    unit_f1,
    unit_macro_f1,
)
from mien.sample import Sample
from mien.schema import Analysis
from mien.synth.feabench import load_feabench

from .photographs import CLASSES, encoded_pictures
from .rendered import UNITS, Rendered
from .ridge_baseline import Regressor

Table = NDArray[np.floating]
GAP, DROP, CLOSURE = 25, 26, 43


def unit_table(
    truth: Table,
    called: Table,
    scores: Table,
    intensity: Table | None = None,
    graded: Table | None = None,
) -> dict[str, Any]:
    """F1, AUC and support of each unit, and their means.

    Args:
        truth: (N, 19) 1 present, 0 absent, NaN masked.
        called: (N, 19) likewise, NaN where there is no answer, which is wrong either way.
        scores: (N, 19) higher where more likely, NaN where there is no answer.
        intensity: (N, 19) true intensities, NaN where unknown.
        graded: (N, 19) answered intensities.
    """
    counts = count_units(truth, called, UNITS)
    f1, always, auc = unit_f1(counts), always_on_f1(counts), unit_auc(truth, scores, UNITS)
    table: dict[str, Any] = {}
    for column, au in enumerate(UNITS):
        row = {
            "f1": f1[au],
            "auc": auc[au],
            "always_on_f1": always[au],
            "present": int(np.nansum(truth[:, column])),
            "known": int(np.isfinite(truth[:, column]).sum()),
        }
        if intensity is not None and graded is not None:
            seen = np.isfinite(intensity[:, column]) & np.isfinite(graded[:, column])
            pair = intensity[seen, column], graded[seen, column]
            row |= {"pcc": pcc(*pair), "icc_3_1": icc_3_1(*pair), "mae": mae(*pair)}
        table[str(au)] = {k: round(float(v), 4) for k, v in row.items()}
    means = {
        name: round(float(np.mean([row[name] for row in table.values()])), 4)
        for name in (
            "auc",
            "always_on_f1",
            *(("pcc", "icc_3_1", "mae") if graded is not None else ()),
        )
    }
    return {"macro_f1": round(unit_macro_f1(counts), 4), **means, "units": table}


def best_thresholds(truth: Table, scores: Table) -> NDArray[np.float64]:
    """(19,) the threshold of each unit with the highest F1."""
    best = np.zeros(len(UNITS))
    for column in range(len(UNITS)):
        known = np.isfinite(truth[:, column]) & np.isfinite(scores[:, column])
        t, s = truth[known, column] > 0, scores[known, column]
        tried = np.unique(np.quantile(s, np.linspace(0.3, 0.995, 140)))
        called = s[None] >= tried[:, None]
        hits = (called & t).sum(1)
        best[column] = tried[np.argmax(2 * hits / np.maximum(called.sum(1) + t.sum(), 1))]
    return best


def blendshape_scores(blendshapes: Table, names: Sequence[str]) -> NDArray[np.float64]:
    """(N, 19) MediaPipe's raw blendshapes as unit scores: the mean of the actions of each unit."""
    columns: dict[int, list[int]] = {}
    for column, name in enumerate(names):
        for au in arkit.units_of_actions({name: 1.0}):
            columns.setdefault(au, []).append(column)
    columns.setdefault(25, columns[26])  # there is no action for parted lips; the jaw comes nearest
    scores = np.full((len(blendshapes), len(UNITS)), np.nan)
    for place, au in enumerate(UNITS):
        scores[:, place] = blendshapes[:, columns[au]].mean(1)
    return scores


def answers(rows: Sequence[Analysis]) -> tuple[Table, Table, Table]:
    """(N, 19) each: called present, probability, intensity; NaN where a face got no answer."""
    result = np.full((3, len(rows), len(UNITS)), np.nan)
    for i, row in enumerate(rows):
        for unit in row.action_units or ():
            if unit.au in UNITS and unit.present is not None:
                result[:, i, UNITS.index(unit.au)] = (
                    float(unit.present),
                    np.nan if unit.probability is None else unit.probability,
                    np.nan if unit.intensity is None else unit.intensity,
                )
    return result[0], result[1], result[2]


def feabench_scores(responder: LocalResponder, rendered: Rendered) -> dict[str, Any]:
    """FEABench-Synth v1, the pictures as a user would give them, beside two baselines.

    The baselines read MediaPipe's points of the same pictures; their thresholds are the best ones
    on the rendered faces that nano was trained on.

    Args:
        responder: the finished model.
        rendered: faces to fit the baselines on.
    """
    bench = load_feabench()
    samples, images = zip(*bench, strict=True)
    finder = make_finder("mediapipe")
    analyzer = Analyzer(responder, finder, batch_size=64)
    pictures = [
        Picture(sample.id, image, None) for sample, image in zip(samples, images, strict=True)
    ]
    rows = [item.rows[0] for item in analyzer.stream_pictures(pictures, numbers=True)]
    truth = np.full((len(samples), len(UNITS)), np.nan)
    intensity = np.full_like(truth, np.nan)
    for i, sample in enumerate(samples):
        for unit in sample.action_units or ():
            column = UNITS.index(unit.au)
            if unit.present is not None:
                truth[i, column] = unit.present
                intensity[i, column] = unit.intensity
    model_of = np.array([sample.attributes["face_model"] for sample in samples])
    called, probability, graded = answers(rows)
    result: dict[str, Any] = {
        "faces": len(samples),
        "no_face": sum(row.status == "no_face" for row in rows),
        "nano": unit_table(truth, called, probability, intensity, graded),
    }
    for name in ("anny", "ict"):
        chosen = model_of == name
        result[f"nano_{name}"] = unit_table(truth[chosen], called[chosen], probability[chosen])[
            "macro_f1"
        ]
    result["by_group"] = by_group(samples, truth, called)
    known = [
        (i, s.expression.label)
        for i, s in enumerate(samples)
        if s.expression is not None and s.expression.label in CLASSES
    ]
    right = np.array(
        [rows[i].expression is not None and rows[i].expression.label == label for i, label in known]
    )
    posed = np.array(
        [samples[i].attributes["origin"] in ("prototype", "neutral") for i, _ in known]
    )
    result["expression"] = {
        "faces": len(known),
        "war": round(float(right.mean()), 4),
        "prototypes": int(posed.sum()),
        "war_of_prototypes": round(float(right[posed].mean()), 4),
    }

    points, shapes, names = measure(finder, images)
    fit = rendered.where("fit")
    regressor = Regressor(rendered, fit)
    for name, own, new in (
        (
            "ridge",
            regressor(rendered.landmarks[fit], rendered.blendshapes[fit]),
            regressor(points, shapes),
        ),
        (
            "blendshapes",
            blendshape_scores(rendered.blendshapes[fit], names),
            blendshape_scores(shapes, names),
        ),
    ):
        thresholds = best_thresholds(rendered.present()[fit], own)
        calls = np.where(np.isnan(new), np.nan, new >= thresholds)
        result[name] = unit_table(truth, calls, new)
    return result


def by_group(samples: Sequence[Sample], truth: Table, called: Table) -> dict[str, Any]:
    """Macro-F1 by gender, ancestry and skin tone, with the number of faces."""
    groups: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        tone = float(sample.attributes["skin_tone"])
        names = [f"skin tone {('light', 'medium', 'dark')[min(int(3 * tone), 2)]}"]
        for key in ("gender", "ancestry"):  # only Anny's people have them
            if key in sample.attributes:
                names.append(f"{key} {sample.attributes[key]}")
        for name in names:
            groups.setdefault(name, []).append(i)
    return {
        name: {
            "faces": len(rows),
            "macro_f1": round(unit_macro_f1(count_units(truth[rows], called[rows], UNITS)), 4),
        }
        for name, rows in sorted(groups.items())
    }


def measure(
    finder: Finder, images: Sequence[NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """Landmarks (N, 478, 3), blendshapes (N, K) and their names; NaN where no face is found."""
    found = [(finder.find(image) or [None])[0] for image in images]
    names = next(list(face.blendshapes) for face in found if face is not None and face.blendshapes)
    points = np.full((len(images), 478, 3), np.nan, np.float32)
    shapes = np.full((len(images), len(names)), np.nan, np.float32)
    for i, face in enumerate(found):
        if face is not None and face.landmarks is not None and face.blendshapes:
            points[i] = face.landmarks
            shapes[i] = [face.blendshapes[name] for name in names]
    return points, shapes, names


def photo_scores(responder: LocalResponder, path: Path) -> dict[str, Any]:
    """Units on LFW photographs, where no unit labels exist: do they follow what can be measured?

    Args:
        responder: the finished model.
        path: `lfw_expressions.parquet`.
    """
    labels = pq.read_table(path, columns=["label"]).column("label").to_pylist()
    finder = make_finder("mediapipe")
    analyzer = Analyzer(responder, finder, batch_size=64)
    images = [
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in encoded_pictures(path)
    ]
    rows = [
        item.rows[0]
        for item in analyzer.stream_pictures(
            [Picture(str(i), image, None) for i, image in enumerate(images)], numbers=True
        )
    ]
    called, _, graded = answers(rows)
    points, shapes, names = measure(finder, images)
    measured = np.array([geometry(p) for p in points])
    named = np.array(labels)
    smile = called[:, UNITS.index(12)]
    closed = measured[:, 0] < CLOSED
    happy = named == "happiness"
    unhappy = np.isin(named, ("sadness", "anger")) & closed
    result: dict[str, Any] = {
        "faces": len(images),
        "no_answer": int(np.isnan(smile).sum()),
        "au12_of_happiness": _share(smile[happy]),
        "au12_of_sadness_and_anger_closed": _share(smile[unhappy]),
        "happiness": int(happy.sum()),
        "sadness_and_anger_closed": int(unhappy.sum()),
    }
    for place, (au, what) in enumerate(MEASURES):
        for who, column in (
            ("nano", graded[:, UNITS.index(au)]),
            ("mediapipe", blendshape_scores(shapes, names)[:, UNITS.index(au)]),
        ):
            both = np.isfinite(column) & np.isfinite(measured[:, place])
            result[f"au{au}_{what}_{who}"] = spearman(column[both], measured[both, place])
    result["prevalence"] = {str(au): _share(called[:, place]) for place, au in enumerate(UNITS)}
    return result


MEASURES = ((GAP, "gap"), (DROP, "lower_lip"), (DROP, "chin"), (CLOSURE, "closure"))
"""Unit and name of what `geometry` measures, in its order."""
CLOSED = 0.02
"""Gap of the inner lips, in distances between the outer eye corners, below which they touch."""


def geometry(points: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """What can be measured of mouth, jaw and eyes in (478, 3) landmarks.

    The jaw's drop has two measures, both from the base of the nose, in lengths of the nose: the
    lower lip's distance, which the jaw carries along, and the chin's, in which long faces outweigh
    open mouths. MediaPipe's own blendshapes stand beside nano on each.

    Returns:
        Gap between the inner lips in distances between the outer eye corners; the lower lip's and
        the chin's distance; closure of the eyes, 1 less their mean opening over their width.
    """

    def apart(a: int, b: int, axes: int = 2) -> float:
        return float(np.linalg.norm(points[a, :axes] - points[b, :axes]))

    nose = apart(168, 2, axes=3)  # in depth too: nodding shortens it
    opening = (apart(159, 145) / apart(33, 133) + apart(386, 374) / apart(362, 263)) / 2
    lips = apart(13, 14) / apart(33, 263)
    return lips, apart(2, 14, axes=3) / nose, apart(2, 152, axes=3) / nose, 1 - opening


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Rank correlation; ties share their mean rank."""
    return round(float(pcc(_ranks(a), _ranks(b))), 4)


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _share(called: NDArray[np.floating]) -> float:
    """Share of faces for which a unit is called; a face without an answer counts as not called."""
    return round(float(np.nan_to_num(called).mean()), 4)
