"""The shipped model for clips: whole, small, and the same alone and in a batch."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from mien.engines.local_model import LocalModel
from mien.models.shared_weights import export_full
from mien.weights import ROOT, verify

LIMIT = 7_000_000
"""Bytes that nano-video may add to the package."""
TOTAL = 30_000_000
"""Bytes of all weights in the package."""


def test_size_and_manifest():
    folder = verify("nano_video")
    listed = json.loads((ROOT / "manifest.json").read_text())["nano_video"]
    assert {"own.safetensors", "shared.json", "config.json"} <= set(listed)
    assert "model.safetensors" not in listed
    assert sum(entry["bytes"] for entry in listed.values()) < LIMIT
    assert sum(f.stat().st_size for f in ROOT.rglob("*") if f.is_file()) < TOTAL
    assert not [n for n in load_file(folder / "own.safetensors") if "vision_tower" in n]
    assert (folder / "CARD.md").is_file()


slow = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def core():
    device = torch.device("cpu")
    return LocalModel.from_folder(verify("nano_video"), name="mien/nano-video", device=device)


@pytest.fixture(scope="module")
def crops():
    """A smiling face that is dark at first."""
    face = Image.open("examples/astronaut.jpg").convert("RGB").crop((165, 60, 275, 175))
    bright = np.asarray(face.resize((48, 48)))
    return [(bright * share).astype(np.uint8) for share in (0.6, 0.8, 1.0, 1.0)]


@slow
def test_a_clip_and_a_picture(core, crops):
    seen = core.look([crops, crops[2]])
    assert seen.scores[0].shape == (2, 7)
    for row in range(2):
        expression, units = core.read([group[row] for group in seen.scores])
        assert expression.label == "happiness"
        assert next(u for u in units if u.au == 12).present


@slow
def test_alone_and_in_a_batch(core, crops):
    together = core.look([crops, crops[:2]]).scores
    alone = core.look([crops[:2]]).scores
    for one, two in zip(alone, together, strict=True):
        assert np.allclose(one[0], two[1], atol=1e-3)


@slow
def test_exported_folder_is_the_same_model(core, crops, tmp_path):
    export_full(verify("nano_video"), tmp_path)
    other = LocalModel.from_folder(tmp_path, name="other", device=torch.device("cpu"))
    for one, two in zip(core.look([crops]).scores, other.look([crops]).scores, strict=True):
        assert np.allclose(one, two, atol=0.05)  # stored in half precision
