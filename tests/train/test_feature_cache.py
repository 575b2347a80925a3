"""Cached features: the same training as without, and what is refused."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mien.partfile import SinkError
from mien.train.collate import Collator
from mien.train.feature_cache import FeatureCache
from mien.train.feature_store import Store
from mien.train.objective import Objective
from mien.train.recipe import CacheSpec
from mien.train.rows import RowsError

from .made_rows import made_items
from .test_objective import emo_processor, still, weights
from .tiny import tiny_emo_llama, tiny_feallm, tiny_processor


def steps(model, processor, items, count=3):
    """Losses of some steps on plain batches, and the weights behind them."""
    objective = Objective(model, processor, weights()).train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    collate = Collator(processor, model.config, text_share=0.5)
    losses = []
    for step in range(count):
        loss = objective(**collate([items[4 * step + k] for k in range(4)]))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model.model.language_model.embed_tokens.weight.detach().clone()


@pytest.mark.parametrize("kind", ["feallm", "emo_llama"])
def test_training_from_the_cache_is_training_from_pictures(tmp_path, kind):
    made = {}
    for cached in (False, True):
        options = {"use_context": True, "prior_dropout": 0.0} if kind == "emo_llama" else {}
        model = still(tiny_feallm() if kind == "feallm" else tiny_emo_llama(**options))
        processor = tiny_processor(model) if kind == "feallm" else emo_processor(model)
        items = made_items(tmp_path, model.config, by="face")
        if cached:
            spec = CacheSpec(tmp_path / "cache")
            items.features = FeatureCache(items, model, processor, spec).fill(items)
            for path in (tmp_path / "made").iterdir():  # no picture is opened any more
                path.unlink()
            assert not items[0].frames
        made[cached] = steps(model, processor, items)
    assert np.allclose(made[True][0], made[False][0], rtol=1e-6)
    assert torch.allclose(made[True][1], made[False][1], atol=1e-6)


def test_views_are_the_picture_its_mirror_image_and_changed_ones(tmp_path):
    model = tiny_feallm()
    processor = tiny_processor(model)
    items = made_items(tmp_path, model.config, count=3, augment=0.8, by="face")
    cache = FeatureCache(items, model, processor, CacheSpec(tmp_path / "cache", views=3))
    items.features = cache.fill(items)
    assert len(cache.store) == 9
    plain, mirrored, changed = (cache.store.row(k) for k in range(3))
    pixels = Collator(processor, model.config)([made_items(tmp_path, model.config)[0]])
    pixels = pixels["pixel_values"]
    assert torch.allclose(plain["crops"], model.model.local_crops(pixels)[0], atol=1e-6)
    assert torch.allclose(mirrored["crops"], model.model.local_crops(pixels.flip(-1))[0], atol=1e-6)
    assert not torch.allclose(changed["crops"], plain["crops"], atol=0.05)
    drawn = {items[n].cached["crops"][0, 0, 0, 0].item() for n in range(0, 90, 3)}
    assert len(drawn) == 3
    items.train = cache.train = False
    assert all(torch.equal(items[n].cached["crops"], plain["crops"]) for n in (0, 3, 6))


def test_a_stopped_run_goes_on_and_computes_nothing_twice(tmp_path, monkeypatch):
    model = tiny_feallm()
    processor = tiny_processor(model)
    items = made_items(tmp_path, model.config, count=4, by="face")
    spec = CacheSpec(tmp_path / "cache")
    monkeypatch.setattr("mien.train.feature_cache._BATCH", 2)
    whole = FeatureCache(items, model, processor, spec).fill(items)
    kept = {n: {k: v.clone() for k, v in whole.store.row(n).items()} for n in range(4)}
    keys = whole.store.folder / "keys.bin"
    keys.write_bytes(keys.read_bytes()[:40])  # killed within the third key
    again = FeatureCache(items, model, processor, spec)
    looked = []
    compute = again.features.__class__.__call__
    monkeypatch.setattr(
        again.features.__class__,
        "__call__",
        lambda self, pixels: looked.append(len(pixels)) or compute(self, pixels),
    )
    again.fill(items)
    assert looked == [2]
    assert all(torch.equal(again.store.row(n)[k], kept[n][k]) for n in range(4) for k in kept[n])
    again.fill(items)
    assert looked == [2]


def test_equal_pictures_are_kept_once_and_changed_weights_elsewhere(tmp_path):
    model = tiny_feallm()
    processor = tiny_processor(model)
    items = made_items(tmp_path, model.config, count=3, by="face")
    shutil.copy(tmp_path / "made" / "0.png", tmp_path / "made" / "2.png")
    spec = CacheSpec(tmp_path / "cache", precision="float16")
    cache = FeatureCache(items, model, processor, spec).fill(items)
    assert len(cache.store) == 2
    assert cache.store.row(0)["crops"].dtype == torch.float16
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "made" / "0.png")
    assert len(FeatureCache(items, model, processor, spec).fill(items).store) == 3
    with torch.no_grad():
        next(model.model.vision_tower.parameters()).add_(1)
    other = FeatureCache(items, model, processor, spec)
    assert other.store.folder != cache.store.folder
    assert len(other.store) == 0


def test_what_does_not_fit_is_refused_before_it_is_begun(tmp_path):
    model = tiny_feallm()
    processor = tiny_processor(model)
    items = made_items(tmp_path, model.config, by="face")

    def refuse(match, model=model, **spec):
        with pytest.raises(RowsError, match=match):
            FeatureCache(items, model, processor, CacheSpec(tmp_path / "cache", **spec))

    refuse(
        r"features of 6 pictures in 1 view\(s\) of 0.05 MB: 0.00 GB, above .* 1e-06 GB", budget=1e-6
    )
    refuse("augment 0, so all views beyond", views=3)
    refuse("freeze_vision is false", model=tiny_feallm(freeze_vision=False))
    items.sources = [SimpleNamespace(priors=object(), augment=0.0)]
    refuse("set views to 1", views=2)


def test_a_full_disk_is_named_and_leaves_whole_rows(tmp_path, monkeypatch):
    store = Store(tmp_path, about={"a": 1}, shapes={"x": (2,)}, dtypes={"x": torch.bfloat16})
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.bfloat16)
    store.append([b"a" * 16, b"b" * 16], {"x": rows})
    monkeypatch.setattr(Store, "_file", lambda self, name: Path("/dev/full"))
    with pytest.raises(SinkError, match="/dev/full"):
        store.append([b"c" * 16], {"x": rows[:1]})
    monkeypatch.undo()
    found = Store(tmp_path, about={"a": 1}, shapes={"x": (2,)}, dtypes={"x": torch.bfloat16})
    assert len(found) == 2
    assert torch.equal(found.row(1)["x"], rows[1])
    with pytest.raises(ValueError, match="describes other features"):
        Store(tmp_path, about={"a": 2}, shapes={"x": (2,)}, dtypes={"x": torch.bfloat16})
