import json
import shutil
from dataclasses import replace

import pytest

from mien.bench.answer_log import ANSWERS_FILE, StoreError
from mien.bench.result import Result, ResultError, read_result, write_result
from mien.bench.score.folder import score_folder
from mien.bench.suite import TaskSpec
from mien.engines.base import Answer
from mien.engines.request import Reply
from mien.schema import ActionUnit, Expression
from tests.bench.helpers import SAMPLES, SUITE, TRUE_ANSWERS, Scripted, run, sample


def scored(folder, answers=TRUE_ANSWERS, **options) -> Result:
    run(folder, answers, **options)
    return score_folder(folder, samples=50)


def value(result: Result, task: str, name: str) -> float | None:
    return result.task(task).figures[name].value


def test_true_answers_score_full_marks(tmp_path):
    result = scored(tmp_path)
    for task, names in {
        "expression": ("war", "uar", "macro_f1", "parse_rate"),
        "au_detection": ("au_macro_f1", "au_micro_f1", "au_shared_f1", "au_accuracy"),
        "reasoning": ("war", "expression_match", "rationale_precision", "rationale_recall"),
    }.items():
        assert {name: value(result, task, name) for name in names} == dict.fromkeys(names, 1.0)


WRONG = {
    **TRUE_ANSWERS,
    "a#expression": "I cannot say.",  # unparsed
    "b#expression": None,  # failed
    "c#expression": "Contempt.",  # no class of the suite
    "a#au_detection": "It is a nice face.",  # unparsed
    "b#au_detection": "AU12 and AU6.",
    "c#au_detection": None,
}


def test_wrong_answers_by_hand(tmp_path):
    result = scored(tmp_path, WRONG)
    task = result.task("expression")
    assert task.items == 4
    assert task.statuses == {
        "ok": 1, "unparsed": 2, "failed": 1, "no_face": 0, "unreadable": 0, "missing": 0,
    }  # fmt: skip
    assert task.parse_rate == value(result, "expression", "parse_rate") == 0.25
    assert value(result, "expression", "war") == 0.25
    # recall of happiness 0, anger 0, neutral 1
    assert value(result, "expression", "uar") == pytest.approx(1 / 3)
    assert task.parsed_only["war"] == 1
    assert task.confusion.unparsed == (0, 2, 0, 0, 0, 0, 1)
    assert sum(sum(row) for row in task.confusion.matrix) + sum(task.confusion.unparsed) == 4
    assert task.undefined == ("sadness", "surprise", "fear", "disgust")


def test_an_unread_answer_about_units_is_right_nowhere(tmp_path):
    task = scored(tmp_path, WRONG).task("au_detection")
    rows = {row.au: row for row in task.units}
    # a is unread: misses of 6 and 12, false alarm of 4; c failed: miss of 4, false alarms of 6, 12
    assert (rows[4].known, rows[4].present, rows[4].f1) == (3, 1, 0)
    assert rows[6].f1 == 0  # one miss, false alarms of b and c
    assert rows[12].f1 == pytest.approx(2 / (2 + 1 + 1))  # b is a hit
    assert task.figures["au_macro_f1"].value == pytest.approx(0.5 / 3)
    assert task.figures["au_shared_f1"].value == pytest.approx(0.25)
    # hits 1; false alarms 4 of a, 6 of b and c, 12 of c; misses 6 and 12 of a, 4 of c
    assert task.figures["au_micro_f1"].value == pytest.approx(2 / (2 + 4 + 3))
    # 11 known labels, of which right: 12 of b and all three of d
    assert task.figures["au_accuracy"].value == pytest.approx(4 / 11)


def test_a_unit_that_is_not_mentioned_is_absent_and_an_unknown_label_is_masked(tmp_path):
    answers = {**TRUE_ANSWERS, "b#au_detection": "AU12 and AU4."}  # 4 of b is unknown
    assert value(scored(tmp_path, answers), "au_detection", "au_macro_f1") == 1


def test_a_text_about_the_expression_alone_is_no_answer_about_units(tmp_path):
    task = scored(tmp_path, {**TRUE_ANSWERS, "d#au_detection": "Neutral."}).task("au_detection")
    assert task.statuses["unparsed"] == 1


def test_faces_that_are_not_found_stay_in_every_denominator(tmp_path):
    result = scored(tmp_path, broken="a")
    assert [task.items for task in result.tasks] == [4, 4, 4]
    assert result.task("expression").statuses["unreadable"] == 1
    assert value(result, "expression", "war") == 0.75
    assert value(result, "reasoning", "rationale_recall") == 0.5  # 6 and 12 of a are missed
    assert value(result, "reasoning", "consistency") == 0.5  # AU4 alone is no sign of anger


