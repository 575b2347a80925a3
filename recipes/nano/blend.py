"""Weights between two stages, which keep what both know (Wortsman et al., *WiSE-FT*, CVPR 2022)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from .augment import augment
from .faces import Faces
from .joint import MILD, UnitEncoder, load_joint
from .rendered import Rendered
from .vision import SIZE

SEEN = 6144
"""Pictures from which the statistics of batch norm are measured anew."""


def blend(
    faces: Faces,
    rendered: Rendered,
    vision: Path,
    joint: Path,
    out: Path,
    *,
    share: float,
    seed: int,
) -> Path:
    """Saves a network whose encoder and expression head lie between stage 2's and a later one's.

    Args:
        faces: photographs.
        rendered: rendered faces; both measure the statistics of batch norm.
        vision: folder of stage 2.
        joint: folder of a cycle of stage 3; its unit head is kept as it is.
        out: folder to write.
        share: of the later weights, in [0, 1].
        seed: of the pictures.

    Returns:
        `out`, for `load_joint` and for `train_joint` to go on from.
    """
    later = load_joint(joint).state_dict()
    earlier = load_file(vision / "heads.safetensors")
    mixed = {
        name: share * value + (1 - share) * earlier[name]
        if name in earlier and earlier[name].shape == value.shape and value.is_floating_point()
        else value
        for name, value in later.items()
    }
    network = UnitEncoder()
    network.load_state_dict(mixed)
    settle(network, faces, rendered, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    state["class_weights"] = earlier["class_weights"]
    network.encoder.save_pretrained(out / "encoder")
    save_file(state, out / "heads.safetensors")
    return out


@torch.no_grad()
def settle(network: UnitEncoder, faces: Faces, rendered: Rendered, *, seed: int) -> None:
    """Measures the statistics of batch norm, which may not be interpolated, on both kinds."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    rng = np.random.default_rng(seed)
    images = np.concatenate(
        [
            faces.images[rng.choice(faces.where("fit"), 3 * SEEN // 5)],
            rendered.images[rng.choice(rendered.where("fit"), SEEN - 3 * SEEN // 5)],
        ]
    )
    rng.shuffle(images)
    generator = torch.Generator().manual_seed(seed)
    network.train()
    for first in range(0, len(images) - 255, 256):
        batch = torch.from_numpy(images[first : first + 256])
        network(augment(batch, SIZE, generator, torch.full((len(batch),), MILD)))
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
