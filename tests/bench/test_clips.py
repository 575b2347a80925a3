"""Dynamic suites show clips to a model that reads them, with what the finder knows of the faces."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mien.bench.answer_log import read_records
from mien.bench.run import run_model
from mien.bench.source import Source, choose
from mien.bench.suite import load_suite
from mien.engines.local_responder import LocalResponder
from mien.sample import Sample
from mien.schema import Expression, Face, Pose
from tests.bench.helpers import SUITE, Scripted
from tests.engines.tiny_clips import save_emo_llama

POINTS = np.random.default_rng(0).normal(32, 8, (478, 3)).astype(np.float32)
SUITE = replace(SUITE, frames=4, tasks=SUITE.tasks[:1], faces="mediapipe")


class Finder:
    """Finds a face with its landmarks in every frame that is not black."""

    name = "points"

    def find(self, image):
        face = Face((8.0, 8.0, 56.0, 56.0), 0.9, POINTS, {}, Pose(float(image[0, 0, 0]), 0.0, 0.0))
        return [face] if image.any() else []

    def close(self):
        pass


def clips():
    """Two clips: four frames, of which the third is black, and a single one."""
    samples = [
        Sample(id=i, dataset="mini", video=f"{i}.mp4", expression=Expression("fear", "basic7"))
        for i in "ab"
    ]

    def pictures(sample, count):
        rng = np.random.default_rng(ord(sample.id))
        frames = [rng.integers(1, 255, (64, 64, 3), np.uint8) for _ in range(4)]
        for number, frame in enumerate(frames):
            frame[0, 0] = number + 1
        frames[2][:] = 0
        assert count == SUITE.frames
        return frames if sample.id == "a" else frames[:1]

    return Source(lambda: iter(samples), pictures)


@pytest.fixture
def responder(tmp_path):
    folder = save_emo_llama(tmp_path / "emo")
    return LocalResponder.from_folder(folder, name="emo", device=torch.device("cpu"))


@torch.inference_mode()
def test_clips_with_their_priors(responder, tmp_path):
    respond, seen = responder.respond, []

    def watched(requests):
        def each():
            for request in requests:
                seen.append(request)
                yield request

        return respond(each())

    responder.respond = watched
    source = clips()
    outcome = run_model(SUITE, source, choose(SUITE, source), responder, Finder(), tmp_path / "run")
    assert outcome.complete
    assert [len(r.images) for r in seen] == [3, 1]
    # Of the frames that show a face: the first, the second and the last.
    assert [p.pose.yaw for p in seen[0].priors] == [1.0, 2.0, 4.0]
    assert all(p.landmarks is POINTS for p in seen[0].priors)
    scores = responder.core.look([r.images for r in seen], [r.priors for r in seen]).scores[0]
    records = {r.id: r for r in read_records(tmp_path / "run")}
    for row, item in enumerate(("a#expression", "b#expression")):
        record = records[item]
        expected = responder.core.read([scores[row], *np.zeros((2, 6), np.float32)])[0].scores
        assert record.expression == pytest.approx(expected, abs=1e-4)
        assert record.warnings == ()


def test_other_models_are_told_nothing_of_the_faces(tmp_path):
    seen = []
    responder = Scripted({"a#expression": "Fear.", "b#expression": "Fear."})
    respond = responder.respond
    responder.respond = lambda requests: respond(seen.append(r) or r for r in requests)
    source = clips()
    run_model(SUITE, source, choose(SUITE, source), responder, Finder(), tmp_path)
    assert all(known is None for r in seen for known in r.priors)


@pytest.mark.parametrize("name", ["dfew", "ferv39k", "mafw"])
def test_dynamic_suites_ask_as_published(name):
    suite = load_suite(name)
    assert suite.frames == 8
    (task,) = suite.tasks
    question, options = task.prompt.split("\n", 1)
    assert question.endswith("?")
    assert options.startswith("Choose one from the following options: ")
