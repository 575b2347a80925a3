"""Numbers that stay with people: crossings, losses, cuts, and who comes and goes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mien.faces import Tracker
from mien.faces.appearance import appearance, unlikeness
from mien.faces.assign import assign
from mien.schema import Face

RED, BLUE, GREEN = (200, 60, 50), (40, 60, 190), (50, 170, 60)
SIDE = 40


def scene(people, *, size=(240, 400), ground=(128, 128, 128)):
    """A frame with a patch of colour for each (x, y, colour), and faces in the patches' middles.

    Later people stand in front; one that is covered by more than half is not found.
    """
    image = np.full((*size, 3), ground, np.uint8)
    for x, y, colour in people:
        image[int(y - 40) : int(y + 50), int(x - 28) : int(x + 28)] = colour
    faces = []
    for i, (x, y, _) in enumerate(people):
        if all(abs(x - other[0]) > SIDE / 2 for other in people[i + 1 :]):
            h = SIDE / 2
            faces.append(Face(box=(x - h, y - h, x + h, y + h), detection=0.9))
    return image, faces


def follow(frames, *, step=0.1, cuts=(), patience=1.0):
    tracker = Tracker(patience)
    return [
        tracker.update(*scene(people), time=i * step, cut=i in cuts)
        for i, people in enumerate(frames)
    ]


def test_assignment_is_the_cheapest_of_all():
    rng = np.random.default_rng(0)
    for rows, columns in ((1, 1), (3, 3), (4, 6), (6, 4), (5, 5)):
        cost = rng.random((rows, columns))
        short, long = sorted((rows, columns))
        best = min(
            sum(
                cost[(i, j) if rows <= columns else (j, i)]
                for i, j in zip(range(short), chosen, strict=True)
            )
            for chosen in itertools.permutations(range(long), short)
        )
        pairs = assign(cost)
        assert len(pairs) == short
        assert sum(cost[pair] for pair in pairs) == pytest.approx(best)


def test_assignment_leaves_out_what_is_forbidden():
    inf = np.inf
    assert assign(np.array([[inf, inf], [0.2, inf]])) == [(1, 0)]
    # Two pairs at a higher cost come before one cheap pair.
    assert assign(np.array([[0.1, 5.0], [0.2, inf]])) == [(0, 1), (1, 0)]
    assert assign(np.zeros((0, 3))) == []


def test_looks_tell_colours_apart_and_stand_some_light():
    image, faces = scene([(80, 120, RED), (300, 120, BLUE)])
    red, blue = (appearance(image, face.box) for face in faces)
    assert unlikeness(red, red) == pytest.approx(0, abs=1e-3)
    assert unlikeness(red, blue) > 0.4
    darker = appearance((image * 0.93).astype(np.uint8), faces[0].box)
    assert unlikeness(red, darker) < 0.5 * unlikeness(red, blue)


def test_looks_of_a_face_at_the_edge():
    image, _ = scene([(10, 10, RED)])
    assert np.isfinite(appearance(image, (-5.0, -8.0, 20.0, 18.0))).all()


def test_standing_faces_keep_their_numbers_when_their_order_changes():
    a, b = (80, 120, RED), (300, 120, BLUE)
    assert follow([[a, b], [b, a], [a, b]]) == [[0, 1], [1, 0], [0, 1]]


def test_two_people_cross_and_one_is_hidden_behind_the_other():
    frames = [[(60 + 14 * i, 120, RED), (340 - 14 * i, 120, BLUE)] for i in range(21)]
    numbers = follow(frames)
    assert numbers[0] == [0, 1]
    assert any(len(n) == 1 for n in numbers)  # hidden for a while
    for people, found in zip(frames, numbers, strict=True):
        _, faces = scene(people)
        hidden = len(faces) == 1
        assert found == ([1] if hidden else [0, 1])


def test_people_of_the_same_colours_cross_without_being_hidden():
    frames = [[(60 + 14 * i, 90, RED), (340 - 14 * i, 130, RED)] for i in range(21)]
    tracker, half = Tracker(), SIDE / 2
    for i, people in enumerate(frames):
        image, _ = scene(people)
        faces = [Face(box=(x - half, y - half, x + half, y + half)) for x, y, _ in people]
        assert tracker.update(image, faces, time=0.1 * i) == [0, 1]


def test_short_loss_keeps_the_number_and_a_long_one_does_not():
    here, away = [(100, 120, RED)], []
    assert follow([here, here, *[away] * 8, here], step=0.1)[-1] == [0]
    assert follow([here, here, *[away] * 11, here], step=0.1)[-1] == [1]
    assert follow([here, here, *[away] * 11, here], step=0.1, patience=2.0)[-1] == [0]


def test_patience_grows_where_frames_are_far_apart():
    here, away = [(100, 120, RED)], []
    assert follow([here, away, here], step=0.9)[-1] == [0]


def test_who_enters_gets_the_next_number_and_who_leaves_takes_it_along():
    a, b, c = (60, 120, RED), (200, 120, BLUE), (330, 120, GREEN)
    frames = [[a], [a, b], [b], *[[b]] * 11, [a, b], [a, b, c]]
    numbers = follow(frames)
    assert numbers[:3] == [[0], [0, 1], [1]]
    assert numbers[-2:] == [[2, 1], [2, 1, 3]]


def test_a_far_jump_is_another_person():
    assert follow([[(60, 120, RED)], [(340, 120, RED)]], step=0.1) == [[0], [1]]


def test_other_colours_at_the_same_place_nearby_are_another_person():
    assert follow([[(100, 120, RED)], [(150, 120, BLUE)]], step=0.1) == [[0], [1]]


def test_cut_gives_new_numbers_but_not_to_one_who_looks_the_same():
    before, after = [(60, 120, RED), (300, 120, BLUE)], [(290, 100, RED), (80, 120, GREEN)]
    assert follow([before, after], cuts=(1,)) == [[0, 1], [0, 2]]


def test_cut_between_people_who_look_alike_gives_new_numbers():
    before, after = [(60, 120, RED), (300, 120, RED)], [(60, 120, RED)]
    assert follow([before, after], cuts=(1,)) == [[0, 1], [2]]


def test_long_pause_is_as_a_cut():
    before, after = [(60, 120, RED), (300, 120, BLUE)], [(330, 90, RED), (60, 120, GREEN)]
    assert follow([before, after], step=30.0) == [[0, 1], [0, 2]]


def test_no_faces_at_all():
    assert follow([[], [], [(100, 120, RED)]]) == [[], [], [0]]


def test_patience_is_checked():
    with pytest.raises(ValueError, match="patience is -1"):
        Tracker(-1)


def test_who_may_come_again_and_who_has_gone():
    tracker = Tracker(patience=0.25)
    red, blue = (80, 120, RED), (300, 120, BLUE)
    frames = [[red, blue], [red], [red], [red], [red], [], [(200, 120, GREEN)]]
    going_on = []
    for i, people in enumerate(frames):
        tracker.update(*scene(people), time=i * 0.1, cut=i == 6)
        going_on.append(set(tracker.going_on))
    assert going_on == [{0, 1}, {0, 1}, {0, 1}, {0}, {0}, {0}, {2}]
