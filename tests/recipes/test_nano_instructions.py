"""Nano's faces as instruction data: labels and pictures survive."""

from __future__ import annotations

import numpy as np
import pytest
from recipes.nano.instructions import make, photograph_crops, rendered_crops, unit_labels
from recipes.nano.photographs import CLASSES, Photographs
from recipes.nano.rendered import UNITS, Rendered

from mien.data.build.shards import Folder
from mien.media import read_picture

U = len(UNITS)


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Three photographs and three rendered faces, one of each outside of both sets."""
    out = tmp_path_factory.mktemp("instructions")
    faces = Photographs(
        images=images(3, 0),
        votes=np.eye(len(CLASSES), dtype=np.float32)[[1, 4, 0]],
        majority=np.array([1, 4, 0]),
        single=np.array([1, 4, 0]),
        part=np.array(["fit", "select", "validation"]),
    )
    presence = np.full((3, U), 0.5, np.float32)  # unsure
    presence[0, UNITS.index(12)], presence[0, UNITS.index(4)] = 0.9, 0.1
    intensity = np.full((3, U), 2.0, np.float32)
    real = photograph_crops(faces, out / "pictures", presence, intensity)
    exact = np.zeros((3, U), np.float32)
    exact[:, UNITS.index(9)] = 3.2
    visible = np.ones((3, U), bool)
    visible[:, UNITS.index(1)] = False
    rendered = Rendered(
        images=images(3, 1),
        intensities=exact,
        visible=visible,
        labels=np.array([5, -1, 5]),
        landmarks=np.zeros((3, 478, 3), np.float32),
        blendshapes=np.zeros((3, 52), np.float32),
        face_model=np.array(["anny", "ict", "anny"]),
        people=np.array([7, 7, 8]),
        part=np.array(["fit", "select", "test"]),
    )
    made = rendered_crops(rendered, out / "pictures")
    rows = make([real, made], out)
    assert make([real, made], out) == rows
    return out, rows, real, made


def test_every_face_is_in_its_own_set(built) -> None:
    out, rows, *_ = built
    assert set(rows) == {f"{a}/{b}" for a in ("ferplus", "synth") for b in ("train", "validation")}
    for place, count in rows.items():
        found = list(Folder.open(out / place).rows())
        assert len(found) == count
        assert {(r["dataset"], r["split"]) for r in found} == {tuple(place.split("/"))}
        assert len({r["sample"] for r in found}) == 1


def test_labels_of_photographs_are_pseudo_and_unsure_units_unknown(built) -> None:
    out, *_ = built
    for row in Folder.open(out / "ferplus/train").rows():
        assert row["pseudo"] is True
        assert row["labels"]["expression"] == CLASSES[1]
        units = {u["au"]: (u["present"], u["intensity"]) for u in row["labels"]["action_units"]}
        assert units == {12: (True, 2.0), 4: (False, None)}
    # of the other one nothing but the expression is known
    rows = list(Folder.open(out / "ferplus/validation").rows())
    assert all(row["labels"]["action_units"] is None and not row["pseudo"] for row in rows)
    assert {row["task"] for row in rows} == {
        *("category", "expression_description", "conversation", "analysis")
    }


def test_labels_of_rendered_faces_are_exact(built) -> None:
    out, *_ = built
    rows = list(Folder.open(out / "synth/train").rows())
    assert {row["task"] for row in rows} >= {"reasoning", "au_detection", "analysis"}
    for row in rows:
        assert row["pseudo"] is False
        assert row["subject"] == "anny-7"
        units = {u["au"]: u["intensity"] for u in row["labels"]["action_units"] if u["present"]}
        assert units == {9: pytest.approx(3.2)}
        assert 1 not in {u["au"] for u in row["labels"]["action_units"]}  # cannot be seen
    other = next(Folder.open(out / "synth/validation").rows())
    assert (other["subject"], other["labels"]["expression"]) == ("ict-7", None)


def test_pictures_are_those_of_the_pool(built) -> None:
    out, _, real, made = built
    for place, crops in (("ferplus/train", real), ("synth/train", made)):
        row = next(Folder.open(out / place).rows(pictures=True))
        picture = read_picture(row["images"][0]["bytes"], name="picture")
        assert picture.shape == (48, 48, 3)
        assert (picture[..., 0] == crops.images[0]).all()


def test_a_trace_counts_from_half_a_level_on() -> None:
    values = np.full(U, np.nan, np.float32)
    assert unit_labels(values) is None
    values[:3] = 0.0, 0.49, 0.5
    units = unit_labels(values)
    assert units is not None
    assert [u.present for u in units[:4]] == [False, False, True, None]
