"""What is drawn between the frames that were looked at."""

import numpy as np
import pytest

from mien.draw import colour_of_track
from mien.draw.frame import draw_frame
from mien.draw.marks import Marks
from mien.facs import LABEL_SETS
from mien.schema import ActionUnit, Analysis, Expression
from mien.timeline import Timeline


def row(time, *, track=0, left=0.0, happy=0.0, smile=0.0):
    scores = dict.fromkeys(LABEL_SETS["basic7"], 0.0) | {"happiness": happy, "neutral": 1 - happy}
    return Analysis(
        "clip.mp4",
        frame=round(time * 10),
        time=time,
        track=track,
        box=(left, 10.0, left + 40, 50.0),
        expression=Expression(max(scores, key=scores.get), scores=scores),
        action_units=(ActionUnit(12, smile >= 1, None, smile),),
    )


def marks(*rows, cuts=()):
    timeline = Timeline("clip.mp4")
    timeline.cuts.extend(cuts)
    for one in rows:
        timeline.add([one])
    return Marks(timeline)


def test_boxes_and_numbers_move_evenly_between_two_looks():
    seen = marks(row(0.0), row(0.4, left=20.0, happy=1.0, smile=4.0))
    (mark,) = seen.at(0.1)
    assert mark.box == pytest.approx((5.0, 10.0, 45.0, 50.0))
    assert (mark.track, mark.label, mark.score) == (0, "neutral", pytest.approx(0.75))
    assert mark.units == (((12, "both"), pytest.approx(1.0)),)
    assert seen.at(0.3)[0].label == "happiness"


def test_a_face_shows_half_a_step_beyond_its_looks():
    seen = marks(row(0.4), row(0.8), row(1.2))
    assert [len(seen.at(t)) for t in (0.1, 0.2, 1.4, 1.5)] == [0, 1, 1, 0]


def test_no_mark_crosses_a_cut():
    # Looks at 0.0, 0.2 and so on; the scene changes with the frame of 0.5, and with that of 0.6.
    old = [row(t / 5) for t in range(3)]
    new = [row(0.6 + t / 5, track=1) for t in range(3)]

    def shown(cut):
        seen = marks(*old, *new, cuts=[cut])
        return {t: [m.track for m in seen.at(t)] for t in (0.3, 0.45, 0.49, 0.5, 0.55, 0.6, 0.7)}

    everywhere = {0.3: [0], 0.45: [0], 0.6: [1], 0.7: [1]}
    assert shown(0.5) == everywhere | {0.49: [0], 0.5: [1], 0.55: [1]}
    assert shown(0.6) == everywhere | {0.49: [0], 0.5: [0], 0.55: [0]}
    # One number that goes on behind the cut does not slide there.
    seen = marks(row(0.4), row(0.6, left=20.0), cuts=[0.5])
    assert [seen.at(t)[0].box[0] for t in (0.4, 0.45, 0.49, 0.5, 0.55)] == [0, 0, 0, 20, 20]


def test_a_long_loss_is_not_bridged():
    rows = [row(t / 5) for t in range(5)] + [row(3.0), row(3.2)]
    seen = marks(*rows)
    assert [len(seen.at(t)) for t in (0.85, 1.5, 2.95)] == [1, 0, 1]


def test_a_jump_is_not_slid_over():
    seen = marks(row(0.0), row(0.2, left=500.0))
    assert [seen.at(t)[0].box[0] for t in (0.05, 0.15)] == [0.0, 500.0]


def test_nothing_seen():
    assert marks().at(1.0) == []


def test_tracks_keep_their_colours_and_the_frame_is_left_as_it_is():
    frame = np.full((120, 500, 3), 90, np.uint8)
    seen = marks(row(0.0, left=60.0, happy=0.9, smile=3.0))
    drawn = draw_frame(frame, seen.at(0.0))
    assert (frame == 90).all()
    wanted = tuple(int(colour_of_track(0)[i : i + 2], 16) for i in (1, 3, 5))
    assert tuple(drawn[30, 60]) == wanted  # on the left edge of the box
    assert draw_frame(frame, []) is frame
    assert colour_of_track(3) == colour_of_track(3) != colour_of_track(4)


@pytest.mark.parametrize("left", [-30.0, 0.0, 150.0, 190.0])
def test_words_at_the_edges_do_not_fail(left):
    frame = np.zeros((60, 200, 3), np.uint8)
    assert draw_frame(frame, marks(row(0.0, left=left)).at(0.0)).any()
