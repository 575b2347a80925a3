"""Tasks: which labels carry which, and that every text is true to them."""

from __future__ import annotations

import random

import pytest

from mien import facs
from mien.data.build.face_labels import Labels, labels_of
from mien.data.build.tasks import (
    DEFAULT_TASKS,
    TASKS,
    check_tasks,
    content_hash,
    draw_tasks,
    options_of,
    parts_of,
    tasks_of,
    write,
)
from mien.data.checks.label_agreement import check_turns
from mien.data.checks.rules import CheckRules
from mien.datasets import DATASETS
from mien.schema import ActionUnit
from tests.data.build.made_up import sample

BOTH = Labels("happiness", "basic7", {6: None, 12: 3.0}, frozenset({4}))


def test_labels_of_a_sample_keep_unknown_apart_from_absent() -> None:
    units = (
        ActionUnit(12, present=True, intensity=3),
        ActionUnit(6, present=True, intensity=0),
        ActionUnit(4, present=False),
        ActionUnit(9, present=None),
        ActionUnit(14, present=True, side="left"),
        ActionUnit(2, present=False, side="left"),
    )
    labels = labels_of(sample(action_units=units))
    assert labels.present == {6: None, 12: 3, 14: None}
    assert labels.absent == {4}  # the other side of AU2 is not known
    assert {2, 9} <= labels.unknown
    assert Labels.from_dict(labels.to_dict()) == labels


def test_labels_without_any_known_unit_are_unknown_and_not_empty() -> None:
    labels = labels_of(sample(action_units=(ActionUnit(9, present=None),)))
    assert labels.present is None
    assert labels.to_dict()["action_units"] is None


def test_each_sample_gets_the_tasks_that_its_labels_carry() -> None:
    only_units = Labels(present={12: None})
    only_expression = Labels("anger", "basic7")
    assert tasks_of(BOTH, DEFAULT_TASKS) == DEFAULT_TASKS
    assert tasks_of(only_units) == ("au_detection", "au_description", "conversation", "analysis")
    assert tasks_of(only_expression) == (
        *("category", "expression", "expression_description", "conversation", "analysis"),
    )
    assert tasks_of(Labels()) == ()


def test_drawn_tasks_depend_on_the_name_alone() -> None:
    drawn = draw_tasks(TASKS, "a", per_sample=3, seed=0)
    assert len(drawn) == 3
    assert drawn == draw_tasks(TASKS, "a", per_sample=3, seed=0)
    assert drawn == draw_tasks(TASKS[::-1], "a", per_sample=3, seed=0)[::-1]
    others = {draw_tasks(TASKS, str(n), per_sample=3, seed=0) for n in range(50)}
    assert len(others) > 10


def test_category_has_the_form_of_emo_llama() -> None:
    [(question, answer)] = write(
        "category", BOTH, dataset="rafdb", clip=False, rng=random.Random(0)
    )
    order = "surprise, fear, disgust, happiness, sadness, anger, neutral"
    assert order in question
    assert answer == "happiness"
    assert options_of(Labels("anger", "mafw11"), "mafw") == (
        *("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
        *("contempt", "anxiety", "helplessness", "disappointment"),
    )


def test_a_clip_is_never_called_a_picture() -> None:
    for seed in range(200):
        for task in DEFAULT_TASKS:
            turns = write(task, BOTH, dataset="dfew", clip=True, rng=random.Random(seed))
            text = " ".join(part for turn in turns for part in turn)
            assert "picture" not in text
            assert "image" not in text


def test_all_texts_from_templates_pass_all_checks() -> None:
    """Over random labels of every kind; the builder reads back only a share of them."""
    seen = set()
    for seed in range(100):
        rng = random.Random(seed)
        label_set = rng.choice(list(facs.LABEL_SETS))
        expression = rng.choice([None, *facs.LABEL_SETS[label_set]])
        units = rng.sample(sorted(facs.ACTION_UNITS), 12)
        count = rng.randint(0, 6)
        present = {au: rng.choice([None, 1.0, 2.5, 5.0]) for au in sorted(units[:count])}
        known = rng.random() < 0.7
        labels = Labels(
            expression,
            label_set if expression else None,
            present if known else None,
            frozenset(units[count:]) if known else frozenset(),
        )
        for task in tasks_of(labels):
            turns = write(task, labels, dataset="rafdb", clip=seed % 2 == 0, rng=rng)
            faults = check_turns([a for _, a in turns], task, labels, CheckRules())
            assert not faults, (turns, faults, labels)
            seen.add((task, len(turns)))
    assert {task for task, _ in seen} == set(TASKS)
    assert {n for task, n in seen if task == "conversation"} == {1, 2, 3}


def compound(name: str = "happily surprised", **more: object) -> Labels:
    attributes = {"compound": name}
    return labels_of(
        sample(dataset="rafdb_compound", expression=None, attributes=attributes, **more)
    )


def test_a_compound_is_chosen_from_the_eleven_and_described_by_its_parts() -> None:
    labels = compound()
    assert tasks_of(labels, DEFAULT_TASKS) == ("category", "analysis")
    [(question, answer)] = write(
        "category", labels, dataset="rafdb_compound", clip=False, rng=random.Random(0)
    )
    assert "happily surprised, happily disgusted, sadly fearful" in question
    assert answer == "happily surprised"
    [(_, answer)] = write(
        "analysis", labels, dataset="rafdb_compound", clip=False, rng=random.Random(0)
    )
    assert answer.startswith("Happily surprised.\n")
    assert "happiness" in answer
    assert "surprise" in answer
    with_units = compound(units={12: True, 26: True, 4: False})
    [(_, answer)] = write(
        "analysis", with_units, dataset="rafdb_compound", clip=False, rng=random.Random(0)
    )
    assert answer.startswith("Happily surprised. AU12, AU26.")
    assert labels_of(sample(expression=None, attributes={"compound": "x"})).compound is None


def test_texts_about_compounds_pass_the_checks_and_others_do_not() -> None:
    for name in DATASETS["rafdb_compound"].compounds.values():
        assert parts_of(name)[0] != parts_of(name)[1]
        for units in (None, {12: True, 4: False}):
            labels = compound(name, units=units)
            for task in tasks_of(labels):
                for seed in range(20):
                    turns = write(
                        task,
                        labels,
                        dataset="rafdb_compound",
                        clip=seed % 2 == 0,
                        rng=random.Random(seed),
                    )
                    answers = [answer for _, answer in turns]
                    assert check_turns(answers, task, labels, CheckRules()) == [], answers
    (fault,) = check_turns(["sadly angry"], "category", compound(), CheckRules())
    assert fault.rule == "expression"


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(ValueError, match="unknown task 'detection'; tasks are category"):
        check_tasks(["category", "detection"])


def test_names_of_files_that_are_no_utf8_have_a_hash() -> None:
    assert content_hash("a", 1) == content_hash("a\x001") != content_hash("a")
    assert content_hash("\udcff.png") != content_hash("\udcfe.png")
