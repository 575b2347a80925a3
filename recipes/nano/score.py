"""The figures of nano: FERPlus `validation` once, LFW expressions, rendered faces, and texts."""

from __future__ import annotations

import io
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image

from mien._version import __version__
from mien.analyzer import Analyzer
from mien.engines.local_responder import LocalResponder
from mien.faces import make_finder
from mien.language import check_reasons, parse
from mien.media import Picture
from mien.metrics import bootstrap, confusion, expected_calibration_error, per_class, uar, war
from mien.schema import Analysis

from .photographs import CLASSES, SINGLE_CLASSES, Photographs, encoded_pictures
from .rendered import Rendered
from .score_units import feabench_scores, photo_scores

TEXTS = 500
"""Faces whose full answers are parsed."""


def figures(
    responder: LocalResponder, photographs: Photographs, rendered: Rendered, data: Path
) -> dict[str, Any]:
    """All figures of the card.

    Args:
        responder: the finished model.
        photographs: FERPlus.
        rendered: rendered faces, which the baselines for units are fitted on.
        data: folder with `lfw_expressions.parquet`.
    """
    rows = photographs.where("validation")
    whole = Analyzer(responder, make_finder("whole"), batch_size=64)
    pictures = [
        Picture(str(i), np.repeat(photographs.images[i][..., None], 3, -1), None) for i in rows
    ]
    looked = [row for item in whole.stream_pictures(pictures, numbers=True) for row in item.rows]
    # Faces of 500 answers are drawn once, so that the text's figures can be compared between runs.
    chosen = np.random.default_rng(0).permutation(len(pictures))[:TEXTS]
    told = whole.stream_pictures([pictures[i] for i in chosen])
    return {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {"mien": __version__, "torch": torch.__version__},
        "ferplus_validation": ferplus_scores(photographs, rows, looked),
        "fer2013_validation": {
            **single_scores(
                photographs.single[rows], own_labels(responder, photographs.images[rows])
            ),
            "war_by_votes": single_scores(photographs.single[rows], by_votes(looked))["war"],
        },
        "lfw": lfw_scores(responder, data / "lfw_expressions.parquet"),
        "lfw_units": photo_scores(responder, data / "lfw_expressions.parquet"),
        "feabench_synth": feabench_scores(responder, rendered),
        "text": text_scores([row for item in told for row in item.rows]),
    }


def ferplus_scores(
    photographs: Photographs, rows: NDArray[np.int64], looked: Sequence[Analysis]
) -> dict[str, Any]:
    """Scores by the owners' majority rule, and how near the scores come to the votes.

    Args:
        photographs: FERPlus.
        rows: (N,) those that were looked at.
        looked: N answers to them.
    """
    kept = [i for i, row in enumerate(rows) if photographs.majority[row] >= 0]
    truth = [CLASSES[photographs.majority[rows[i]]] for i in kept]
    shares = _shares(looked)
    votes = photographs.votes[rows]
    crossed = -(votes * np.log(shares.clip(1e-6))).sum(1)
    own = -(votes * np.log(votes.clip(1e-6))).sum(1)  # what perfect scores would leave
    return {
        **expression_scores(truth, [looked[i] for i in kept]),
        "votes_cross_entropy": float(crossed.mean()),
        "votes_entropy": float(own.mean()),
        "faces_with_votes": len(rows),
    }


def own_labels(responder: LocalResponder, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N,) what the head for FER2013's own labels calls grey faces (N, H, W)."""
    called = []
    for start in range(0, len(images), 64):
        crops = [np.repeat(face[..., None], 3, -1) for face in images[start : start + 64]]
        with torch.inference_mode():
            called.append(responder.core.look(crops).labels["fer2013"].argmax(1))
    return np.concatenate(called)


def by_votes(looked: Sequence[Analysis]) -> NDArray[np.int64]:
    """(N,) the likeliest of FER2013's classes by the expected votes."""
    columns = [CLASSES.index(name) for name in SINGLE_CLASSES]
    called: NDArray[np.int64] = _shares(looked)[:, columns].argmax(1)
    return called


def single_scores(single: NDArray[np.int64], called: NDArray[np.int64]) -> dict[str, Any]:
    """Scores against FER2013's own labels; faces without one (-1) are left out."""
    kept = np.flatnonzero(single >= 0)
    truth = [SINGLE_CLASSES[single[i]] for i in kept]
    matrix = confusion(truth, [SINGLE_CLASSES[called[i]] for i in kept], SINGLE_CLASSES)
    right = (single[kept] == called[kept]).astype(float)
    return {
        "faces": len(kept),
        "war": war(matrix),
        "war_interval": list(_interval(right)),
        "uar": uar(matrix),
    }


