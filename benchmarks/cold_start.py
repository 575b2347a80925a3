"""What the first answer costs: `python benchmarks/cold_start.py --baseline DIR --out FILE.json`.

Runs `mien analyze examples/astronaut.jpg --numbers` in fresh processes, this tree and the baseline
(another checkout, with the same environment) by turns, and compares the medians of user and system
seconds. The answers of both must have the same labels.
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
from importlib import metadata
from pathlib import Path

from speed import processor_name

ROOT = Path(__file__).parents[1]
COMMAND = ("analyze", str(ROOT / "examples" / "astronaut.jpg"), "--numbers", "--format", "jsonl")


def cpu_seconds(tree: Path) -> tuple[float, str]:
    """User and system seconds of one run of a tree's mien, and its label."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [sys.executable, "-m", "mien", *COMMAND],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds, json.loads(run.stdout.splitlines()[0])["expression"]["label"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", type=Path, required=True, help="another checkout of mien")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    trees = {"this": ROOT, "baseline": options.baseline}
    seconds: dict[str, list[float]] = {name: [] for name in trees}
    labels = set()
    for turn in range(options.repeats + 1):
        for name, tree in trees.items():
            spent, label = cpu_seconds(tree)
            labels.add(label)
            if turn:  # the first run of each compiles and fills the disk's cache
                seconds[name].append(spent)
    if len(labels) != 1:
        raise SystemExit(f"the two trees give different labels: {', '.join(sorted(labels))}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    result = {
        "machine": f"{processor_name()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        "repeats": options.repeats,
        "cpu_seconds": {name: round(value, 2) for name, value in medians.items()},
        "ratio": round(medians["this"] / medians["baseline"], 3),
    }
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
