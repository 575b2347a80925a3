"""Set-level figures of answers that a harness hands back, by hand and against `mien.metrics`."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mien.bench.harness import Question, QuestionError, questions, score
from mien.bench.harness.scores import score_lines
from mien.bench.suite import Suite
from mien.metrics import confusion, count_units, macro_f1, uar, unit_macro_f1, unit_micro_f1, war
from mien.sample import Sample


def asked(samples: list[Sample], suite: Suite, task: str) -> list[Question]:
    return [questions(sample, suite)[task] for sample in samples]


def test_expression_by_hand(samples: list[Sample], suite: Suite) -> None:
    found = asked(samples, suite, "expression")
    figures = score(found, ["Happiness.", "I cannot tell.", "sad", "Joyful"])
    assert list(figures) == list(found[0].metrics)
    assert figures["war"] == 0.5
    assert figures["uar"] == 0.5
    # happiness: 1 hit, 1 miss, 1 false alarm; sadness: 1 hit, 1 miss
    assert figures["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert figures["parse_rate"] == 0.75
    assert figures["war_fold_mean"] == 0.5


def test_expression_is_what_the_metrics_say(samples: list[Sample], suite: Suite) -> None:
    figures = score(asked(samples, suite, "expression"), ["happiness", None, "fear", "sadness"])
    from mien import facs

    counts = confusion(
        [s.expression.label for s in samples if s.expression and s.expression.label],
        ["happiness", None, "fear", "sadness"],
        facs.LABEL_SETS["basic7"],
    )
    assert figures["uar"] == pytest.approx(uar(counts))
    assert figures["war"] == pytest.approx(war(counts))
    assert figures["macro_f1"] == pytest.approx(macro_f1(counts))
    assert figures["parse_rate"] == pytest.approx(counts.parse_rate)


def test_a_label_outside_of_the_set_is_unparsed(samples: list[Sample], suite: Suite) -> None:
    figures = score(asked(samples, suite, "expression"), ["contempt"] * 4)
    assert figures["parse_rate"] == 0
    assert figures["war"] == 0


def test_units_by_hand(samples: list[Sample], suite: Suite) -> None:
    figures = score(
        asked(samples, suite, "au_detection"), ["AU6, AU12", "AU12", "No action units.", "AU12"]
    )
    assert figures["au_macro_f1"] == pytest.approx((1 + 4 / 5) / 2)
    assert figures["au_micro_f1"] == pytest.approx(6 / 7)
    assert figures["au_shared_f1"] == pytest.approx(4 / 5)
    assert figures["au_accuracy"] == pytest.approx(6 / 7)
    # fold 1: AU6 and AU12 right; in fold 2 neither is ever present
    assert figures["au_fold_f1"] == 1
    assert figures["parse_rate"] == 1


def test_units_are_what_the_metrics_say(samples: list[Sample], suite: Suite) -> None:
    nan = math.nan
    figures = score(asked(samples, suite, "au_detection"), ["AU6", "", "AU6, AU12", "Happiness."])
    counts = count_units(
        [[1, 1], [0, 1], [0, 0], [nan, 0]], [[1, 0], [nan, nan], [1, 1], [nan, nan]], [6, 12]
    )
    assert figures["au_macro_f1"] == pytest.approx(unit_macro_f1(counts))
    assert figures["au_micro_f1"] == pytest.approx(unit_micro_f1(counts))
    assert figures["parse_rate"] == 0.5  # an answer without units says nothing about them


def test_an_unparsed_answer_never_raises_a_score(samples: list[Sample], suite: Suite) -> None:
    right = [question.target for question in asked(samples, suite, "au_detection")]
    whole = score(asked(samples, suite, "au_detection"), right)
    holed = score(asked(samples, suite, "au_detection"), [*right[:2], None, None])
    assert whole["au_accuracy"] == 1
    assert holed["au_accuracy"] == pytest.approx(4 / 7)
    assert holed["au_macro_f1"] < whole["au_macro_f1"]


@pytest.mark.parametrize(
    "task", ["expression", "au_detection", "expression_description", "au_description"]
)
def test_the_right_answers_are_right(samples: list[Sample], suite: Suite, task: str) -> None:
    found = asked(samples, suite, task)
    figures = score(found, [question.target for question in found])
    assert all(value == pytest.approx(1) for value in figures.values())


def test_reasoning_by_hand(samples: list[Sample], suite: Suite) -> None:
    figures = score(
        asked(samples, suite, "reasoning"),
        ["Happiness. AU6 and AU12 speak for it.", "Happiness. AU6 speaks for it.", "?", "Sadness."],
    )
    assert figures["war"] == 0.75
    assert figures["expression_match"] == 0.75
    # named with a label: AU6 and AU12 right, AU6 wrong; present: AU6 and AU12, AU12
    assert figures["rationale_precision"] == pytest.approx(2 / 3)
    assert figures["rationale_recall"] == pytest.approx(2 / 3)


def test_valence_and_arousal(samples: list[Sample], suite: Suite) -> None:
    found = asked(samples, suite, "valence_arousal")
    figures = score(found, [question.target for question in found])
    assert figures["ccc_arousal"] == pytest.approx(1)
    assert math.isnan(figures["ccc_valence"])  # valence is the same everywhere
    assert figures["rmse_valence"] == pytest.approx(0)


def test_cached_lines_give_the_same(samples: list[Sample], suite: Suite) -> None:
    found = asked(samples, suite, "expression")
    pairs = tuple((question.to_json(), "sadness") for question in found)
    assert score_lines(pairs) == score(found, ["sadness"] * 4)
    other = tuple((question.to_json(), "happiness") for question in found[:2])
    assert score_lines(other)["war"] == 1


def test_questions_of_different_tasks_are_refused(samples: list[Sample], suite: Suite) -> None:
    one, other = (questions(samples[0], suite)[task] for task in ("expression", "reasoning"))
    with pytest.raises(QuestionError, match="a#reasoning"):
        score([one, other], ["sad", "sad"])
    with pytest.raises(ValueError, match="1 questions, but 2 answers"):
        score([one], ["a", "b"])


def test_question_carries_truth_and_survives_json(samples: list[Sample], suite: Suite) -> None:
    question = questions(samples[3], suite)["au_detection"]
    assert question.present == (None, 0)
    assert question.target == "No action units."
    assert (question.cluster, question.fold) == ("d", "fold 2")
    assert Question.from_json(question.to_json()) == question
    with pytest.raises(QuestionError, match="write the data again"):
        Question.from_json('{"id": "a"}')


def test_prompt_holds_the_instructions_and_the_samples_own_words(
    samples: list[Sample], suite: Suite
) -> None:
    task = replace(suite.tasks[0], system="Look closely.", own_prompt="prompt")
    changed = replace(suite, tasks=(task,))
    plain = questions(samples[0], changed)["expression"]
    assert plain.prompt == "Look closely.\n\nSay the expression."
    own = replace(samples[0], attributes={"prompt": "And this one?"})
    assert questions(own, changed)["expression"].prompt == "Look closely.\n\nAnd this one?"


def test_a_face_without_labels_of_a_task_is_not_asked(samples: list[Sample], suite: Suite) -> None:
    assert set(questions(replace(samples[0], expression=None), suite)) == {
        *("au_detection", "au_description", "valence_arousal")
    }


def test_score_equals_that_of_a_bench_run(samples: list[Sample], suite: Suite) -> None:
    """The figures are those of `mien.bench.score` on the same answers."""
    from mien.bench.score.expression import expression_tally
    from mien.bench.score.units import unit_tally
    from mien.facs import LABEL_SETS

    said = ["happiness", None, "sadness", "sadness"]
    by_bench = expression_tally(
        ["happiness", "happiness", "sadness", "sadness"], said, LABEL_SETS["basic7"]
    ).values()
    figures = score(asked(samples, suite, "expression"), said)
    assert {name: figures[name] for name in by_bench} == by_bench
    truth = np.array([[1, 1], [0, 1], [0, 0], [math.nan, 0]])
    units = unit_tally(truth, np.ones((4, 2)), (6, 12), suite).values()
    figures = score(asked(samples, suite, "au_detection"), ["AU6, AU12"] * 4)
    assert {name: figures[name] for name in figures if name in units} == {
        name: value for name, value in units.items() if name in figures
    }
