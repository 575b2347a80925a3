"""ICT-FaceKit (USC Institute for Creative Technologies, MIT) as a face model.

Read from a checkout of the repository `ICT-VGL/ICT-FaceKit` (its folder `FaceXModel` of .obj files)
or from a packed .npz of the same arrays. Vertex ranges and landmark vertices are from the model's
own documentation.

Source: Li et al., *Learning Formation of Physically-Based Face Attributes*, CVPR 2020.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien import arkit
from mien.synth.facemodel import Floats, Ints, Mesh, Part, Person, centre_between_eyes, subset

PEOPLE = 1_000_000
"""Numbers that `person` takes; each seeds its own draw of coefficients."""
COEFFICIENT_STD = 0.75
"""Standard deviation of identity coefficients; larger ones give caricatures."""

_RANGES = (  # first vertex, one behind the last, part; what is in no range is left out
    (0, 11248, Part.SKIN),  # face, head and neck
    (11248, 13294, Part.MOUTH),  # mouth socket
    (13294, 14062, Part.SKIN),  # eye sockets
    (14062, 17039, Part.MOUTH),  # gums and tongue
    (17039, 21451, Part.TEETH),
    (21451, 24591, Part.EYE),
    (25351, 26719, Part.LASH),
)
_LEFT_EYE, _RIGHT_EYE = (21451, 23021), (23021, 24591)
# fmt: off
_LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088,
    3443, 268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140,
    2075, 1147, 4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216,
    6207, 6470, 5517, 5966,
)
# fmt: on


class IctFace:
    """ICT-FaceKit.

    Args:
        source: packed .npz, or a checkout of the repository (or its folder `FaceXModel`).

    Raises:
        ValueError: if the source is neither; the message says what was looked for.
    """

    name = "ict"
    licence = "MIT (ICT-FaceKit)"
    people = PEOPLE

    def __init__(self, source: Path):
        neutral, triangles, actions, names, identity = _read(source)
        parts = np.full(len(neutral), 255, np.uint8)
        for first, last, part in _RANGES:
            parts[first:last] = part
        by_vertex = (np.moveaxis(actions, 1, 0), np.moveaxis(identity, 1, 0))
        triangles, kept, number = subset(parts != 255, triangles, neutral, parts, *by_vertex)
        rest = np.asarray(kept[0], np.float32)
        eyes: tuple[Ints, Ints] = tuple(_kept(number[a:b]) for a, b in (_LEFT_EYE, _RIGHT_EYE))  # type: ignore[assignment]
        self._identity = np.ascontiguousarray(np.moveaxis(kept[3], 1, 0), np.float32)
        self.mesh = Mesh(
            template=rest - centre_between_eyes(rest, eyes),
            triangles=triangles,
            parts=np.asarray(kept[1], np.uint8),
            actions=np.ascontiguousarray(np.moveaxis(kept[2], 1, 0), np.float32),
            action_names=tuple(arkit.canonical(name) for name in names),
            landmarks=number[list(_LANDMARKS)],
            eyeballs=eyes,
        )

    def person(self, number: int) -> Person:
        """A person with coefficients of N(0, 0.75); the model knows no attributes of them."""
        if not 0 <= number < PEOPLE:
            raise ValueError(f"person {number} is not in [0, {PEOPLE})")
        rng = np.random.default_rng([number, 0x1C7])
        drawn = rng.normal(0, COEFFICIENT_STD, len(self._identity)).clip(-2, 2)
        return Person(number, tuple(drawn.round(4).tolist()))

    def at_rest(self, person: Person) -> Floats:
        """(V, 3) vertices at rest."""
        weights = np.asarray(person.coefficients, np.float32)
        V = len(self.mesh.template)
        offsets = weights @ self._identity.reshape(len(weights), -1)
        vertices = self.mesh.template + offsets.reshape(V, 3)
        return vertices - centre_between_eyes(vertices, self.mesh.eyeballs)


def _kept(numbers: Ints) -> Ints:
    return numbers[numbers >= 0]


def _read(source: Path) -> tuple[Floats, Ints, Floats, list[str], Floats]:
    """Neutral (V, 3), triangles (T, 3), actions (K, V, 3), their names, identity (100, V, 3)."""
    if source.is_file() and source.suffix == ".npz":
        with np.load(source) as packed:
            missing = {"neutral", "tri", "E", "names", "I"} - set(packed.files)
            if missing:
                raise ValueError(f"{source}: no packed ICT-FaceKit, it lacks {sorted(missing)}")
            return (
                packed["neutral"].astype(np.float32),
                packed["tri"].astype(np.int32),
                packed["E"].astype(np.float32),
                [str(name) for name in packed["names"]],
                packed["I"].astype(np.float32),
            )
    folder = source / "FaceXModel" if (source / "FaceXModel").is_dir() else source
    if not (folder / "generic_neutral_mesh.obj").is_file():
        raise ValueError(
            f"{source}: neither a packed .npz nor a checkout of ICT-VGL/ICT-FaceKit (looked for "
            "FaceXModel/generic_neutral_mesh.obj); get it with "
            "`git clone https://github.com/ICT-VGL/ICT-FaceKit`"
        )
    return _read_checkout(folder)


def _read_checkout(folder: Path) -> tuple[Floats, Ints, Floats, list[str], Floats]:
    neutral, triangles = _read_obj(folder / "generic_neutral_mesh.obj")
    identity_files = sorted(folder.glob("identity*.obj"))
    if not identity_files:
        raise ValueError(f"{folder}: no identity*.obj; the checkout is not complete")
    names = []
    actions = []
    for path in sorted(folder.glob("*.obj")):
        try:
            arkit.canonical(path.stem)
        except ValueError:
            continue  # the neutral mesh, identities, and files that are no facial action
        names.append(path.stem)
        actions.append(_read_obj(path)[0] - neutral)
    if not names:
        raise ValueError(f"{folder}: no facial action such as browDown_L.obj")
    identity = np.stack([_read_obj(path)[0] - neutral for path in identity_files])
    return neutral, triangles, np.stack(actions), names, identity


def _read_obj(path: Path) -> tuple[Floats, Ints]:
    """Vertices (V, 3) and triangles (T, 3) of a Wavefront file; polygons become fans."""
    vertices: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    with path.open() as lines:
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "v":
                vertices.append([float(x) for x in rest.split()[:3]])
            elif kind == "f":
                corner = [int(word.split("/")[0]) - 1 for word in rest.split()]
                triangles += [
                    (corner[0], corner[i], corner[i + 1]) for i in range(1, len(corner) - 1)
                ]
    return np.array(vertices, np.float32), np.array(triangles, np.int32)
