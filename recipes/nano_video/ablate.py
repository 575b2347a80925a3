"""What each part is worth: the same short training with one part changed, on clips and stills."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from .looked import Looked
from .score import Called, calibrated, called, difference, scores
from .training import answers, load_sets, train_variant, tuning_set

log = logging.getLogger("recipes.nano_video")

VISITS = {"clips-fit": 4, "fer-fit": 1, "rendered-fit": 1}
STEPS = 200
RUNS: dict[str, tuple[str, bool]] = {
    "whole": ("whole", False),
    "without global": ("no global", False),
    "without local": ("no local", False),
    "without priors": ("no priors", False),
    "attributes told": ("whole", True),
    "context only": ("context only", False),
    "content only": ("content only", False),
}
"""Name of the run to the key of `VARIANTS` and whether attributes are told."""
TESTS = ("clips", "feabench")
"""What ablations answer for."""


def ablate(features: Path, out: Path, tests: dict[str, Looked], *, blendshapes: list[str]) -> Path:
    """Trains every run that `out` lacks, scores it, and writes `ablations.json`.

    Args:
        features: folder of `features`.
        out: folder of the runs.
        tests: name to clips or stills, "clips" among them.
        blendshapes: names in the order of the cache.
    """
    out.mkdir(parents=True, exist_ok=True)
    sets = load_sets(features)
    tests = {name: tests[name] for name in TESTS}
    found: dict[str, dict[str, Any]] = {}
    first: dict[str, Called] = {}
    path = out / "ablations.json"
    for name, (variant, attributes) in RUNS.items():
        log.info("ablation: %s", name)
        model, processor = train_variant(
            sets,
            out / name.replace(" ", "-"),
            variant=variant,
            blendshapes=blendshapes,
            visits=VISITS,
            seed=1,
            limit=STEPS,
            attributes=attributes,
            text_share=0.0,
            save_strategy="no",
        )
        tuning, photographs = tuning_set(sets)
        raw = answers(model, processor, tuning, attributes=attributes)
        calibration = calibrated(tuning, *raw, photographs)
        row: dict[str, Any] = {}
        for test, looked in tests.items():
            raw = answers(model, processor, looked, attributes=attributes)
            answer = called(*raw, calibration)
            row[test] = scores(looked, answer)
            if name == "whole":
                first[test] = answer
            else:
                row[test]["less_whole"] = difference(looked, answer, first[test])
        found[name] = row
        path.write_text(json.dumps(found, indent=1))
    return path
