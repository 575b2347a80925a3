"""Batches of which nothing is left: their step goes on without them."""

import pytest
import torch

from mien.train.empty_batches import LEFT_OUT, StandIn, nothing
from mien.train.fit_stage import Feed, fit_stage
from mien.train.interrupts import Interrupted
from mien.train.rows import RowsError
from mien.train.trainer import trained_state

from .toy import Items, KillAt, Visits, collate, learner, stage


class Holes(Items):
    """Conversations, some of which are left out."""

    def __init__(self, model, holes) -> None:
        super().__init__(model)
        self.holes = holes

    def __getitem__(self, n: int):
        return None if n % self.size in self.holes else super().__getitem__(n)


class Order(Visits):
    def __init__(self, *visits: int) -> None:
        super().__init__(len(visits))
        self.visits = visits

    def __iter__(self):
        return iter(self.visits)


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


def collate_rest(items):
    found = [item for item in items if item is not None]
    return collate(found) if found else nothing("no face is found in a whole batch")


def fit(out, *callbacks, holes, order=None, checked=(), dropout=True, **fields):
    one = stage(**{"batch_size": 1, "schedule": "constant", "warmup": 0, **fields})
    made = learner(one)
    if not dropout:
        without_dropout(made)
    base = made.model.get_base_model()
    validation = Holes(base, checked) if checked else None
    feed = Feed(Holes(base, holes), order or Visits(20), collate_rest, validation)
    torch.set_num_threads(1)
    fit_stage(made, feed, one, out, seed=0, callbacks=callbacks)
    return trained_state(made)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_a_micro_batch_that_is_left_out_counts_as_nothing(tmp_path):
    short = {"max_steps": 2, "dropout": False}
    made = fit(tmp_path / "holes", holes={7}, order=Order(0, 7, 7, 1), **short)
    wanted = fit(tmp_path / "plain", holes=(), order=Order(0, 1), accumulation=1, **short)
    for name, value in made.items():
        torch.testing.assert_close(value, wanted[name], rtol=0, atol=1e-6)


def test_a_step_without_any_batch_and_a_run_that_goes_on(tmp_path):
    holes = set(range(0, 20, 2)) | {1, 3, 5}
    whole = fit(tmp_path / "whole", holes=holes)
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", KillAt(5, 2), holes=holes)
    assert_same(whole, fit(tmp_path / "cut", holes=holes))
    lines = [(tmp_path / run / "log.csv").read_text() for run in ("whole", "cut")]
    losses = [[s for s in text.splitlines() if ",loss_text," in s] for text in lines]
    assert losses[0] == losses[1]
    assert any(s.endswith(",0.0") for s in losses[0])  # neither of its two batches has anything


def test_validation_goes_on_without_them(tmp_path):
    fit(tmp_path, holes=(), checked={0, 3}, max_steps=1, save_every=1)
    assert ",eval_loss," in (tmp_path / "log.csv").read_text()
    with pytest.raises(RowsError, match="validation rows cannot be scored: no face is found"):
        fit(tmp_path / "none", holes=(), checked=range(20), max_steps=1, save_every=1)


def test_where_no_batch_has_anything_the_run_ends(tmp_path):
    with pytest.raises(RowsError, match=r"in a whole batch.* \(20 visits that were drawn"):
        fit(tmp_path, holes=range(20))


def test_the_stand_in_is_the_same_whenever_it_is_looked_for():
    items = [None, 1.0, None, 2.0, 3.0]

    def joined(some):
        return {"x": some} if some[0] is not None else nothing("none")

    first, second = (StandIn(items, joined, size=2, seed=4) for _ in range(2))
    assert first({"x": [5.0]}) == {"x": [5.0]}
    batch = first(nothing("why"))
    assert batch[LEFT_OUT] == "why"
    assert len(batch["x"]) == 2
    assert batch == second(nothing("why"))
