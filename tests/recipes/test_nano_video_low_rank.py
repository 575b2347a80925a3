"""Low-rank differences, and the ordinary folder that they end in."""

from copy import deepcopy

import pytest
import torch
from recipes.nano_video.export import save_whole
from recipes.nano_video.low_rank import LowRankLinear, add_low_rank
from torch import nn
from transformers import AutoModelForImageTextToText

from tests.engines.tiny_clips import tiny_emo_llama

LAYERS = r"model\.language_model\.layers\.\d+\..*(q|v)_proj"


def test_low_rank_starts_as_nothing_and_adds_its_product():
    layer = nn.Linear(2, 2, bias=False)
    layer.weight = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    low = LowRankLinear(layer, 1)
    x = torch.tensor([1.0, -1.0])
    assert low(x).tolist() == [-1.0, -1.0]
    low.low_rank_a = nn.Parameter(torch.tensor([[2.0, 1.0]]))
    low.low_rank_b = nn.Parameter(torch.tensor([[3.0], [0.0]]))
    assert low(x).tolist() == [2.0, -1.0]  # 3 * (2 - 1) more in the first
    low(x).sum().backward()
    assert low.weight.grad is None
    assert low.low_rank_b.grad is not None


def test_low_rank_errors():
    with pytest.raises(ValueError, match="bias"):
        LowRankLinear(nn.Linear(2, 2), 1)
    with pytest.raises(ValueError, match="matches 'nothing'"):
        add_low_rank(nn.Sequential(nn.Linear(2, 2, bias=False)), "nothing", rank=1)


def test_folded_into_an_ordinary_folder(tmp_path):
    model, _ = tiny_emo_llama()
    plain = deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    for name in add_low_rank(model, LAYERS, rank=2):
        low = model.get_submodule(name).low_rank_b
        low.data = 0.3 * torch.randn(low.shape, generator=generator)
    ids = torch.tensor([[4, 5, 6]])
    with torch.inference_mode():
        trained, before = model.eval()(ids).logits, plain.eval()(ids).logits
        save_whole(model, tmp_path)
        loaded = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32)
        assert torch.allclose(loaded.eval()(ids).logits, trained, atol=5e-3)
    assert not torch.allclose(before, trained, atol=5e-3)
    stored = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype="auto")
    assert stored.dtype == torch.float16