def test_questions_that_were_not_asked_yet_are_wrong_too(tmp_path):
    run(tmp_path)
    path = tmp_path / ANSWERS_FILE
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:4]))  # the header and the three answers about a
    task = score_folder(tmp_path, samples=50).task("expression")
    assert (task.items, task.statuses["missing"]) == (4, 3)
    assert task.figures["war"].value == 0.25


def test_reasons_by_hand(tmp_path):
    answers = {
        **TRUE_ANSWERS,
        "a#reasoning": "Anger. The lowered brows (AU4) and cheeks (AU6) show it.",
        "c#reasoning": "Anger. It is clear.",
    }
    result = scored(tmp_path, answers)
    # named: 4 (absent) and 6 (present) of a, 12 of b; present in all: 6, 12, 12, 4
    assert value(result, "reasoning", "rationale_precision") == pytest.approx(2 / 3)
    assert value(result, "reasoning", "rationale_recall") == pytest.approx(2 / 4)
    assert value(result, "reasoning", "expression_match") == 0.75
    assert value(result, "reasoning", "hallucination") == pytest.approx(1 / 3)
    # a: AU6 speaks against anger; c names no sign; b and d fit
    assert value(result, "reasoning", "consistency") == 0.5


def test_baselines_need_no_answer(tmp_path):
    result = scored(tmp_path, {})
    majority = result.task("expression").baselines["majority"]
    assert (majority["war"], majority["uar"]) == (0.5, pytest.approx(1 / 3))
    always = result.task("au_detection").baselines["always on"]
    # 4: 1 of 3 frames, 6: 1 of 4, 12: 2 of 4
    assert always["au_macro_f1"] == pytest.approx((2 / 4 + 2 / 5 + 4 / 6) / 3)
    assert always["au_micro_f1"] == pytest.approx(2 * 4 / (4 + 11))
    assert value(result, "expression", "war") == 0


def test_groups_have_their_sizes(tmp_path):
    groups = scored(tmp_path, WRONG).task("expression").groups
    found = {(g.attribute, g.value): (g.items, g.figures["war"].value) for g in groups}
    assert found == {
        ("gender", "female"): (2, 0.0),
        ("gender", "male"): (2, 0.5),
        ("age", "20 to 39"): (4, 0.25),
    }


def test_intervals_are_by_subject_where_all_are_known_else_by_item(tmp_path):
    assert scored(tmp_path / "a").intervals["drawn"] == "subject"
    unnamed = [replace(s, subject=None) for s in SAMPLES]
    assert scored(tmp_path / "b", samples=unnamed).intervals["drawn"] == "item"
    clips = [replace(s, attributes={"clip": "v"}) for s in unnamed]
    assert scored(tmp_path / "c", samples=clips).intervals["drawn"] == "clip"
    figure = scored(tmp_path / "d", WRONG).task("expression").figures["war"]
    assert figure.low == 0
    assert 0.25 < figure.high <= 1


def test_folds_are_pooled_and_averaged(tmp_path):
    suite = replace(SUITE, folds="split")
    parts = [replace(s, split="1" if s.id in "ab" else "2") for s in SAMPLES]
    answers = {**TRUE_ANSWERS, "c#au_detection": "AU12.", "c#expression": "Fear."}
    result = scored(tmp_path, answers, suite=suite, samples=parts)
    unit = {row.au: row for row in result.task("au_detection").units}[12]
    assert unit.f1 == pytest.approx(4 / 5)
    assert unit.fold_mean == 1  # it is present in the first fold alone
    assert value(result, "expression", "war") == 0.75
    assert value(result, "expression", "war_fold_mean") == pytest.approx((1 + 0.5) / 2)


def numbers(request, text) -> Reply:
    present = {4: 0.2, 6: 0.9, 12: 0.8}
    units = tuple(ActionUnit(u, p >= 0.5, p, 5 * p) for u, p in present.items())
    label = "anger" if request.id.startswith("c") else "happiness"
    names = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
    scores = {name: 0.7 if name == label else 0.05 for name in names}
    answer = Answer(expression=Expression(label, "basic7", scores), action_units=units)
    return Reply(request.id, text=text, numbers=answer)


def test_numbers_stand_beside_the_words(tmp_path):
    result = scored(tmp_path, responder=Scripted(TRUE_ANSWERS, make=numbers))
    assert value(result, "expression", "war") == 1
    assert result.task("expression").numbers["war"].value == 0.75  # d is no happiness
    assert result.task("expression").numbers["ece"].value == pytest.approx(0.05)
    task = result.task("au_detection")
    # 4 never called: 0; 6 always called, 1 of 4: 2/5; 12 always, 2 of 4: 2/3
    assert task.numbers["au_macro_f1"].value == pytest.approx((0 + 0.4 + 2 / 3) / 3)
    assert task.numbers["au_auc"].value == 0.5  # the same score for all
    unit = {row.au: row for row in task.units}[12]
    assert unit.numbers["ece"] == pytest.approx(0.3)
    assert unit.numbers["ap"] == 0.5
    assert result.task("reasoning").numbers == {}


