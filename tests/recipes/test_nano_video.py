"""The recipe of nano-video: labels of clips, pooling by hand, and batches."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from recipes.nano.rendered import UNITS
from recipes.nano_video.batches import attributes_of, scoring_plan, training_plan
from recipes.nano_video.clips import planned
from recipes.nano_video.fer2013_faces import CLASSES
from recipes.nano_video.looked import Looked, clip_units, estimated_pose, fit_pose, joined, padded
from recipes.nano_video.score import called, difference, pooled, scores
from recipes.nano_video.scripts import (
    CASES,
    FRAMES,
    _held,
    _kept,
    _strongest,
)
from recipes.nano_video.scripts import (
    CLASSES as DRAWN,
)
from recipes.nano_video.splice import Splicer
from recipes.nano_video.training import mean_of

UNIT_COUNT = len(UNITS)
EVEN = {
    "expression": 1.0,
    "units": {str(au): 1.0 for au in UNITS},
    "absence": {str(au): 0.0 for au in UNITS},
}


def looked(probabilities, present, labels, units=None):
    """Clips from (N, F, 7) probabilities and (N, F) presence of the first unit."""
    p = np.asarray(probabilities, np.float32)
    count, frames = p.shape[:2]
    levels = np.full((count, frames, UNIT_COUNT, 6), -9.0, np.float32)
    levels[..., 0] = 0.0
    q = np.asarray(present, np.float32)
    units = np.zeros((count, UNIT_COUNT), np.float32) if units is None else units
    levels[:, :, 0, 0], levels[:, :, 0, 1] = np.log(1 - q), np.log(q)
    return Looked(
        tokens=np.zeros((count, frames, 9, 4), np.float16),
        found=np.ones((count, frames), bool),
        landmarks=np.full((count, frames, 478, 3), np.nan, np.float16),
        blendshapes=np.full((count, frames, 51), np.nan, np.float16),
        pose=np.full((count, frames, 3), np.nan, np.float32),
        labels=np.asarray(labels),
        units=units,
        frame_units=units[:, None].repeat(frames, 1),
        expression=np.log(p),
        levels=levels,
        person=np.array([f"anny-{i}" for i in range(count)]),
        case=np.full(count, "plain"),
        attributes=np.full(count, "{}"),
    )


def row(**named):
    """Seven probabilities; what is not named shares the rest."""
    rest = (1 - sum(named.values())) / (len(CLASSES) - len(named))
    return [named.get(name, rest) for name in CLASSES]


def test_ways_to_pool_differ():
    frames = [
        row(neutral=0.9),
        row(neutral=0.6, sadness=0.3),
        row(neutral=0.1, happiness=0.45, sadness=0.42),
        row(neutral=0.15, sadness=0.8),
    ]
    clip = looked([frames], [[0.1, 0.9, 0.2, 0.6]], [CLASSES.index("sadness")])
    answers = {way: pooled(clip, way, EVEN) for way in ("mean", "maximum", "apex", "most seen")}
    assert {way: str(answer[0][0]) for way, answer in answers.items()} == {
        "mean": "neutral",  # 0.4375 against 0.38 of sadness
        "maximum": "neutral",  # 0.9 of the first frame
        "apex": "happiness",  # of the frame with the least neutral
        "most seen": "neutral",  # two frames of four
    }
    # mean 0.45; most 0.9; third frame 0.2; two of four
    assert [answers[way][1][0, 0] for way in answers] == [0, 1, 0, 1]


def test_frames_without_a_face_are_not_pooled():
    clip = looked([[row(neutral=0.9), row(fear=0.6)]], [[0.9, 0.1]], [4])
    clip.found[0, 0] = False
    label, units = pooled(clip, "maximum", EVEN)
    assert (label[0], units[0, 0]) == ("fear", 0)


def test_difference_of_equal_answers_is_nothing():
    p = [[row(happiness=0.9)], [row(sadness=0.9)], [row(happiness=0.8)]]
    units = np.zeros((3, UNIT_COUNT), np.float32)
    units[0, 0] = 3.0
    clips = looked(p, [[0.9], [0.2], [0.7]], [1, 2, 2], units)
    answer = called(clips.expression[:, 0], clips.levels[:, 0], EVEN)
    found = scores(clips, answer)
    assert found["uar"] == 0.75  # all of one happy face, half of two sad ones
    assert found["war"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["units"]["1"] == pytest.approx(2 / 3, abs=1e-4)  # one hit, one false alarm
    assert found["people"] == 3
    same = difference(clips, answer, answer)
    assert same["uar"] == 0
    assert same["uar_interval"] == [0, 0]


def test_units_of_a_clip():
    intensities = np.zeros((1, 4, UNIT_COUNT), np.float32)
    visible = np.ones((1, 4, UNIT_COUNT), bool)
    closed = UNITS.index(43)
    intensities[0, 2, :3] = (3.0, 1.0, 4.0)
    visible[0, 2, 2] = False  # most where it cannot be seen: not known to be absent either
    visible[0, :3, 3] = False  # seen in one frame of four
    intensities[0, 1, closed] = 5.0
    blink = np.array([[False, True, False, False]])
    units = clip_units(intensities, visible, blink)[0]
    assert units[:2].tolist() == [3.0, 1.0]
    assert units[2] == 0  # three frames show that it is absent
    assert np.isnan(units[3])
    assert units[closed] == 0  # a blink is AU45
    assert clip_units(intensities, visible, ~blink)[0, closed] == 5.0


class Still:
    """What `_kept` reads of a `Motion`."""

    def __init__(self, units):
        self.units = units

    def __len__(self):
        return FRAMES


def test_frames_that_training_renders_hold_the_strongest():
    strong = np.zeros(FRAMES)
    strong[5] = 3.0
    motion = Still({(12, "both"): strong, (6, "both"): strong / 2})
    assert _strongest(motion) == 5
    for seed in range(20):
        kept = _kept(np.random.default_rng(seed), motion)
        assert kept[5]
        assert kept.sum() in (8, 9)


def test_course_of_a_moment():
    times = np.array([0.0, 0.4, 0.5, 0.6, 1.0])
    assert _held(times, 0.4, 0.6, 0.1).tolist() == [0, 1, 1, 1, 0]


def test_shares_and_plans():
    assert sum(CASES.values()) == pytest.approx(1)
    assert sum(DRAWN.values()) == pytest.approx(1)
    assert set(DRAWN) == set(CLASSES)
    plan = planned(200, 200)
    assert len(plan) == len(set(plan)) == 8
    assert sorted({(s, m, i) for s, m, i in plan if s == "test"}) == [
        ("test", "anny", 0),
        ("test", "anny", 1),
        ("test", "anny", 2),
        ("test", "ict", 0),
    ]


def test_batches_are_the_same_for_the_same_seed():
    clips = looked([[row(happiness=0.9)]] * 10, [[0.5]] * 10, [1] * 10)
    sets = {"a": (clips, 2, 3), "b": (clips, 1, 5)}
    first = training_plan(sets, seed=3).batches
    assert first == training_plan(sets, seed=3).batches
    assert first != training_plan(sets, seed=4).batches
    assert sorted(name for name, _, _ in first) == ["a"] * 6 + ["b"] * 2
    assert len(training_plan(sets, seed=3, limit=4)) == 4
    parts = [rows for _, rows, train in scoring_plan("a", clips, size=4).batches]
    assert parts == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]


def test_stills_join_clips():
    still = looked([[row(happiness=0.9)]], [[0.5]], [1])
    both = joined([padded(still, 3), looked([[row(fear=0.9)] * 3], [[0.5] * 3], [4])])
    assert both.found.tolist() == [[True, False, False], [True, True, True]]
    assert both.labels.tolist() == [1, 4]


def test_pose_out_of_landmarks():
    rng = np.random.default_rng(0)
    pose = rng.uniform(-20, 20, (300, 3)).astype(np.float32)
    marks = np.zeros((300, 478, 3), np.float16)
    marks[:, 4, 0], marks[:, 4, 1] = pose[:, 0] / 20, pose[:, 1] / 20
    raw = np.zeros((2, 478, 3))
    raw[:, 263, :2] = (1.0, 1.0)  # the eyes' line falls to the right by 45 degrees
    found = estimated_pose(marks[:2], raw, fit_pose(marks, pose))
    assert found[:, :2] == pytest.approx(pose[:2, :2], abs=0.3)
    assert found[:, 2] == pytest.approx([45, 45])


def test_attributes_in_words():
    known = attributes_of({"age": 69.3, "gender": "male", "ancestry": "asian"})
    assert {k: v.value for k, v in known.items()} == {
        "age": "60-69",
        "gender": "male",
        "race": "asian",
    }
    assert attributes_of({}) == {}


def spliced(labels, person):
    """A splicer of clips of six frames, the third of which is the strongest."""
    units = np.zeros((len(labels), UNIT_COUNT), np.float32)
    units[1, :3] = (3.0, 1.0, np.nan)
    units[0, 1] = 4.0
    clips = looked([[row()] * 6] * len(labels), np.full((len(labels), 6), 0.1), labels, units)
    clips.frame_units[:, [0, 1, 3, 4, 5]] *= 0.5
    return Splicer(replace(clips, person=np.array(person)))


def test_a_moment_breaks_a_neutral_clip():
    happy, neutral = CLASSES.index("happiness"), CLASSES.index("neutral")
    splicer = spliced([neutral, happy], ["anny-1", "anny-1"])
    own = [(0, frame) for frame in range(6)]
    cut = splicer(0, own, random.Random(3))
    added = [frame for frame in cut.frames if frame[0] == 1]
    assert added in ([(1, 2)], [(1, 2)] * 2)
    assert [frame for frame in cut.frames if frame[0] == 0] == own
    assert cut.label == happy
    # AU1: 3 against 0; AU2: its own 4 stays.
    assert cut.units[0] == 3.0
    assert cut.units[1] == 4.0
    assert np.isnan(cut.units[2])
    assert (cut.units[3:] == 0).all()


def test_a_moment_before_or_after_leaves_a_lasting_label():
    happy, angry = CLASSES.index("happiness"), CLASSES.index("anger")
    splicer = spliced([angry, happy], ["anny-1", "anny-1"])
    own = [(0, frame) for frame in range(6)]
    for seed in range(5):
        cut = splicer(0, own, random.Random(seed))
        start = cut.frames.index((0, 0))
        assert cut.label == angry
        assert cut.frames[start : start + 6] == own
        assert len(cut.frames) > 6


@pytest.mark.parametrize(
    ("labels", "person", "frames"),
    [
        (("anger", "happiness"), ("anny-1", "anny-2"), 6),
        (("anger", "anger"), ("anny-1", "anny-1"), 6),
        (("anger", "happiness"), ("anny-1", "anny-1"), 4),
    ],
    ids=["another person", "same expression", "too short"],
)
def test_what_is_not_spliced(labels, person, frames):
    splicer = spliced([CLASSES.index(name) for name in labels], person)
    own = [(0, frame) for frame in range(frames)]
    assert splicer(0, own, random.Random(0)).frames == own


def test_mean_weights():
    states = [{"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([3.0, -2.0])}]
    assert mean_of(states)["a"].tolist() == [2.0, 0.0]
    half = [{"a": state["a"].half()} for state in states]
    assert mean_of(half)["a"].dtype == torch.half
