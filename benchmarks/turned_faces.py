"""Do turned faces give the numbers of the upright ones? `python benchmarks/turned_faces.py`.

Every fifth face of FEABench-Synth, turned as a picture (grey around it) by 24 angles, is found and
answered by mien/nano, and compared with the same picture upright. Faces that are not found upright
play no part. Prints a table by angle; `--out` writes JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mien
from mien.faces.pose import pose_from_matrix, rotation_of
from mien.media import Picture
from mien.schema import Analysis, Pose
from mien.synth.feabench import load_feabench

ANGLES = range(0, 360, 15)
AROUND = (110, 110, 110)


def turned(picture: np.ndarray, angle: int) -> np.ndarray:
    """The picture turned clockwise by degrees, larger so that nothing is cut off."""
    image = Image.fromarray(picture)
    return np.array(image.rotate(-angle, Image.Resampling.BICUBIC, expand=True, fillcolor=AROUND))


def pictures(faces: int, every: int) -> Iterator[Picture]:
    """All faces at all angles, named by both."""
    for number, (_, picture) in enumerate(load_feabench()):
        if number % every == 0 and number // every < faces:
            for angle in ANGLES:
                yield Picture(f"{number // every} {angle}", turned(picture, angle))


def apart(a: float, b: float) -> float:
    """Degrees between two directions."""
    return abs((a - b + 180) % 360 - 180)


def expected(pose: Pose, angle: int) -> Pose:
    """The pose of a head in a picture that was turned clockwise by degrees."""
    rotation = np.eye(4)
    rotation[:3, :3] = rotation_of(pose)
    found = pose_from_matrix(rotation, angle)
    assert found is not None
    return found


def intensities(row: Analysis) -> dict[int, float]:
    return {u.au: u.intensity for u in row.action_units or () if u.intensity is not None}


def compared(upright: Analysis, row: Analysis, angle: int) -> dict[str, float]:
    """What is the same, and how far apart the rest is."""
    a, b = intensities(upright), intensities(row)
    assert upright.expression is not None
    assert row.expression is not None
    assert upright.pose is not None
    assert row.pose is not None
    return {
        "same": float(upright.expression.label == row.expression.label),
        "roll_plus_angle": apart(row.pose.roll, upright.pose.roll + angle),
        "roll": apart(row.pose.roll, expected(upright.pose, angle).roll),
        "intensity": statistics.mean(abs(a[au] - b[au]) for au in a),
    }


def mean(values: Iterable[float]) -> float:
    return round(statistics.mean(values), 4)


def measure(faces: int, every: int) -> dict[str, Any]:
    analyzer = mien.load()
    rows: dict[str, Analysis] = {}
    for looked in analyzer.stream_pictures(pictures(faces, every), numbers=True):
        rows[looked.source] = looked.rows[0]
    table = {}
    for angle in ANGLES:
        pairs = [(rows[f"{n} 0"], rows[f"{n} {angle}"]) for n in range(faces)]
        pairs = [(a, b) for a, b in pairs if a.status == "ok"]
        found = [compared(a, b, angle) for a, b in pairs if b.status == "ok"]
        table[str(angle)] = {
            "found": round(len(found) / len(pairs), 4),
            "expression_same": mean(f["same"] for f in found),
            "roll_within_10": mean(f["roll"] <= 10 for f in found),
            "roll_plus_angle_within_10": mean(f["roll_plus_angle"] <= 10 for f in found),
            "intensity_apart": mean(f["intensity"] for f in found),
        }
    means = {n: mean(v[n] for v in table.values()) for n in table["0"]}
    return {"faces": faces, "angles": table, "all": means}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    result = measure(options.faces, options.every)
    names = list(result["angles"]["0"])
    print("angle", *names)
    for angle, values in [*result["angles"].items(), ("all", result["all"])]:
        print(f"{angle:>5}", *(f"{values[n]:>{len(n)}.3f}" for n in names))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
