"""What a person's resting level is worth: `python benchmarks/resting_level.py CLIPS --out FILE`.

CLIPS is a folder of `mien synth sequence`, whose frames have exact intensities. Every second frame
is read by `mien/nano`; its intensities are scored as they are, and less the level at which each
unit rests over the clip. F1 calls a unit present from an intensity of 1.5, both ways, against
frames in which it is present at B or more, traces left out; PCC is over the frames of all clips.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import mien
from mien.media import Sampling
from mien.metrics import bootstrap, count_units, mae, pcc, unit_macro_f1
from mien.timeline import resting_level, smooth

PRESENT = 1.5
Table = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--most", type=int, help="clips to read; default all")
    options = parser.parse_args()
    analyzer = mien.load(device="cpu")
    names = sorted((options.clips / "clips").glob("*.mp4"))[: options.most]
    clips = [found for path in names if (found := read_clip(analyzer, path, options.clips))]
    result = {
        "machine": f"{platform.machine()}, {platform.processor() or 'CPU'}",
        "clips": len(clips),
        "left_out": len(names) - len(clips),
        "frames": sum(len(truth) for _, truth, _, _ in clips),
        "as_given": scores(clips, rested=False),
        "from_rest": scores(clips, rested=True),
        "difference": difference(clips),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


def read_clip(
    analyzer: mien.Analyzer, path: Path, folder: Path
) -> tuple[tuple[int, ...], Table, Table, Table] | None:
    """Units, and true, given and rested intensities (N, U) of the frames; None if none rests."""
    rows = [
        row
        for row in analyzer.analyze(path, numbers=True, sampling=Sampling(every=2))
        if row.kind == "face" and row.action_units and row.track == 0
    ]
    if not rows:
        return None
    units = tuple(unit.au for unit in rows[0].action_units or ())
    truth = pq.read_table(folder / "frames" / f"{path.stem}.parquet").to_pydict()
    frames = np.array([row.frame for row in rows])
    times = np.array([row.time for row in rows])
    given = np.array([[unit.intensity for unit in row.action_units or ()] for row in rows])
    rested = given.copy()
    for column in range(len(units)):
        level = resting_level(times, smooth(times, given[:, column]))
        if level is None:
            return None
        rested[:, column] = (given[:, column] - level).clip(0)
    exact = np.array([truth[f"AU{au:02d}_r"] for au in units], float).T[frames]  # (N, U)
    return units, exact, given, rested


def scores(clips: list[Any], *, rested: bool) -> dict[str, float]:
    """Macro-F1, and means over the units of PCC and MAE."""
    units = clips[0][0]
    truth = np.concatenate([clip[1] for clip in clips])
    given = np.concatenate([clip[3 if rested else 2] for clip in clips])
    there = np.where(truth >= PRESENT, 1.0, np.where(truth <= 0.5, 0.0, np.nan))
    called = (given >= PRESENT).astype(float)
    pairs = [(truth[:, i], given[:, i]) for i in range(len(units))]
    seen = [(t[np.isfinite(t)], g[np.isfinite(t)]) for t, g in pairs]
    return {
        "macro_f1": round(unit_macro_f1(count_units(there, called, units)), 4),
        "pcc": round(float(np.nanmean([pcc(t, g) for t, g in seen])), 4),
        "mae": round(float(np.mean([mae(t, g) for t, g in seen])), 4),
    }


def difference(clips: list[Any]) -> dict[str, list[float]]:
    """From rest less as given: 95 % bootstrap intervals over the clips."""
    found = {}
    for name in ("macro_f1", "pcc", "mae"):

        def change(rows: NDArray[np.int64], name: str = name) -> float:
            drawn = [clips[i] for i in rows]
            return scores(drawn, rested=True)[name] - scores(drawn, rested=False)[name]

        interval = bootstrap(change, len(clips), samples=200, seed=0)
        found[name] = [round(interval.low, 4), round(interval.high, 4)]
    return found


if __name__ == "__main__":
    main()
