"""A clip model's answers in the rows of tracks."""

from mien.engines.base import Answer
from mien.engines.track_clips import ClipFrames, TrackClips
from mien.faces import CropSpec
from mien.schema import ActionUnit, Analysis, Expression
from tests.responders import Answering


class Clips(Answering):
    """A model that was asked already."""

    name, crop_spec, clip_frames = "clips", CropSpec(48), 4


def test_the_units_of_a_clip_model_keep_the_resting_levels_of_the_frames():
    asked = TrackClips(Clips(), ClipFrames())
    units = (ActionUnit(12, True, 0.9, 4.0), ActionUnit(4, False, 0.1, 0.2))
    asked.answers[0] = Answer("ok", Expression("happiness"), units)
    summary = (ActionUnit(12, True, 0.8, 3.0, rest=1.5), ActionUnit(25, False, 0.1, 0.1, rest=0.0))
    row = Analysis("clip.mp4", "track", track=0, action_units=summary, start=0.0, end=4.0)
    (answered,) = asked.answered([row])
    assert answered.unit(12).intensity_from_rest == 2.5
    assert answered.unit(4) == units[1]
    assert answered.unit(25) is None
