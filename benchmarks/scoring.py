"""How long scoring takes: 100,000 recorded answers, 1,000 bootstrap draws.

    python benchmarks/scoring.py [--faces 20000] [--processes 2]

Writes a run of the five tasks of FEABench on made-up faces with the 19 units of FEABench-Synth,
then scores it as `mien bench rescore` does, and prints seconds and the largest memory. Texts are
made by `mien.language.describe` from labels that are partly wrong, so nearly all of them differ;
answers of real models repeat more, and identical texts are read once.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mien import facs
from mien.bench.answer_log import AnswerStore, Record
from mien.bench.run import RUN_FILE, item_id, versions
from mien.bench.score.folder import read_folder, score_run
from mien.bench.score.reading import cores
from mien.bench.source import SAMPLES_FILE
from mien.bench.suite import Suite, load_suite
from mien.language import describe
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

DRAWS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=cores())
    arguments = parser.parse_args()
    suite = load_suite("feabench-synth")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_run(folder, suite, arguments.faces)
        print(f"{count:,} answers about {arguments.faces:,} faces")
        start, before = time.perf_counter(), time.process_time()
        scored = read_folder(folder, processes=arguments.processes)
        read = time.perf_counter()
        result = score_run(scored, samples=DRAWS)
        end = time.perf_counter()
    print(f"reading and parsing with {arguments.processes} processes: {read - start:.1f} s")
    print(f"scores and intervals of {DRAWS:,} draws: {end - read:.1f} s")
    used = sum(
        (usage := resource.getrusage(who)).ru_utime + usage.ru_stime
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"together {end - start:.1f} s, {used - before:.1f} s of processor time")
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"largest memory: {own:.0f} MB, and {children:.0f} MB in the largest reading process")
    for task in result.tasks:
        figures = {name: round(task.figures[name].value or 0, 3) for name in task.headline}
        print(f"{task.name}: {task.items:,} items, {figures}")


def write_run(folder: Path, suite: Suite, faces: int) -> int:
    """Writes samples and answers; the number of answers."""
    rng = random.Random(0)
    count = 0
    header = {
        "suite": {"name": suite.name, "version": suite.version, "hash": suite.hash()},
        "prompts": suite.prompt_hashes(),
        "data": "made up",
        "model": "recorded",
        "identity": {},
        "scoring": "text",
        "crop": {"size": 0, "scale": 1.0, "shift": 0.0, "align": False},
    }
    with (folder / SAMPLES_FILE).open("w") as file, AnswerStore(folder, header) as store:
        for sample in samples(suite, faces, rng):
            file.write(sample.to_json() + "\n")
            for task in suite.tasks:
                text = answer(task.kind, sample, suite, rng)
                store.append(Record(item_id(sample, task), "ok", text=text))
                count += 1
    info = {"suite": suite.to_dict(), "settings": {}, "versions": versions(), "data": {}}
    (folder / RUN_FILE).write_text(json.dumps(info))
    return count


def samples(suite: Suite, faces: int, rng: random.Random) -> Iterator[Sample]:
    """Faces of as many people as there are faces by ten, with random labels."""
    names = facs.LABEL_SETS[suite.label_set]
    for k in range(faces):
        units = []
        for unit in suite.units:
            grade = rng.choice((0, 0, 0, 0, 0, 1.7, 2.6, 4.1))
            units.append(ActionUnit(unit, rng.choice((grade > 0, grade > 0, None)), None, grade))
        yield Sample(
            id=f"face-{k:06}",
            dataset="made up",
            image=f"{k}.png",
            subject=f"person-{k // 10}",
            expression=Expression(rng.choice(names), suite.label_set),
            action_units=tuple(units),
            attributes={"gender": rng.choice(("female", "male")), "age": rng.uniform(18, 80)},
        )


def answer(kind: str, sample: Sample, suite: Suite, rng: random.Random) -> str:
    """What a model may have said: mostly right, sometimes wrong, sometimes unreadable."""
    if rng.random() < 0.03:
        return rng.choice(("", "I cannot tell from this picture.", "Perhaps fear or anger."))
    assert sample.expression is not None
    names = facs.LABEL_SETS[suite.label_set]
    name = sample.expression.label if rng.random() < 0.7 else rng.choice(names)
    units = {
        unit.au: rng.choice((1.0, 2.0, 3.0, 4.0))
        for unit in sample.action_units or ()
        if rng.random() < (0.7 if unit.present else 0.05)
    }
    return describe(kind, expression=name, units=units, rng=rng)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
