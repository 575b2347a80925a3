import numpy as np
import pytest

import mien
from mien.analyzer import Analyzer
from mien.engines import Answer, EngineError
from mien.faces import CropSpec, WholeFinder
from mien.media import Picture
from mien.schema import Expression, Face
from tests.responders import Answering


class Echo(Answering):
    """Answers with the mean grey of the crop, so that mixed-up rows would show."""

    name, action_units, crop_spec = "echo", (), CropSpec(size=8)

    def __init__(self, broken: bool = False):
        self.batches, self.broken = [], broken

    def answer(self, crops, *, numbers_only=False):
        self.batches.append(len(crops))
        if self.broken:
            raise EngineError("echo is down")
        return [Answer(expression=Expression("neutral"), text=str(int(c.mean()))) for c in crops]


class Several:
    """Finds as many faces as the first pixel says."""

    name = "several"

    def find(self, image):
        return [Face(box=(0, 0, 8, 8), detection=0.9) for _ in range(int(image[0, 0, 0]))]

    def close(self):
        pass


def grey(value):
    return Picture(f"{value}.png", np.full((8, 8, 3), value, np.uint8), None)


def test_rows_stay_with_their_pictures_over_batches():
    engine = Echo()
    pictures = [grey(3), grey(0), grey(1), grey(5), grey(2)]
    looked = list(Analyzer(engine, Several(), batch_size=4).stream_pictures(pictures))
    assert [item.source for item in looked] == [p.source for p in pictures]
    assert [len(item.rows) for item in looked] == [3, 1, 1, 5, 2]
    for item, picture in zip(looked, pictures, strict=True):
        for row in item.rows:
            if row.status == "ok":
                assert row.text == str(picture.image[0, 0, 0])
    assert looked[1].rows[0].status == "no_face"
    assert engine.batches == [4, 4, 3]


def test_bad_picture_makes_a_row_and_the_others_go_on():
    pictures = [Picture("bad.jpg", None, "bad.jpg: not a picture"), grey(9)]
    rows = [
        row
        for item in Analyzer(Echo(), WholeFinder()).stream_pictures(pictures)
        for row in item.rows
    ]
    assert [row.status for row in rows] == ["unreadable", "ok"]
    assert rows[0].warnings == ("bad.jpg: not a picture",)
    assert rows[0].expression is None


def test_engine_failure_is_a_status_not_a_crash():
    (item,) = Analyzer(Echo(broken=True), WholeFinder()).stream_pictures([grey(1)])
    assert item.rows[0].status == "failed"
    assert "echo is down" in item.rows[0].warnings[0]
    assert item.rows[0].expression is None


def test_stream_is_lazy():
    def pictures():
        yield grey(1)
        yield grey(1)
        raise AssertionError("read too far")

    stream = Analyzer(Echo(), WholeFinder(), batch_size=1).stream_pictures(pictures())
    assert next(stream).source == "1.png"


def test_batch_size_is_checked():
    with pytest.raises(ValueError, match="at least 1"):
        Analyzer(Echo(), WholeFinder(), batch_size=0)


def test_public_names():
    assert callable(mien.load)
    assert callable(mien.analyze)
    assert callable(mien.load)  # also after the first use
    with pytest.raises(AttributeError, match="no attribute"):
        mien.nothing  # noqa: B018