def test_without_numbers_there_are_none(tmp_path):
    result = scored(tmp_path)
    assert all(task.numbers == {} for task in result.tasks)


def test_likelihood_takes_the_likeliest_option_and_a_tie_is_no_answer(tmp_path):
    def make(request, text):
        if not request.options:
            return Reply(request.id, text=text)
        scores = dict.fromkeys(request.options, -5.0)
        scores[text.strip(".").lower()] = -1.0
        if request.id.startswith("d"):
            scores["fear"] = -1.0
        return Reply(request.id, option_scores=scores)

    responder = Scripted(TRUE_ANSWERS, make=make)
    result = scored(tmp_path, responder=responder, scoring="likelihood")
    task = result.task("expression")
    assert task.figures["war"].value == 0.75
    assert task.statuses["unparsed"] == 1
    assert value(result, "au_detection", "au_macro_f1") == 1


def test_valence_and_arousal(tmp_path):
    task = TaskSpec("valence_arousal", "How pleasant?")
    suite = replace(SUITE, tasks=(task,))
    faces = [
        replace(sample(n, None), valence=v, arousal=-v)
        for n, v in (("a", 0.5), ("b", -0.5), ("c", 0.0))
    ]
    answers = {
        "a#valence_arousal": "valence: 0.5, arousal: -0.5",
        "b#valence_arousal": "valence: -0.5, arousal: 0.5",
        "c#valence_arousal": "hard to say",
    }
    result = scored(tmp_path, answers, suite=suite, samples=faces)
    assert value(result, "valence_arousal", "ccc_valence") == pytest.approx(1)
    assert value(result, "valence_arousal", "parse_rate") == pytest.approx(2 / 3)
    worse = {**answers, "a#valence_arousal": "no idea"}  # stands for 0, 0
    result = scored(tmp_path / "worse", worse, suite=suite, samples=faces)
    # truth 0.5, -0.5, 0 and answers 0, -0.5, 0: cov 1/12, variances 1/6 and 1/18, gap 1/6
    expected = 2 / 12 / (1 / 6 + 1 / 18 + 1 / 36)
    assert value(result, "valence_arousal", "ccc_valence") == pytest.approx(expected)


def test_descriptions_are_compared_with_their_reference(tmp_path):
    task = TaskSpec("expression_description", "Describe.", metrics=("rege", "war"))
    suite = replace(SUITE, tasks=(task,))
    text = "Happiness. The cheeks are raised."
    faces = [replace(s, attributes={"description": text}) for s in SAMPLES]
    answers = {f"{s.id}#{task.name}": text for s in SAMPLES[:2]}  # the others fail
    result = scored(tmp_path, answers, suite=suite, samples=faces)
    assert value(result, task.name, "rouge_l") == 0.5  # failed answers overlap in nothing
    assert value(result, task.name, "war") == 0.5
    assert value(result, task.name, "words") == 2.5
    assert value(result, task.name, "distinct_1") == 0.5
    assert value(result, task.name, "rege") == pytest.approx(50 + 50, abs=1e-4)
    assert result.task(task.name).headline == ("rege", "war")


def test_scoring_again_gives_the_same_bytes(tmp_path):
    first = scored(tmp_path, WRONG).to_json()
    assert score_folder(tmp_path, samples=50).to_json() == first
    other = scored(tmp_path / "again", WRONG).to_json()
    assert other == first
    assert score_folder(tmp_path, samples=50, seed=1).to_json() != first


def test_a_result_survives_its_file(tmp_path):
    result = scored(tmp_path, WRONG)
    path = write_result(result, tmp_path)
    again = read_result(tmp_path)
    assert again.to_json() == result.to_json()
    assert read_result(path).task("au_detection").units[0].au == 4
    assert "NaN" not in path.read_text()
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 7'))
    with pytest.raises(ResultError, match="schema_version is 7"):
        read_result(path)
    path.write_text("{}")
    with pytest.raises(ResultError, match="schema_version is None"):
        read_result(path)
    with pytest.raises(ResultError, match="mien bench rescore"):
        read_result(tmp_path / "nothing.json")


def test_damaged_folders_say_which_file(tmp_path):
    run(tmp_path / "a")
    for name in ("run.json", "samples.jsonl", ANSWERS_FILE):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "a", folder)
        (folder / name).unlink()
        with pytest.raises(StoreError, match=name):
            score_folder(folder)
    info = json.loads((tmp_path / "a" / "run.json").read_text())
    for units, words in (
        ([4, 6, 12, 25], "not the one of the answers"),
        ([99], "run.json.*unit 99"),
    ):
        info["suite"]["units"] = units
        (tmp_path / "a" / "run.json").write_text(json.dumps(info))
        with pytest.raises(StoreError, match=words):
            score_folder(tmp_path / "a")
