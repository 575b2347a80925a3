"""The shipped model for clips: whole, small, and the same alone and in a batch."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from mien.engines.local_model import LocalModel
from mien.models.priors import EncoderEmbedding, FacePriors
from mien.weights import ROOT, verify

TOTAL = 45_000_000
"""Bytes of all weights in the package."""


def test_size_and_manifest():
    folder = verify("nano_video")
    listed = json.loads((ROOT / "manifest.json").read_text())["nano_video"]
    assert {"model.safetensors", "config.json"} <= set(listed)
    assert sum(f.stat().st_size for f in ROOT.rglob("*") if f.is_file()) < TOTAL
    weights = load_file(folder / "model.safetensors")
    assert {t.dtype for t in weights.values() if t.is_floating_point()} == {torch.float16}
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
def test_it_stands_by_itself(core, crops, tmp_path):
    """Copied elsewhere, it loads without anything of nano, and makes its own face embedding."""
    place = tmp_path / "copy"
    shutil.copytree(verify("nano_video"), place)
    other = LocalModel.from_folder(place, name="other", device=torch.device("cpu"))
    known = [[FacePriors()] * len(crops)]
    for one, two in zip(
        core.look([crops], known).scores, other.look([crops], known).scores, strict=True
    ):
        assert np.array_equal(one, two)
    embedding = EncoderEmbedding(core.model, core.processor.image_processor)(crops)
    given = [[FacePriors(embedding=row) for row in embedding]]
    unknown = [[None] * len(crops)]
    own, told, bare = (core.look([crops], p).scores[0] for p in (known, given, unknown))
    assert np.allclose(own, told, atol=1e-4)
    assert not np.allclose(own, bare, atol=1e-4)
