"""How fast instruction data is built, and in how much memory: labels made up, no pixel touched.

    python -m benchmarks.data_build --rows 380000 --processes 2 [--splits 3] [--pictures DIR]

The labels are spread as in the sets that FERID and FEALLM draw from: a third with expression
alone, a third with units alone, a third with both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mien import facs
from mien.data.build.build_set import build, prepare
from mien.data.build.missing_media import Missing
from mien.data.build.settings import BuildSettings
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

SPLITS = ("train", "validation", "test")
UNITS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)


@dataclass(frozen=True)
class MadeUp:
    """So many Samples, made as they are read."""

    count: int
    splits: int = 1
    name: str = "affwild2"
    folder: Path = Path()

    def samples(self, split: str | None) -> Iterator[Sample]:
        for number in range(self.count):
            rng = random.Random(number)
            label = rng.choice(facs.LABEL_SETS["affwild2"])
            units = tuple(
                ActionUnit(au, present=there, intensity=rng.choice((1.0, 2.0, 3.0)) if there else 0)
                for au in UNITS
                for there in (rng.random() < 0.25,)
            )
            yield Sample(
                id=f"{number:06d}",
                dataset=self.name,
                image=f"cropped/{number // 1000:03d}/{number:06d}.jpg",
                subject=f"{number // 500}.{number % self.splits}",
                split=SPLITS[number % self.splits],
                expression=Expression(label, "affwild2") if number % 3 != 1 else None,
                action_units=units if number % 3 != 0 else None,
                licence="research only",
            )


def make_files(source: MadeUp) -> None:
    """Empty files where the pictures would be."""
    for sample in source.samples(None):
        path = source.folder / str(sample.image)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def main() -> None:
    """Builds once, and prints rows a second and the largest memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--check-share", type=float, default=0.02)
    parser.add_argument("--format", choices=("jsonl", "parquet"), default="jsonl")
    parser.add_argument("--splits", type=int, choices=(1, 2, 3), default=1, help="by turns")
    parser.add_argument("--pictures", type=Path, help="folder for empty files that are looked for")
    options = parser.parse_args()
    folder = options.pictures or Path()
    source = MadeUp(options.rows // 2, options.splits, folder=folder)
    settings = BuildSettings(
        split="all",
        per_sample=3,
        count=options.rows,
        check_share=options.check_share,
        format=options.format,
    )
    if options.pictures:
        make_files(source)
    folder = Path(tempfile.mkdtemp(prefix="mien-data-build-"))
    try:
        start = time.perf_counter()
        missing: Missing = "stop" if options.pictures else "keep"
        whole, found = prepare([source], settings, missing=missing)
        surveyed = time.perf_counter()
        built = build([source], whole, found, folder, processes=options.processes)
        end = time.perf_counter()
        size = sum(path.stat().st_size for path in (folder / "data").iterdir())
    finally:
        shutil.rmtree(folder)
    kib = {
        name: resource.getrusage(who).ru_maxrss
        for name, who in (("main", resource.RUSAGE_SELF), ("worker", resource.RUSAGE_CHILDREN))
    }
    row = {
        "rows": built.rows,
        "seconds": round(end - start, 1),
        "seconds_survey": round(surveyed - start, 1),
        "rows_per_second": round(built.rows / (end - start)),
        "processes": options.processes,
        "splits": options.splits,
        "files_looked_for": options.pictures is not None,
        "check_share": options.check_share,
        "megabytes": round(size / 1e6),
        "memory_mb": {name: round(value / 1024) for name, value in kib.items()},
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
