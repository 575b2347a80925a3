"""Low-rank differences, and models that store only what differs from others."""

import hashlib

import pytest
import torch
from safetensors.torch import load_file
from tiny_emo_llama import build_emo, clips
from torch import nn

from mien.models import shared_weights
from mien.models.low_rank import LowRankLinear, add_low_rank
from mien.models.shared_weights import is_shared, load_shared, merged, save_shared
from mien.weights import WeightsError

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


def test_merged_by_hand():
    shared = {"a": torch.tensor([[1.0, 1.0]]), "b": torch.tensor([5.0])}
    own = {
        "a.low_rank_a": torch.tensor([[1.0, 2.0]]),
        "a.low_rank_b": torch.tensor([[10.0]]),
        "c": torch.tensor([7.0]),
    }
    state = merged(shared, own)
    assert {name: value.tolist() for name, value in state.items()} == {
        "a": [[11.0, 21.0]],
        "b": [5.0],
        "c": [7.0],
    }


@pytest.fixture
def base(tmp_path, monkeypatch):
    """Weights that a tiny model shares, in half precision as nano's are."""
    folder = tmp_path / "base"
    build_emo(tie_word_embeddings=True).to(torch.float16).save_pretrained(folder)
    monkeypatch.setattr(shared_weights, "verify", lambda name: folder)
    return folder


def changed(base):
    """The base with other clues and low-rank differences that are not zero."""
    state = load_file(base / "model.safetensors")
    model = build_emo(tie_word_embeddings=True).float()
    model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    model.tie_weights()
    generator = torch.Generator().manual_seed(1)
    for name in add_low_rank(model, LAYERS, rank=2):
        low = model.get_submodule(name).low_rank_b
        low.data = torch.randn(low.shape, generator=generator)
    mining = model.model.face_info_mining
    mining.queries.weight.data = torch.randn(mining.queries.weight.shape, generator=generator)
    return model.eval()


def test_a_shared_model_comes_back_whole(base, tmp_path):
    model = changed(base)
    folder = tmp_path / "shared"
    save_shared(model, folder, base="base")
    own = load_file(folder / "own.safetensors")
    kinds = {name.rsplit(".", 1)[1] for name in own if "language_model" in name}
    assert kinds == {"low_rank_a", "low_rank_b"}
    assert [name for name in own if "language_model" not in name] == [
        "model.face_info_mining.queries.weight"
    ]
    assert is_shared(folder)
    assert not is_shared(base)
    assert not (folder / "model.safetensors").exists()  # nobody shall load it by half

    loaded = load_shared(folder, dtype=torch.float32)
    inputs = clips(model)
    with torch.inference_mode():
        assert torch.allclose(model(**inputs).logits, loaded(**inputs).logits, atol=2e-2)
        plain = build_emo(tie_word_embeddings=True)
        assert not torch.allclose(model(**inputs).logits, plain(**inputs).logits, atol=2e-2)


def test_other_weights_below_are_told(base, tmp_path):
    folder = tmp_path / "shared"
    save_shared(changed(base), folder, base="base")
    digest = hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest()
    assert digest in (folder / "shared.json").read_text()
    build_emo(seed=1, tie_word_embeddings=True).to(torch.float16).save_pretrained(base)
    with pytest.raises(WeightsError, match="other weights of 'base'"):
        load_shared(folder, dtype=torch.float32)
