"""The local engine reads pictures with EMO-LLaMA as it does with FEALLM."""

import numpy as np
import pytest
import torch

from mien.engines.local_model import LocalModel
from mien.language import prompt_for
from mien.models.branches import score_branches
from tests.engines.tiny_clips import save_emo_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_emo_llama(tmp_path_factory.mktemp("emo"))


@torch.inference_mode()
def test_numbers_and_words(folder):
    local = LocalModel.from_folder(folder, name="emo", device=torch.device("cpu"))
    assert local.crop_spec.size == 64
    crops = list(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    seen = local.look(crops)
    expected = []
    for picture in (crops[1], crops[1][:, ::-1]):
        inputs = local.processor(
            images=picture, instructions=[prompt_for("analysis")], return_tensors="pt"
        )
        inputs.update(local.prompts([local.question]))
        expected.append(score_branches(local.model, local.tree, **inputs))
    for number, group in enumerate(seen.scores):
        mean = (expected[0][number] + expected[1][number])[0] / 2
        assert np.allclose(group[1], mean.numpy(), atol=1e-4)
    expression, units = local.read([group[0] for group in seen.scores])
    assert sum(expression.scores.values()) == pytest.approx(1)
    assert [unit.au for unit in units] == [4, 12]
    written = local.write(seen.features, [local.question] * 2, max_new_tokens=4)
    assert [type(text) for text in written] == [str, str]
