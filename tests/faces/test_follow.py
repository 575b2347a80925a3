"""When the whole frame is searched, and when only near known faces."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.faces import Follower, MediaPipeFinder, NearFinder, WholeFinder
from mien.faces.turned import turn_of
from mien.schema import Face

ROOT = Path(__file__).parents[2]

IMAGE = np.zeros((32, 32, 3), np.uint8)


class Noting:
    name = "noting"

    def __init__(self, counts):
        self.calls, self.counts = [], counts

    def find(self, image):
        self.calls.append("all")
        return self.faces()

    def find_near(self, image, known):
        self.calls.append(f"near {len(known)}")
        return self.faces()

    def faces(self):
        count = self.counts.pop(0)
        return [Face(box=(10.0 * i, 0.0, 10.0 * i + 5, 5.0)) for i in range(count)]

    def close(self):
        pass


def test_searches_at_first_after_a_second_and_behind_a_cut():
    finder = Noting([1] * 9)
    follower = Follower(finder)
    for i in range(9):
        follower.find(IMAGE, time=0.2 * i, cut=i == 7)
    near = "near 1"
    assert finder.calls == ["all", near, near, near, near, "all", near, "all", near]


def test_searches_when_a_face_is_lost():
    finder = Noting([2, 1, 2, 3, 3])
    follower = Follower(finder, refresh=60)
    counts = [len(follower.find(IMAGE, time=0.1 * i)) for i in range(4)]
    assert finder.calls == ["all", "near 2", "all", "near 2", "near 3"]
    assert counts == [2, 2, 3, 3]


def test_searches_for_a_while_for_a_face_that_is_lost():
    # At 0.2 s one is lost; the whole is searched until more than 0.5 s have passed.
    finder = Noting([2, 1, 1, 1, 1, 1, 1, 1])
    follower = Follower(finder, refresh=60, patience=0.5)
    for i in range(6):
        follower.find(IMAGE, time=0.2 * i)
    assert finder.calls == ["all", "near 2", "all", "all", "near 1", "near 1", "near 1"]


def test_a_face_that_comes_back_ends_the_search():
    finder = Noting([2, 1, 1, 2, 2])
    follower = Follower(finder, refresh=60)
    for i in range(4):
        follower.find(IMAGE, time=0.2 * i)
    assert finder.calls == ["all", "near 2", "all", "all", "near 2"]


def test_finders_that_cannot_look_near_search_always():
    finder = WholeFinder()
    assert not isinstance(finder, NearFinder)
    follower = Follower(finder)
    assert [len(follower.find(IMAGE, time=t)) for t in (0.0, 0.1)] == [1, 1]


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_near_search_finds_a_small_face_that_has_moved_where_find_does(turn):
    photo = Image.open(ROOT / "examples" / "astronaut.jpg").convert("RGB").resize((220, 220))
    with MediaPipeFinder() as finder:
        known = []
        for left in (300, 325):
            frame = Image.new("RGB", (1200, 700), (90, 100, 90))
            frame.paste(photo, (left, 200))
            image = np.rot90(np.asarray(frame), -turn).copy()
            (found,) = finder.find(image)
            assert turn_of(found) == turn
            if known:
                (near,) = finder.find_near(image, known)
                assert near.landmarks is not None
                assert turn_of(near) == turn
                np.testing.assert_allclose(near.box, found.box, atol=2)
            known = [found]
        assert finder.find_near(np.full_like(image, 90), known) == []
