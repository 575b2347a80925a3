"""The types: JSON in and out, and every value that does not fit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import facs
from mien.sample import Sample
from mien.schema import (
    KINDS,
    SIDES,
    STATUSES,
    ActionUnit,
    Analysis,
    Course,
    Expression,
    Face,
    Pose,
    SchemaError,
)

texts = st.text(max_size=12)
names = st.text(min_size=1, max_size=12)
real = st.floats(-1e4, 1e4)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, ...]:
    x, y = draw(st.floats(-100, 5000)), draw(st.floats(-100, 5000))
    return (x, y, x + draw(st.floats(0.5, 900)), y + draw(st.floats(0.5, 900)))


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    label_set = draw(st.sampled_from(sorted(facs.LABEL_SETS)))
    classes = facs.LABEL_SETS[label_set]
    size = len(classes)
    weights = draw(maybe(st.lists(st.floats(0.01, 1), min_size=size, max_size=size)))
    scores = None
    if weights is not None:
        scores = {n: w / sum(weights) for n, w in zip(classes, weights, strict=True)}
    return Expression(draw(maybe(st.sampled_from(classes))), label_set, scores)


units = st.builds(
    ActionUnit,
    au=st.sampled_from(sorted(facs.ACTION_UNITS)),
    present=maybe(st.booleans()),
    probability=maybe(st.floats(0, 1)),
    intensity=maybe(st.floats(0, 5)),
    side=st.sampled_from(SIDES),
)
unit_lists = maybe(st.lists(units, max_size=5, unique_by=lambda u: (u.au, u.side)).map(tuple))
angles = st.floats(-180, 180)
signed = maybe(st.floats(-1, 1))


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    status = draw(st.sampled_from(STATUSES))
    silent = status in ("no_face", "unreadable")
    kind = draw(st.sampled_from(KINDS))
    span = {} if kind == "face" else {"start": draw(real), "end": draw(real)}
    return Analysis(
        source=draw(names),
        kind=kind,
        frame=draw(maybe(st.integers(0, 10**6))),
        time=draw(maybe(real)),
        face=draw(maybe(st.integers(0, 99))),
        track=draw(maybe(st.integers(0, 99))),
        status=status,
        box=draw(maybe(boxes())),
        detection=draw(maybe(st.floats(0, 1))),
        pose=draw(maybe(st.builds(Pose, yaw=angles, pitch=angles, roll=angles))),
        expression=None if silent else draw(maybe(expressions())),
        action_units=None if silent else draw(unit_lists),
        valence=draw(signed),
        arousal=draw(signed),
        text=draw(maybe(texts)),
        model=draw(maybe(names)),
        warnings=tuple(draw(st.lists(texts, max_size=3))),
        **span,
    )


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    kind = draw(st.sampled_from(("image", "frames", "video")))
    return Sample(
        id=draw(names),
        dataset=draw(names),
        image=draw(names) if kind == "image" else None,
        frames=tuple(draw(st.lists(names, min_size=1, max_size=3))) if kind == "frames" else (),
        video=draw(names) if kind == "video" else None,
        subject=draw(maybe(names)),
        split=draw(maybe(names)),
        expression=draw(maybe(expressions())),
        action_units=draw(unit_lists),
        valence=draw(signed),
        arousal=draw(signed),
        attributes=draw(st.dictionaries(names, names | real, max_size=2)),
        box=draw(maybe(boxes())),
        licence=draw(maybe(names)),
        pseudo=draw(st.booleans()),
    )


@given(analyses())
def test_analysis_round_trip(row: Analysis) -> None:
    line = row.to_json()
    assert "\n" not in line
    assert Analysis.from_json(line) == row


@given(samples())
def test_sample_round_trip(sample: Sample) -> None:
    line = sample.to_json()
    assert "\n" not in line
    assert Sample.from_json(line) == sample


def test_fields_stand_in_the_documented_order() -> None:
    row = Analysis("photo.jpg", kind="track", start=0.0, end=2.0).to_dict()
    order = (
        "schema_version kind source frame time face track status box detection pose expression"
        " action_units valence arousal text model warnings start end course"
    )
    assert list(row) == order.split()
    assert "start" not in Analysis("photo.jpg").to_dict()


def test_unknown_is_null() -> None:
    row = json.loads(Analysis("photo.jpg", status="no_face").to_json())
    for name in ("box", "detection", "pose", "expression", "action_units", "valence", "text"):
        assert row[name] is None


def test_unit_of_an_analysis() -> None:
    row = Analysis("a", action_units=(ActionUnit(12, True, side="left"), ActionUnit(6, False)))
    assert row.unit(6) is not None
    assert row.unit(12) is None
    assert row.unit(12, "left") == ActionUnit(12, True, side="left")
    assert ActionUnit(12).name == "lip corner puller"


SEVEN = {name: 1 / 7 for name in facs.LABEL_SETS["basic7"]}

WRONG = {
    "box turned": (lambda: Analysis("a", box=(9, 0, 1, 5)), "empty or turned around"),
    "box empty": (lambda: Analysis("a", box=(1, 1, 1, 5)), "empty or turned around"),
    "box short": (lambda: Analysis("a", box=(1, 2, 3)), "box has 3 numbers"),  # type: ignore
    "box nan": (lambda: Face((0, 0, float("nan"), 1)), "not finite"),
    "sample box": (lambda: Sample("1", "d", "i", box=(2, 0, 1, 1)), "turned around"),
    "detection": (lambda: Analysis("a", detection=1.2), r"detection is 1.2, outside \[0, 1\]"),
    "pose": (lambda: Pose(181, 0, 0), "yaw is 181, outside"),
    "landmarks": (lambda: Face((0, 0, 1, 1), landmarks=np.zeros((4, 2), "f4")), r"\(4, 2\)"),
    "unknown unit": (lambda: ActionUnit(3), "au is 3"),
    "side": (lambda: ActionUnit(1, side="top"), "side is 'top'"),  # type: ignore[arg-type]
    "present": (lambda: ActionUnit(1, present=1), "present is 1"),  # type: ignore[arg-type]
    "probability high": (lambda: ActionUnit(12, probability=3.4), "AU12 probability is 3.4"),
    "probability nan": (lambda: ActionUnit(12, probability=float("nan")), "probability is nan"),
    "intensity high": (lambda: ActionUnit(12, intensity=5.1), "AU12 intensity is 5.1"),
    "intensity low": (lambda: ActionUnit(12, intensity=-1), "AU12 intensity is -1"),
    "unit twice": (lambda: Analysis("a", action_units=(ActionUnit(4),) * 2), r"AU4 \(both\)"),
    "sample unit twice": (
        lambda: Sample("1", "d", "i", action_units=(ActionUnit(4),) * 2),
        "given twice",
    ),
    "label set": (lambda: Expression("fear", "basic9"), "label_set is 'basic9'"),
    "label outside": (lambda: Expression("contempt"), "'contempt' is not in basic7"),
    "label not canonical": (lambda: Expression("happy"), "'happy' is not in basic7"),
    "scores sum": (lambda: Expression("fear", scores={**SEVEN, "fear": 0.9}), "sum to"),
    "scores names": (lambda: Expression("fear", scores={"fear": 1.0}), "not the classes of"),
    "score range": (lambda: Expression("fear", scores={**SEVEN, "fear": -0.1}), "score of fear"),
    "source": (lambda: Analysis(""), "source is empty"),
    "kind": (lambda: Analysis("a", kind="film"), "kind is 'film'"),  # type: ignore[arg-type]
    "status": (lambda: Analysis("a", status="bad"), "status is 'bad'"),  # type: ignore[arg-type]
    "valence": (lambda: Analysis("a", valence=-1.5), "valence is -1.5"),
    "arousal": (lambda: Sample("1", "d", "i", arousal=2), "arousal is 2"),
    "no face with expression": (
        lambda: Analysis("a", status="no_face", expression=Expression("fear")),
        "carries an expression",
    ),
    "unreadable with units": (
        lambda: Analysis("a", status="unreadable", action_units=(ActionUnit(1),)),
        "carries an expression or action units",
    ),
    "track without span": (lambda: Analysis("a", kind="track"), "needs start and end"),
    "clip without end": (lambda: Analysis("a", kind="clip", start=1.0), "needs start and end"),
    "sample id": (lambda: Sample("", "d", "i"), "id is empty"),
    "sample dataset": (lambda: Sample("1", "", "i"), "names no dataset"),
    "sample without picture": (lambda: Sample("1", "d"), "exactly one of image, frames and video"),
    "sample with both": (lambda: Sample("1", "d", "i", ("f",)), "exactly one of image"),
    "frames and video": (lambda: Sample("1", "d", None, ("f",), "v"), "exactly one of image"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_named(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(SchemaError, match=message):
        make()


GOOD = Analysis("a", pose=Pose(0, 0, 0), action_units=(ActionUnit(1),)).to_dict()

WRONG_JSON = {
    "version": ({**GOOD, "schema_version": 2}, "schema_version is 2; this mien reads 1"),
    "no version": ({k: v for k, v in GOOD.items() if k != "schema_version"}, "is None"),
    "unknown field": ({**GOOD, "mood": "fine"}, "Analysis has no field 'mood'"),
    "unknown in unit": ({**GOOD, "action_units": [{"au": 1, "level": 2}]}, "no field 'level'"),
    "unknown in pose": ({**GOOD, "pose": {"yaw": 0, "tilt": 1}}, "Pose has no field 'tilt'"),
    "unknown in expression": ({**GOOD, "expression": {"name": "fear"}}, "no field 'name'"),
}


@pytest.mark.parametrize("case", WRONG_JSON)
def test_wrong_json_is_named(case: str) -> None:
    data, message = WRONG_JSON[case]
    with pytest.raises(SchemaError, match=message):
        Analysis.from_dict(data)


def test_sample_refuses_an_unknown_field() -> None:
    data = {**Sample("1", "d", "i").to_dict(), "mood": 1}
    with pytest.raises(SchemaError, match="Sample has no field 'mood'"):
        Sample.from_dict(data)


@pytest.mark.parametrize(
    ("line", "message"), [("{", "not a line of JSON"), ("[1]", "a row is a JSON object, not list")]
)
@pytest.mark.parametrize("cls", [Analysis, Sample])
def test_not_a_row(cls: Any, line: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        cls.from_json(line)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "of an expression or of an action unit"),
        ({"au": 12, "expression": "fear"}, "of an expression or of an action unit"),
        ({"au": 99}, "course of 99"),
        ({"expression": "boredom"}, "course of 'boredom'"),
        ({"au": 12, "peak": 5.5}, "peak of 12 is 5.5"),
        ({"expression": "fear", "mean": 1.5}, "mean of fear is 1.5"),
        ({"au": 12, "side": "top"}, "side is 'top'"),
    ],
)
def test_courses_are_checked(values, message) -> None:
    with pytest.raises(SchemaError, match=message):
        Course(**values)
