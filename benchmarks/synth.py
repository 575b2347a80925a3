"""How fast faces are rendered here: `python benchmarks/synth.py --out benchmarks/synth.json`.

Pictures a second of the whole chain (scene, drawing, labels, WebP), for one process, the baseline,
and for two, with each face model. Medians over blocks of pictures after a warm-up; ICT-FaceKit is
measured where `--ict` or `MIEN_ICT` says where it is. Writes JSON and prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import time
from contextlib import closing
from importlib import metadata
from pathlib import Path

from speed import processor_name

from mien.synth.can_render import rendering
from mien.synth.face_models import ICT_VARIABLE, Loader, load, loader
from mien.synth.produce import AHEAD, BATCH, Plan, produce

SIZE = 256
PROCESSES = (1, 2)
PACKAGES = ("mien", "anny", "moderngl", "numpy", "pillow")


def per_second(model: Loader, *, processes: int, blocks: int, block: int) -> float:
    """Median of pictures a second over blocks, and none of the start of the processes."""
    plan = Plan((model,), seed=0, split="train", size=SIZE)
    # what the processes made ahead while nobody looked must not count either
    warmup = processes * BATCH * AHEAD
    numbers = range(warmup + blocks * block)
    times = []
    with closing(produce(plan, numbers, processes=processes)) as stream:
        for _ in itertools.islice(stream, warmup):
            pass
        for _ in range(blocks):
            start = time.perf_counter()
            for _ in itertools.islice(stream, block):
                pass
            times.append(time.perf_counter() - start)
    return block / statistics.median(times)


def start_seconds(model: Loader) -> float:
    """From the call to the first picture of one process."""
    start = time.perf_counter()
    with closing(produce(Plan((model,), 0, "train", SIZE), [0], processes=1)) as stream:
        next(stream)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--ict", type=Path, help="ICT-FaceKit, else $MIEN_ICT")
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--block", type=int, default=64, help="pictures, a multiple of 16")
    options = parser.parse_args()
    names = ["anny"]
    if options.ict or os.environ.get(ICT_VARIABLE):
        names.append("ict")
    figures: dict[str, float] = {}
    for name in names:
        model = loader(name, ict=options.ict)
        load(model)  # packs Anny where that has not been done
        figures[f"{name}_start_seconds"] = start_seconds(model)
        for processes in PROCESSES:
            figures[f"{name}_pictures_per_second_{processes}"] = per_second(
                model, processes=processes, blocks=options.blocks, block=options.block
            )
        one, two = (figures[f"{name}_pictures_per_second_{n}"] for n in PROCESSES)
        figures[f"{name}_gain_of_two"] = two / one
    result = {
        "machine": f"{processor_name()}, {os.cpu_count()} cores",
        "load_at_end": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "renderer": rendering(),
        "size": SIZE,
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "figures": {name: round(value, 2) for name, value in figures.items()},
    }
    print(f"{result['machine']}; {result['renderer']}; {result['versions']}")
    for name, value in result["figures"].items():
        print(f"{name:32} {value:10.2f}")
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
