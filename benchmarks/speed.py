"""How fast mien is on this machine: `python benchmarks/speed.py --out benchmarks/speed.json`.

Medians after a warm-up. The baseline in the same run is the same model asked face by face, which is
what batching has to beat. Writes JSON and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
CROPS = 500


def median_seconds(call: Callable[[], Any], *, repeats: int, warmups: int = 2) -> float:
    """Median wall time of a call after some that do not count."""
    for _ in range(warmups):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def photo(folder: Path) -> Path:
    """The example picture at 640 px."""
    path = folder / "photo.jpg"
    Image.open(EXAMPLE).convert("RGB").resize((640, 640)).save(path, quality=95)
    return path


def crops(folder: Path) -> Path:
    """A folder of 48 px face crops: the example's face, shifted and relit."""
    target = folder / "crops"
    target.mkdir()
    rng = np.random.default_rng(0)
    face = Image.open(EXAMPLE).convert("L").crop((170, 60, 285, 185))
    for i in range(CROPS):
        left, top = rng.integers(0, 12, 2)
        crop = face.crop((left, top, left + 103, top + 103)).resize((48, 48))
        light = rng.uniform(0.7, 1.2)
        crop.point(lambda v, light=light: min(255, int(v * light))).save(target / f"{i:03}.png")
    return target


def measure(folder: Path) -> dict[str, float]:
    """All timings, in the units that their names say."""
    import mien
    from mien.media import read_picture

    picture, many = photo(folder), crops(folder)
    image = read_picture(picture)
    analyzer = mien.load()
    whole = mien.load(faces="whole", batch_size=32)
    single = mien.load(faces="whole", batch_size=1)
    found = analyzer.finder.find(image)
    if len(found) != 1:
        raise SystemExit(f"{picture}: expected one face, found {len(found)}")
    batched = median_seconds(lambda: whole.analyze(many, numbers=True), repeats=3, warmups=1)
    alone = median_seconds(lambda: single.analyze(many, numbers=True), repeats=1, warmups=0)
    return {
        "find_ms": 1e3 * median_seconds(lambda: analyzer.finder.find(image), repeats=30),
        "find_and_numbers_ms": 1e3
        * median_seconds(lambda: analyzer.analyze(picture, numbers=True), repeats=30),
        "full_answer_ms": 1e3 * median_seconds(lambda: analyzer.analyze(picture), repeats=10),
        "crops_per_second": CROPS / batched,
        "crops_per_second_one_by_one": CROPS / alone,
        "batching_ratio": alone / batched,
        "help_ms": 1e3 * median_seconds(help_command, repeats=7),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def help_command() -> None:
    subprocess.run([sys.executable, "-m", "mien", "--help"], check=True, capture_output=True)


def processor_name() -> str:
    """The processor, as the system calls it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    result = {
        "machine": f"{processor_name()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("mien", "torch", "transformers")},
        "figures": {name: round(value, 1) for name, value in figures.items()},
    }
    print(f"{result['machine']}; {result['versions']}")
    for name, value in result["figures"].items():
        print(f"{name:32} {value:10.1f}")
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
