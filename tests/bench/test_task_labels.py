import math
from dataclasses import replace

import pytest

from mien.bench.suite import TaskSpec
from mien.bench.task_labels import (
    cluster_of,
    fold_of,
    group_value,
    labels_of,
    reference_text,
    tasks_for,
    true_intensities,
    true_units,
)
from mien.language import parse
from mien.sample import Sample
from mien.schema import ActionUnit
from tests.bench.helpers import SAMPLES, SUITE


def face(*units: ActionUnit, **fields) -> Sample:
    return Sample(id="x", dataset="mini", image="x.png", action_units=units, **fields)


def test_a_unit_is_present_where_one_side_shows_it():
    left, right = ActionUnit(12, True, side="left"), ActionUnit(12, False, side="right")
    assert true_units(face(left, right), (12,), None) == [1]
    absent = ActionUnit(12, False, side="left")
    assert true_units(face(absent, right), (12,), None) == [0]
    assert math.isnan(true_units(face(absent), (12,), None)[0])  # the other side is not coded
    unknown = ActionUnit(12, None, side="left")
    assert math.isnan(true_units(face(unknown, right), (12,), None)[0])


def test_a_unit_that_is_not_coded_is_unknown():
    assert math.isnan(true_units(face(ActionUnit(12, True)), (6,), None)[0])


@pytest.mark.parametrize(("grade", "there"), [(0, 0), (1, 0), (2, 1), (5, 1)])
def test_the_suites_threshold_decides_over_the_readers_word(grade, there):
    unit = ActionUnit(12, grade >= 1, intensity=grade)
    assert true_units(face(unit), (12,), 2.0) == [there]
    assert true_units(face(unit), (12,), None) == [float(grade >= 1)]


def test_the_stronger_side_gives_the_intensity():
    sides = ActionUnit(12, True, intensity=1, side="left"), ActionUnit(12, True, intensity=4)
    assert true_intensities(face(*sides), (12,)) == [4]
    assert math.isnan(true_intensities(face(ActionUnit(12, True)), (12,))[0])


def test_only_faces_with_the_labels_are_asked():
    kinds = ("expression", "au_detection", "au_description", "reasoning", "valence_arousal")
    suite = replace(SUITE, tasks=tuple(TaskSpec(kind, "?") for kind in kinds))

    def asked(sample: Sample) -> set[str]:
        return {task.kind for task in tasks_for(sample, suite)}

    assert asked(SAMPLES[0]) == {"expression", "au_detection", "au_description", "reasoning"}
    assert asked(face(ActionUnit(12, True))) == {"au_detection", "au_description"}
    assert asked(face(ActionUnit(12, None))) == set()
    assert asked(face(ActionUnit(25, True))) == set()  # no unit of the suite
    assert asked(face(valence=0.1, arousal=0.2)) == {"valence_arousal"}


@pytest.mark.parametrize("kind", ["expression_description", "au_description", "reasoning"])
def test_references_are_true_and_the_same_every_time(kind):
    task = TaskSpec(kind, "?")
    labels = labels_of(SAMPLES[0], SUITE)
    text = reference_text(task, SAMPLES[0], SUITE, "a#1")
    assert text == reference_text(task, SAMPLES[0], SUITE, "a#1")
    assert set(parse(text).units) <= set(labels.present) == {6, 12}


def test_a_datasets_own_text_comes_first():
    task = TaskSpec("reasoning", "?")
    own = Sample(id="x", dataset="m", image="x.png", attributes={"description": "Her words."})
    assert reference_text(task, own, SUITE, "x") == "Her words."
    assert reference_text(TaskSpec("expression", "?"), own, SUITE, "x") is None


def test_clusters_and_folds():
    clip = Sample(id="x", dataset="m", image="x.png", subject="SN013", attributes={"clip": "v1"})
    assert cluster_of(clip) == ("SN013", "v1")
    assert fold_of(clip, "disfa") == "part 2"
    assert fold_of(clip, "bp4d") == ""
    assert fold_of(clip, "") == ""


@pytest.mark.parametrize(
    ("name", "value", "group"),
    [
        ("age", 36.9, "20 to 39"),
        ("age", 71.0, "60 and older"),
        ("age", "40-69", "40-69"),
        ("skin_tone", 0.27, "0.2 to 0.4"),
        ("scene", "Action", "Action"),
        ("gender", "", None),
        ("camera", 2.0, "2"),
    ],
)
def test_groups(name, value, group):
    assert group_value(name, {name: value}) == group
    assert group_value("missing", {name: value}) is None
