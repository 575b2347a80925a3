"""Makes mien/nano-video: EMO-LLaMA at nano's size, for clips and pictures."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .ablate import ablate
from .clips import make_clips
from .export import install
from .features import compute, load_clips
from .looked import Looked
from .score import POOLINGS, by_case, calibrated, called, check_reading, difference, pooled, scores
from .training import answers, load_sets, mean_of, train_variant, tuning_set

log = logging.getLogger("recipes.nano_video")


@dataclass(frozen=True)
class Run:
    """One of the trainings whose weights are averaged; all start from the same ones.

    Attributes:
        visits: how often each set is gone over.
        spliced: share of clips that another is cut into.
        order: seed of the order and of what varies.
    """

    visits: dict[str, int]
    spliced: float
    order: int


SHORT = {"clips-fit": 4, "fer-fit": 1, "rendered-fit": 2}
LONG = {**SHORT, "clips-fit": 7}
RUNS = (Run(SHORT, 0.3, 0), Run(LONG, 0.5, 0), Run(SHORT, 0.3, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with fer2013.parquet")
    parser.add_argument("--ict", type=Path, required=True, help="checkout or .npz of ICT-FaceKit")
    parser.add_argument("--nano", type=Path, required=True, help="run folder of recipes.nano")
    parser.add_argument("--out", type=Path, default=Path("runs/nano_video"))
    parser.add_argument("--train", type=int, default=3000, help="clips for training")
    parser.add_argument("--test", type=int, default=2000, help="clips of unseen people")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--install", action="store_true", help="put the result into the package")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    clips, features = options.out / "clips", options.out / "features"
    make_clips(clips, ict=options.ict, train=options.train, test=options.test)
    compute(clips, options.data, options.nano, features)
    with np.load(options.nano / "landmarks.npz") as stored:
        blendshapes = [str(name) for name in stored["names"]]
    sets, tests = load_sets(features), load_tests(features)
    model, processor = train_runs(sets, options.out, blendshapes, seed=options.seed)
    tuning, photographs = tuning_set(sets)
    raw = answers(model, processor, tuning)
    model.config.calibration = calibrated(tuning, *raw, photographs)
    check_reading(*raw, model.config.calibration)
    figures = score(model, processor, tests)
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1))
    log.info("%s", json.dumps(figures["clips_difference"]))
    if options.install:
        log.info("installed in %s", install(model, processor, figures, options.out))
    if options.ablations:
        ablate(features, options.out / "ablations", tests, blendshapes=blendshapes)


def train_runs(
    sets: dict[str, Looked], out: Path, blendshapes: list[str], *, seed: int
) -> tuple[Any, Any]:
    """Trains every run that is not finished; returns the model of their mean weights."""
    states = []
    for number, run in enumerate(RUNS):
        log.info("run %d of %d", number + 1, len(RUNS))
        model, processor = train_variant(
            sets,
            out / f"run-{number}",
            variant="whole",
            blendshapes=blendshapes,
            visits=run.visits,
            seed=seed,
            spliced=run.spliced,
            order=run.order,
        )
        states.append(model.state_dict())
    model.load_state_dict(mean_of(states))
    return model, processor


def load_tests(features: Path) -> dict[str, Looked]:
    """Clips of unseen people that show a face at all, and both sets of stills."""
    clips = load_clips(features, "test")
    return {
        "clips": clips.rows(clips.found.any(1)),
        "fer": Looked.load(features / "fer-validation.npz"),
        "feabench": Looked.load(features / "feabench.npz"),
    }


def score(model: Any, processor: Any, tests: dict[str, Looked]) -> dict[str, Any]:
    """All figures of the card.

    Args:
        model: calibrated.
        processor: its processor.
        tests: from `load_tests`.
    """
    own = model.config.calibration
    nano = json.loads((nano_folder() / "config.json").read_text())["calibration"]
    clips = tests["clips"]
    answer = called(*answers(model, processor, clips), own)
    ways = {way: pooled(clips, way, nano) for way in POOLINGS}
    result: dict[str, Any] = {
        "clips": {
            "nano-video": scores(clips, answer),
            **{way: scores(clips, other) for way, other in ways.items()},
        },
        "clips_difference": {way: difference(clips, answer, o) for way, o in ways.items()},
        "clips_by_case": by_case(clips, {"nano-video": answer, **ways}),
        "frames": {"shown": int(clips.found.sum()), "of": int(clips.found.size)},
    }
    for name in ("fer", "feabench"):
        looked = tests[name]
        single = called(looked.expression[:, 0], looked.levels[:, 0], nano)
        for kind, priors in (("", True), ("_without_priors", False)):
            own_answer = called(*answers(model, processor, looked, priors=priors), own)
            result[name + kind] = {
                "nano-video": scores(looked, own_answer),
                "nano": scores(looked, single),
                "difference": difference(looked, own_answer, single),
            }
    return result


def nano_folder() -> Path:
    """Of the weights that are compared with."""
    from mien.weights import verify

    return verify("nano")


if __name__ == "__main__":
    main()
