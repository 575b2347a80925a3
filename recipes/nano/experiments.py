"""Short runs that compare ways to carry units over to photographs, and face models to each other.

None of them is shipped. Each starts from stage 2 and sees small pictures only, so that its scores
are lower than nano's; they are to be compared with one another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mien.metrics import count_units, unit_auc, unit_f1, unit_macro_f1

from .faces import CLASSES, Faces
from .joint import Transfer, UnitEncoder, load_joint, look, train_joint
from .rendered import UNITS, Rendered
from .score_units import CLOSED, best_thresholds, geometry, spearman
from .transfer import Regressor
from .vision import EARLY_SIZE

EPOCHS = 2
CROSS_EPOCHS = 8


def experiments(
    faces: Faces, rendered: Rendered, vision: Path, out: Path, *, seed: int, **overrides: Any
) -> dict[str, Any]:
    """Runs all of them.

    Args:
        faces: FER2013; its "select" part stands for photographs.
        rendered: rendered faces.
        vision: folder of stage 2.
        out: folder of the recipe, with `landmarks.npz`; runs go to `out/experiments`.
        seed: of every run.
        **overrides: fields of `TrainingArguments`.
    """
    found = np.load(out / "landmarks.npz")
    regressor = Regressor(rendered, rendered.where("fit"))
    # The three units that landmarks can check are left to the rendered faces.
    pseudo = regressor(found["L"], found["B"])
    pseudo[:, [UNITS.index(au) for au in (25, 26, 43)]] = np.nan
    result: dict[str, Any] = {"transfer": {}, "cross": {}}
    for name, transfer in (
        ("plain", Transfer(style=0.0)),
        ("style", Transfer(style=0.5)),
        ("style and alignment", Transfer(style=0.5, alignment=1.0)),
        ("style and pseudo-labels", Transfer(style=0.5, pseudo=0.3)),
    ):
        folder = out / "experiments" / name.replace(" ", "-")
        if not (folder / "heads.safetensors").exists():
            train_joint(
                faces, rendered, vision, folder, epochs=EPOCHS, seed=seed, transfer=transfer,
                pseudo=pseudo if transfer.pseudo else None, real_share=0.25, small=True,
                **overrides,
            )  # fmt: skip
        network = load_joint(folder)
        result["transfer"][name] = {
            "rendered": unit_scores(network, rendered, rendered.where("select")),
            "photographs": on_photographs(network, faces, found["L"]),
        }
    for learned, tested in (("anny", "ict"), ("ict", "anny")):
        folder = out / "experiments" / f"{learned}-only"
        if not (folder / "heads.safetensors").exists():
            train_joint(
                faces, rendered, vision, folder, epochs=CROSS_EPOCHS, seed=seed,
                transfer=Transfer(style=0.5), models=(learned,), real_share=0.1, small=True,
                **overrides,
            )  # fmt: skip
        result["cross"][f"{learned} to {tested}"] = cross_scores(
            load_joint(folder), rendered, learned, tested
        )
    return result


def unit_scores(network: UnitEncoder, rendered: Rendered, rows: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    """Macro-F1 at a probability of a half, and AUC."""
    _, presence, _ = look(network, rendered.images[rows], size=EARLY_SIZE)
    truth = rendered.present()[rows]
    counts = count_units(truth, (presence >= 0.5).astype(float), UNITS)
    auc = unit_auc(truth, presence, UNITS)
    return {"macro_f1": unit_macro_f1(counts), "auc": float(np.mean(list(auc.values())))}


def on_photographs(network: UnitEncoder, faces: Faces, points: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    """How units follow labels and landmarks on held-out photographs."""
    rows = faces.where("select")
    _, presence, intensity = look(network, faces.images[rows], size=EARLY_SIZE)
    measured = np.array(
        [geometry(p) if np.isfinite(p).all() else (np.nan,) * 3 for p in points[rows]]
    )
    names = np.array(CLASSES)[faces.labels[rows]]
    smiles = presence[:, UNITS.index(12)] >= 0.5
    closed = np.isin(names, ("sadness", "anger")) & (measured[:, 0] < CLOSED)
    result = {
        "au12_of_happiness": float(smiles[names == "happiness"].mean()),
        "au12_of_sadness_and_anger_closed": float(smiles[closed].mean()),
    }
    for place, au in enumerate((25, 26, 43)):
        known = np.isfinite(measured[:, place])
        graded = intensity[known, UNITS.index(au)]
        result[f"au{au}_rank_correlation"] = spearman(graded, measured[known, place])
    return {name: round(value, 4) for name, value in result.items()}


def cross_scores(
    network: UnitEncoder, rendered: Rendered, learned: str, tested: str
) -> dict[str, Any]:
    """A network and the ridge regressor, both trained on one face model, on the other and itself.

    The thresholds of both are the best ones on the held-out people of the model that they know.
    """
    truth = rendered.present()
    own = rendered.where("select", models=(learned,))
    _, known, _ = look(network, rendered.images[own], size=EARLY_SIZE)
    regressor = Regressor(rendered, rendered.where("fit", models=(learned,)))
    ridge = regressor(rendered.landmarks, rendered.blendshapes)
    cuts = {
        "network": best_thresholds(truth[own], known),
        "ridge": best_thresholds(truth[own], ridge[own]),
    }
    result: dict[str, Any] = {}
    for name, model in (("within", learned), ("across", tested)):
        rows = rendered.where("test", models=(model,))
        _, presence, _ = look(network, rendered.images[rows], size=EARLY_SIZE)
        for kind, scores in (("network", presence), ("ridge", ridge[rows])):
            counts = count_units(truth[rows], (scores >= cuts[kind]).astype(float), UNITS)
            auc = unit_auc(truth[rows], scores, UNITS)
            result[f"{name}_{kind}"] = {
                "macro_f1": round(unit_macro_f1(counts), 4),
                "auc": round(float(np.mean(list(auc.values()))), 4),
                "f1": {str(au): round(v, 3) for au, v in unit_f1(counts).items()},
            }
    return result