def _shares(looked: Sequence[Analysis]) -> NDArray[np.float64]:
    """(N, 8) scores; a face without an answer gets the same for each class."""
    shares = np.full((len(looked), len(CLASSES)), 1 / len(CLASSES))
    for i, row in enumerate(looked):
        if row.expression is not None and row.expression.scores:
            shares[i] = [row.expression.scores[name] for name in CLASSES]
    return shares


def _label(row: Analysis) -> str | None:
    return row.expression.label if row.expression else None


def expression_scores(truth: Sequence[str], rows: Sequence[Analysis]) -> dict[str, Any]:
    """WAR with its interval, UAR, calibration error and a table by class."""
    predicted = [_label(row) for row in rows]
    matrix = confusion(truth, predicted, CLASSES)
    answered = [i for i, row in enumerate(rows) if row.expression and row.expression.scores]
    known = np.array([CLASSES.index(truth[i]) for i in answered])
    right = np.array([t == p for t, p in zip(truth, predicted, strict=True)], float)
    return {
        "faces": len(truth),
        "war": war(matrix),
        "war_interval": list(_interval(right)),
        "uar": uar(matrix),
        "uar_interval": list(_uar_interval(truth, predicted)),
        "ece": expected_calibration_error(_shares(rows)[answered], known),
        "per_class": {
            str(name): {"recall": s.recall, "precision": s.precision, "support": s.support}
            for name, s in per_class(matrix).items()
        },
        "confusion": matrix.matrix.tolist(),
    }


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    found = bootstrap(lambda rows: float(values[rows].mean()), len(values), seed=0)
    return (round(found.low, 4), round(found.high, 4))


def _uar_interval(truth: Sequence[str], predicted: Sequence[str | None]) -> tuple[float, float]:
    def score(rows: NDArray[np.int64]) -> float:
        return uar(confusion([truth[i] for i in rows], [predicted[i] for i in rows], CLASSES))

    found = bootstrap(score, len(truth), seed=0)
    return (round(found.low, 4), round(found.high, 4))


def lfw_scores(responder: LocalResponder, path: Path) -> dict[str, Any]:
    """LFW expressions, which nano never saw: faces found by MediaPipe, and as given."""
    truth = pq.read_table(path, columns=["label"]).column("label").to_pylist()
    images = [
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in encoded_pictures(path)
    ]
    keep = [i for i, label in enumerate(truth) if label in SINGLE_CLASSES]
    result: dict[str, Any] = {}
    for name in ("mediapipe", "whole"):
        analyzer = Analyzer(responder, make_finder(name), batch_size=64)
        pictures = [Picture(str(i), images[i], None) for i in keep]
        rows = [item.rows[0] for item in analyzer.stream_pictures(pictures, numbers=True)]
        labels = [truth[i] for i in keep]
        missing = sum(row.status == "no_face" for row in rows)
        scores = expression_scores(labels, rows)
        scores.pop("confusion")
        common = [n for n in CLASSES if labels.count(n) >= 100]
        recalls = [scores["per_class"][n]["recall"] for n in common]
        result[name] = {
            **scores,
            "no_face": missing,
            "uar_of_classes_with_100": float(np.mean(recalls)),
        }
    return result


def text_scores(rows: Sequence[Analysis]) -> dict[str, Any]:
    """Do the answers parse, and do words and numbers agree?"""
    parsed = [parse(row.text or "") for row in rows]
    present = [{u.au for u in row.action_units or () if u.present} for row in rows]
    same = [set(p.units) == units for p, units in zip(parsed, present, strict=True)]
    label = [p.expression == _label(row) for p, row in zip(parsed, rows, strict=True)]
    faults = [
        check_reasons(row.text or "", _label(row), units)
        for row, units in zip(rows, present, strict=True)
    ]
    return {
        "answers": len(rows),
        "reasons_hold": float(np.mean([not found for found in faults])),
        "parse_rate": float(np.mean([p.status == "ok" for p in parsed])),
        "units_agree": float(np.mean(same)),
        "expression_agrees": float(np.mean(label)),
        "written_from_numbers": float(
            np.mean([any("from the numbers" in w for w in row.warnings) for row in rows])
        ),
        "words_median": float(np.median([len((row.text or "").split()) for row in rows])),
    }
