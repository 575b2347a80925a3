"""Small experiments: ways to carry units over to photographs, and from one face model to the other.

None of it is shipped. All of them read the maps of stage 2's encoder, which has never seen a
rendered face and is not trained here; what differs is the small network on top of it. That takes
minutes, and shows what each way does by itself; the scores are lower than nano's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import ResNetModel

from mien.metrics import count_units, unit_auc, unit_f1, unit_macro_f1

from .augment import augment
from .faces import CLASSES, Faces
from .joint import MILD
from .rendered import UNITS, Rendered, presence
from .score_units import CLOSED, MEASURES, best_thresholds, geometry, spearman
from .transfer import Regressor, coral, restyle
from .vision import SIZE

VIEWS = 2
"""Augmented views of each rendered face."""
GRID = 3
EPOCHS = 12
WIDTH = 256
PSEUDO = 0.3
"""Weight of pseudo-labels on photographs."""
REAL = 6000
"""Photographs that take part in alignment and pseudo-labels."""


@dataclass(frozen=True)
class Maps:
    """What the encoder sees.

    Attributes:
        plain: (N, D) float16 of the rendered faces as they are.
        views: for each way of styling, (VIEWS, N, D).
        real: (REAL, D) of photographs to learn from, and their row numbers.
        checked: (M, D) of the held-out photographs.
    """

    plain: Tensor
    views: dict[bool, Tensor]
    real: Tensor
    real_rows: NDArray[np.int64]
    checked: Tensor


def experiments(
    faces: Faces, rendered: Rendered, vision: Path, out: Path, *, seed: int
) -> dict[str, Any]:
    """Runs all of them.

    Args:
        faces: FER2013; its "select" part stands for photographs.
        rendered: rendered faces.
        vision: folder of stage 2.
        out: folder of the recipe, with `landmarks.npz`.
        seed: of every run.
    """
    maps = look_once(faces, rendered, vision, seed=seed)
    found = np.load(out / "landmarks.npz")
    regressor = Regressor(rendered, rendered.where("fit"))
    # The three units that landmarks can check are left to the rendered faces.
    pseudo = regressor(found["L"][maps.real_rows], found["B"][maps.real_rows])
    pseudo[:, [UNITS.index(au) for au in (25, 26, 43)]] = np.nan
    result: dict[str, Any] = {"transfer": {}, "cross": {}}
    both = rendered.where("fit")
    for name, style, alignment, labels in (
        ("plain", False, 0.0, None),
        ("style", True, 0.0, None),
        ("style and alignment", True, 1.0, None),
        ("style and pseudo-labels", True, 0.0, pseudo),
    ):
        network = train_head(
            maps, rendered, both, style=style, alignment=alignment, pseudo=labels, seed=seed
        )
        held_out = rendered.where("test")
        result["transfer"][name] = {
            "rendered": _on_rendered(network, maps, rendered, held_out),
            "photographs": _on_photographs(network, maps, faces, found["L"]),
        }
    for learned, tested in (("anny", "ict"), ("ict", "anny")):
        rows = rendered.where("fit", models=(learned,))
        network = train_head(
            maps, rendered, rows, style=True, alignment=0.0, pseudo=None, seed=seed
        )
        result["cross"][f"{learned} to {tested}"] = _cross(network, maps, rendered, learned, tested)
    return result


@torch.inference_mode()
def look_once(faces: Faces, rendered: Rendered, vision: Path, *, seed: int) -> Maps:
    """Runs the frozen encoder over everything."""
    encoder = ResNetModel.from_pretrained(vision / "encoder", dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    fit = torch.from_numpy(faces.images[faces.where("fit")])

    def seen(images: NDArray[np.uint8], strength: float, style: bool) -> Tensor:
        batches = []
        for first in range(0, len(images), 256):
            batch = torch.from_numpy(images[first : first + 256])
            if style:
                picked = torch.randint(len(fit), (len(batch),), generator=generator)
                share = torch.rand(len(batch), generator=generator)
                share *= torch.rand(len(batch), generator=generator) < 0.5
                batch = restyle(batch, fit[picked], share)
            x = augment(batch, SIZE, generator, torch.full((len(batch),), strength))
            with torch.autocast("cpu", torch.bfloat16):
                x = x.contiguous(memory_format=torch.channels_last)
                states = encoder(pixel_values=x, output_hidden_states=True).hidden_states
            pooled = [F.adaptive_avg_pool2d(s.float(), GRID).flatten(1) for s in states[-3:]]
            batches.append(torch.cat(pooled, 1).half())
        return torch.cat(batches)

    rows = np.random.default_rng(seed).permutation(faces.where("fit"))[:REAL]
    return Maps(
        plain=seen(rendered.images, 0.0, False),
        views={
            style: torch.stack([seen(rendered.images, MILD, style) for _ in range(VIEWS)])
            for style in (False, True)
        },
        real=seen(faces.images[rows], MILD, False),
        real_rows=rows,
        checked=seen(faces.images[faces.where("select")], 0.0, False),
    )


class Head(nn.Module):
    """Maps to presence and intensity.

    Args:
        mean, std: (D,) of the maps that it is trained on.
    """

    def __init__(self, mean: Tensor, std: Tensor):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.inner = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(len(mean), WIDTH), nn.GELU(), nn.Dropout(0.4)
        )
        self.outer = nn.Linear(WIDTH, 2 * len(UNITS))

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of (B, D): presence logits and intensities (B, 19), and the inner layer (B, WIDTH)."""
        inner = self.inner((maps.float() - self.mean) / self.std)
        presence_logits, intensity = self.outer(inner).chunk(2, 1)
        return presence_logits, intensity, inner


