"""Rows of tracks and clips by hand."""

import pytest

from mien.facs import LABEL_SETS
from mien.schema import ActionUnit, Analysis, Expression, Pose
from mien.timeline import Timeline, summary_rows

NAMES = LABEL_SETS["basic7"]


def scores(**known):
    """Scores of the named classes, the rest neutral."""
    values = dict.fromkeys(NAMES, 0.0) | known
    values["neutral"] += 1 - sum(values.values())
    return Expression(max(values, key=values.get), scores=values)


def row(frame, *, track=0, left=0.0, side=10.0, happy=0.0, smile=0.0, **others):
    return Analysis(
        "clip.mp4",
        frame=frame,
        time=frame / 2,
        face=0,
        track=track,
        box=(left, 0.0, left + side, side),
        expression=scores(happiness=happy),
        action_units=(ActionUnit(12, smile >= 1, min(1.0, smile / 5), smile), ActionUnit(1, False)),
        **others,
    )


def summary(*rows, fault=None, frames=None):
    timeline = Timeline("clip.mp4", "tiny")
    for one in rows:
        timeline.add([one])
    return summary_rows(timeline, fault=fault)


# Two frames a second: the window of 0.3 s smooths nothing away.
SMILE = [row(i, happy=h, smile=5 * h) for i, h in enumerate([0.0, 0.5, 1.0, 0.0, 0.0, 0.0])]


def test_mean_scores_make_the_expression_and_the_smile_the_apex():
    track, clip = summary(*SMILE)
    assert (track.kind, track.track, track.start, track.end) == ("track", 0, 0.0, 2.5)
    assert track.expression.label == "neutral"  # 1.5 of 6 frames are happy
    assert track.expression.scores["happiness"] == pytest.approx(0.25)
    assert (track.frame, track.time) == (2, 1.0)
    courses = {c.expression: c for c in track.course if c.expression}
    assert set(courses) == {"neutral", "happiness"}
    happy = courses["happiness"]
    assert (happy.mean, happy.peak, happy.apex) == (pytest.approx(0.25), 1.0, 1.0)
    assert happy.onset == pytest.approx(0.2)  # a fifth of the way, from 0 at 0 s to 0.5 at 0.5 s
    assert happy.offset == pytest.approx(1.4)
    assert clip.kind == "clip"
    assert clip.course == track.course


def test_units_peak_in_the_row_and_mean_in_the_course():
    track, _ = summary(*SMILE)
    smile = track.unit(12)
    assert (smile.present, smile.probability, smile.intensity) == (True, 1.0, 5.0)
    assert track.unit(1) == ActionUnit(1, False)
    (course,) = [c for c in track.course if c.au]
    assert (course.au, course.mean, course.peak) == (12, pytest.approx(7.5 / 6), 5.0)
    assert (course.onset, course.apex, course.offset) == (pytest.approx(0.2), 1.0, 1.4)


def test_dominant_expression_has_the_apex_where_it_is_not_neutral():
    track, _ = summary(*[row(i, happy=h) for i, h in enumerate([0.6, 0.9, 0.7, 0.2])])
    assert track.expression.label == "happiness"
    assert track.time == 0.5


def test_who_is_seen_most_answers_for_the_clip():
    rows = [row(i, track=0, side=10.0, happy=0.9) for i in range(5)]
    rows += [row(i, track=1, side=30.0) for i in range(2)]
    *tracks, clip = summary(*rows)
    assert [t.track for t in tracks] == [0, 1]
    assert clip.track == 1  # 2 x 900 against 5 x 100 pixels
    assert clip.expression.label == "neutral"
    assert "2 tracks" in clip.warnings[0]


def test_faults_and_clips_without_faces_or_frames():
    nobody = Analysis("clip.mp4", frame=0, time=0.0, status="no_face")
    (clip,) = summary(nobody, fault="clip.mp4: cut off")
    assert (clip.status, clip.start, clip.end) == ("no_face", 0.0, 0.0)
    assert clip.warnings == ("clip.mp4: cut off", "no face was found in 1 frames")
    (clip,) = summary(fault="clip.mp4: holds only sound")
    assert (clip.status, clip.frame, clip.time) == ("unreadable", None, None)
    assert clip.warnings == ("clip.mp4: holds only sound",)


def test_failed_answers_leave_the_unknown_unknown():
    rows = [
        Analysis("c", frame=i, time=float(i), track=0, status="failed", box=(0.0, 0.0, 1.0, 1.0))
        for i in range(2)
    ]
    track, clip = summary(*rows)
    assert (track.status, track.expression, track.action_units) == ("failed", None, None)
    assert clip.status == "failed"


def test_labels_without_scores_are_counted():
    rows = [
        Analysis(
            "c",
            frame=i,
            time=float(i),
            track=0,
            box=(0.0, 0.0, 1.0, 1.0),
            expression=Expression(label),
            action_units=(ActionUnit(4, present),),
        )
        for i, (label, present) in enumerate([("anger", False), ("fear", False), ("anger", True)])
    ]
    track, _ = summary(*rows)
    assert track.expression == Expression("anger")
    assert track.unit(4).present is True
    assert track.unit(4).intensity is None
    assert track.time == 2.0  # where most is to be seen
    assert [c.au for c in track.course] == [4]


def test_gaps_pose_and_new_units_are_kept_apart():
    first = row(0, pose=Pose(1.0, 2.0, 3.0))
    second = Analysis(
        "clip.mp4", frame=1, time=0.5, track=0, box=(0.0, 0.0, 5.0, 5.0),
        action_units=(ActionUnit(4, True, 0.9, 3.0, "left"),),
    )  # fmt: skip
    track, _ = summary(first, second)
    assert track.unit(4, "left").intensity == pytest.approx(3.0)
    assert track.expression.scores["neutral"] == 1.0
    assert track.pose == Pose(1.0, 2.0, 3.0)  # of the apex, the one frame with scores


def test_rows_round_trip():
    for one in summary(*SMILE):
        assert Analysis.from_json(one.to_json()) == one


def test_intensity_above_the_level_of_the_persons_own_rest():
    # 12 s: the mouth corners are never below 1, and reach 3 for a while
    track, clip = summary(*[row(i, smile=3.0 if 8 <= i < 12 else 1.0) for i in range(24)])
    smile = track.unit(12)
    assert (smile.intensity, smile.rest, smile.intensity_from_rest) == (3.0, 1.0, 2.0)
    assert clip.unit(12) == smile
    assert track.unit(1).rest is None  # without intensities
    assert Analysis.from_json(track.to_json()) == track


def test_a_short_track_says_nothing_of_rest():
    track, _ = summary(*SMILE)
    assert track.unit(12).intensity_from_rest is None
    assert "rest" not in track.unit(12).to_dict()
