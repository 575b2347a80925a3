"""Which row of a face a visit draws."""

from collections import Counter
from types import SimpleNamespace

import numpy as np

from mien.faces import CropSpec

from .made_rows import TALKS, made_items

CONFIG = SimpleNamespace(
    expressions=["happiness", "sadness"], action_units=[12], crop_spec=CropSpec(size=32)
)


def drawn(items, epochs=400):
    _, face, row = items.locate(np.arange(len(items) * epochs))
    tasks = items.sources[0].rows.tasks()
    codes = items.sources[0].rows.faces()
    assert (codes[row] == face).all()
    assert Counter(face.tolist()) == {number: epochs for number in range(len(items))}
    return Counter(tasks[r] for r in row)


def test_tasks_of_a_face_are_drawn_by_their_weights(tmp_path):
    items = made_items(tmp_path, CONFIG, count=4, by="face", tasks={"analysis": 6})
    counts = drawn(items)
    total = sum(counts.values())  # weights 6, 1 and 1
    assert abs(counts["analysis"] / total - 6 / 8) < 0.04
    assert abs(counts["expression"] / total - 1 / 8) < 0.04


def test_tasks_are_drawn_alike_without_weights(tmp_path):
    counts = drawn(made_items(tmp_path, CONFIG, count=4, by="face"))
    total = sum(counts.values())
    assert all(abs(counts[task] / total - 1 / 3) < 0.04 for task in TALKS)
    equal = drawn(made_items(tmp_path, CONFIG, count=4, by="face", tasks={"analysis": 1.0}))
    assert all(abs(equal[task] / total - 1 / 3) < 0.04 for task in TALKS)