def train_head(
    maps: Maps,
    rendered: Rendered,
    rows: NDArray[np.int64],
    *,
    style: bool,
    alignment: float,
    pseudo: NDArray[np.float32] | None,
    seed: int,
) -> Head:
    """Trains a head on the maps of some rendered faces.

    Args:
        maps: from `look_once`.
        rendered: labels.
        rows: faces to learn from.
        style: learn from restyled views.
        alignment: weight of `coral` between rendered faces and photographs.
        pseudo: (REAL, 19) intensities of the photographs, NaN where unknown.
        seed: of weights and order.
    """
    torch.manual_seed(seed)
    views = maps.views[style][:, torch.from_numpy(rows)]
    flat = views[0].float()
    head = Head(flat.mean(0), flat.std(0) + 1e-3)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.02)
    steps = EPOCHS * (len(rows) // 256)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    truth = torch.from_numpy(rendered.known()[rows])
    real_truth = torch.full((len(maps.real), len(UNITS)), torch.nan)
    if pseudo is not None:
        real_truth = torch.from_numpy(pseudo)
    for _ in range(EPOCHS):
        order = torch.randperm(len(rows))
        for first in range(0, len(order) - 255, 256):
            chosen = order[first : first + 256]
            logits, intensity, inner = head(views[int(torch.randint(VIEWS, ())), chosen])
            loss = _loss(logits, intensity, truth[chosen])
            if alignment or pseudo is not None:
                others = torch.randint(len(maps.real), (128,))
                real_logits, real_intensity, real_inner = head(maps.real[others])
                if alignment:
                    loss = loss + alignment * coral(real_inner, inner)
                if pseudo is not None:
                    loss = loss + PSEUDO * _loss(real_logits, real_intensity, real_truth[others])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return head.eval()


def _loss(logits: Tensor, intensity: Tensor, units: Tensor) -> Tensor:
    known = torch.isfinite(units)
    units = units.nan_to_num(0.0)
    present = (units - 0.5).clamp(0, 1)
    found = F.binary_cross_entropy_with_logits(logits, present, reduction="none")
    graded = F.smooth_l1_loss(intensity, units / 5, reduction="none", beta=0.1)
    return ((found + 2 * graded) * known).sum() / known.sum().clamp(min=1)


@torch.inference_mode()
def _answers(head: Head, maps: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    logits, intensity, _ = head(maps)
    return logits.sigmoid().numpy(), intensity.numpy()


def _on_rendered(
    head: Head, maps: Maps, rendered: Rendered, rows: NDArray[np.int64]
) -> dict[str, float]:
    """Macro-F1 at the best thresholds of the held-out training people, and AUC."""
    own = rendered.where("select")
    truth = presence(rendered.known())
    thresholds = best_thresholds(truth[own], _answers(head, maps.plain[own])[0])
    return _scores(truth[rows], _answers(head, maps.plain[rows])[0], thresholds)


def _scores(
    truth: NDArray[np.floating], scores: NDArray[np.floating], thresholds: NDArray[np.floating]
) -> dict[str, Any]:
    counts = count_units(truth, (scores >= thresholds).astype(float), UNITS)
    auc = unit_auc(truth, scores, UNITS)
    return {
        "macro_f1": round(unit_macro_f1(counts), 4),
        "auc": round(float(np.mean(list(auc.values()))), 4),
        "f1": {str(au): round(float(v), 3) for au, v in unit_f1(counts).items()},
    }


def _on_photographs(
    head: Head, maps: Maps, faces: Faces, points: NDArray[np.floating]
) -> dict[str, float]:
    """How units follow labels and landmarks on held-out photographs."""
    rows = faces.where("select")
    found, intensity = _answers(head, maps.checked)
    measured = np.array(
        [geometry(p) if np.isfinite(p).all() else (np.nan,) * len(MEASURES) for p in points[rows]]
    )
    names = np.array(CLASSES)[faces.labels[rows]]
    smiles = found[:, UNITS.index(12)] >= 0.5
    closed = np.isin(names, ("sadness", "anger")) & (measured[:, 0] < CLOSED)
    result = {
        "au12_of_happiness": float(smiles[names == "happiness"].mean()),
        "au12_of_sadness_and_anger_closed": float(smiles[closed].mean()),
    }
    for place, (au, what) in enumerate(MEASURES):
        known = np.isfinite(measured[:, place])
        graded = intensity[known, UNITS.index(au)]
        result[f"au{au}_{what}"] = spearman(graded, measured[known, place])
    return {name: round(value, 4) for name, value in result.items()}


def _cross(head: Head, maps: Maps, rendered: Rendered, learned: str, tested: str) -> dict[str, Any]:
    """A head and the ridge regressor, both trained on one face model, on the other and itself.

    The thresholds of both are the best ones on the held-out people of the model that they know.
    """
    truth = presence(rendered.known())
    own = rendered.where("select", models=(learned,))
    regressor = Regressor(rendered, rendered.where("fit", models=(learned,)))
    ridge = regressor(rendered.landmarks, rendered.blendshapes)
    cuts = {
        "network": best_thresholds(truth[own], _answers(head, maps.plain[own])[0]),
        "ridge": best_thresholds(truth[own], ridge[own]),
    }
    result: dict[str, Any] = {}
    for name, model in (("within", learned), ("across", tested)):
        rows = rendered.where("test", models=(model,))
        network = _answers(head, maps.plain[rows])[0]
        for kind, scores in (("network", network), ("ridge", ridge[rows])):
            result[f"{name}_{kind}"] = _scores(truth[rows], scores, cuts[kind])
    return result
