from dataclasses import replace

import pytest

from mien import facs
from mien.bench.suite import (
    FIGURES,
    Suite,
    SuiteError,
    TaskSpec,
    list_suites,
    load_suite,
)
from mien.data.readers import reader
from tests.bench.helpers import SUITE

SUITES = list_suites()


def test_the_suites_of_both_papers_are_there():
    wanted = "feabench-synth feabench-affwild2 rafdb affectnet7 affectnet8 bp4d disfa ferplus dfew"
    wanted += " ferv39k mafw fer2013 ckplus faba ferbench fea20k synth csv"
    assert set(wanted.split()) == set(SUITES)


@pytest.mark.parametrize("name", SUITES)
def test_prompts_name_what_is_scored(name):
    suite = load_suite(name)
    assert suite.name == name
    for task in suite.tasks:
        if task.kind == "expression":
            listed = task.prompt.rsplit(":", 1)[1].strip(" .").split(", ")
            assert sorted(listed) == sorted(facs.LABEL_SETS[suite.label_set])
        if task.kind == "au_detection":
            said = [int(part.split()[0].rstrip(",.")) for part in task.prompt.split("AU")[1:]]
            assert tuple(said) == suite.units


@pytest.mark.parametrize("name", SUITES)
def test_sources_are_readers_with_these_splits_and_options(name):
    source = load_suite(name).source
    if source.reader == "feabench-synth":
        return
    entry = reader(source.reader)
    folds = [{"fold": fold} for fold in source.folds] or [{}]
    for fold in folds:
        entry.settings(source.split, {**source.options, **fold})


@pytest.mark.parametrize("name", SUITES)
def test_published_rows_have_a_source_and_belong_to_a_task(name):
    suite = load_suite(name)
    tasks = {task.name: task.kind for task in suite.tasks}
    for row in suite.published:
        assert row["model"]
        assert row["source"]
        figures = {k: v for k, v in row.items() if isinstance(v, float)}
        assert figures
        for figure, value in figures.items():
            assert figure in FIGURES[tasks[row["task"]]]
            assert 0 < value <= (200 if figure == "rege" else 100)


def test_the_hash_holds_what_decides_scores_and_nothing_else():
    assert replace(SUITE, title="Other", about="x", published=()).hash() == SUITE.hash()
    assert replace(SUITE, units=(4, 6, 12, 25)).hash() != SUITE.hash()
    assert replace(SUITE, threshold=2.0).hash() != SUITE.hash()
    other = replace(SUITE.tasks[0], prompt="Which expression?")
    assert replace(SUITE, tasks=(other, *SUITE.tasks[1:])).hash() != SUITE.hash()


def test_a_prompts_hash_holds_kind_words_system_length_and_options():
    task = TaskSpec("expression", "Which?")
    changed = [
        TaskSpec("reasoning", "Which?"),
        TaskSpec("expression", "What?"),
        TaskSpec("expression", "Which?", system="Be short."),
        TaskSpec("expression", "Which?", max_tokens=8),
        TaskSpec("expression", "Which?", own_prompt="question"),
    ]
    hashes = {task.prompt_hash(), task.prompt_hash(("anger",)), *(t.prompt_hash() for t in changed)}
    assert len(hashes) == len(changed) + 2
    assert SUITE.prompt_hashes("text") != SUITE.prompt_hashes("likelihood")


def test_a_suite_survives_json():
    assert Suite.from_dict(SUITE.to_dict()) == SUITE
    for name in SUITES:
        assert Suite.from_dict(load_suite(name).to_dict()) == load_suite(name)


TOML = """
name = "own"
version = 1
title = "Own"
units = [12]
[source]
reader = "csv"
[[tasks]]
kind = "au_detection"
prompt = "Which units?"
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "own"', 'name = "../own"', "name is '../own'"),
        ("units = [12]", "units = [99]", "unit 99"),
        ("units = [12]", "", "units are missing"),
        ("units = [12]", "units = [12]\nlabel_set = 'seven'", "label_set is 'seven'"),
        ("units = [12]", "units = [12, 12]", "units repeat"),
        ("units = [12]", "unit = [12]", "has no field unit"),
        ("au_detection", "aus", "kind is 'aus'"),
        ("Which units?", " ", "prompt of task 'au_detection' is empty"),
        ('kind = "au_detection"', 'kind = "au_detection"\nmetrics = ["war"]', "metric 'war'"),
        ('reader = "csv"', "", "reader"),
        ('title = "Own"', "title = ", "no TOML"),
    ],
)
def test_a_wrong_suite_file_is_named_with_its_field(tmp_path, old, new, words):
    path = tmp_path / "own.toml"
    path.write_text(TOML.replace(old, new))
    with pytest.raises(SuiteError, match=words) as error:
        load_suite(str(path))
    assert "own.toml" in str(error.value)


def test_own_suites_and_unknown_ones(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(TOML)
    assert load_suite(str(path)).units == (12,)
    with pytest.raises(SuiteError, match=r"no suite 'rafdb7'.*rafdb"):
        load_suite("rafdb7")


def test_a_faces_own_question_is_asked_where_it_has_one():
    task = TaskSpec("expression", "Which?", own_prompt="question")
    assert task.question({"question": "How is she?"}) == "How is she?"
    assert task.question({"question": " "}) == "Which?"
    assert task.question({}) == "Which?"
