import pytest
import torch

from mien.train.counts import COUNTED, count_targets

NAN, PRESENT = float("nan"), float("inf")


def batch():
    return {
        "labels": torch.tensor([[-100, 5, -100, 6], [7, -100, -100, 8]]),
        "expression_targets": torch.tensor([[0.9, 0.1], [0.0, 0.0], [0.05, 0.95]]),
        "unit_targets": torch.tensor([[0.0, NAN], [NAN, NAN], [PRESENT, 2.5]]),
        "soft_expression": torch.tensor([[0.5, 0.5], [NAN, NAN], [NAN, NAN]]),
        "soft_presence": torch.tensor([[0.2, NAN], [NAN, NAN], [0.1, 0.9]]),
    }


def counted(**given):
    return dict(zip(COUNTED, count_targets(given).tolist(), strict=True))


def test_targets_are_counted_where_they_are_known():
    # The first token of a row is predicted by none, so its label is no target.
    assert counted(**batch()) == {
        "text": 3,
        "faces": 3,
        "units": 3,
        "soft_faces": 1,
        "soft_units": 3,
    }


@pytest.mark.parametrize("missing", [["labels"], ["unit_targets", "soft_presence"], list(batch())])
def test_what_is_absent_counts_nothing(missing):
    given = {name: value for name, value in batch().items() if name not in missing}
    kinds = {
        "labels": "text",
        "expression_targets": "faces",
        "unit_targets": "units",
        "soft_expression": "soft_faces",
        "soft_presence": "soft_units",
    }
    counts = counted(**given)
    assert {kind for kind, count in counts.items() if count == 0} == {kinds[m] for m in missing}
