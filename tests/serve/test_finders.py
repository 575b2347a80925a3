"""Face finders that many threads share."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mien.faces import FinderError, NearFinder, make_finder
from mien.media import read_picture
from mien.schema import Face
from mien.serve.finders import SharedFinder

EXAMPLE = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
PICTURE = np.zeros((8, 8, 3), np.uint8)


class Slow:
    """Notes whether two threads use it at once."""

    name = "slow"
    made = 0

    def __init__(self):
        Slow.made += 1
        self.busy, self.closed = threading.Lock(), False

    def find(self, image):
        assert self.busy.acquire(blocking=False)
        time.sleep(0.02)
        self.busy.release()
        return [Face(box=(0.0, 0.0, 8.0, 8.0))]

    def close(self):
        self.closed = True


def test_each_finder_is_used_by_one_thread_at_a_time():
    Slow.made = 0
    shared = SharedFinder(Slow, most=3)
    assert (Slow.made, isinstance(shared, NearFinder)) == (1, True)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda n: shared.find(PICTURE), range(24)))
        found += pool.map(lambda n: shared.find_near(PICTURE, []), range(4))
    assert all(len(faces) == 1 for faces in found)
    assert 1 < Slow.made <= 3
    shared.close()
    with pytest.raises(FinderError):
        shared.find(PICTURE)


def test_mediapipe_finds_the_same_in_every_thread():
    shared = SharedFinder(lambda: make_finder("mediapipe"), most=2)
    image = read_picture(EXAMPLE)
    (alone,) = shared.find(image)
    with ThreadPoolExecutor(4) as pool:
        for (face,) in pool.map(lambda n: shared.find(image), range(8)):
            assert face.box == alone.box
    shared.close()
