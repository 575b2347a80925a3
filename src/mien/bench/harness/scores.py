"""Answers to figures: read and scored by the same functions as in `mien bench`.

Shares lie in [0, 1]. An answer that could not be read is wrong in every figure and stays in every
denominator; a figure that is not defined is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mien.bench.harness.question import Question, QuestionError
from mien.bench.score.folder import task_tally
from mien.bench.score.items import Items
from mien.bench.score.read_items import read_items
from mien.bench.suite import SourceSpec, Suite, TaskSpec
from mien.metrics import fold_mean_f1


def score(questions: Sequence[Question], answers: Sequence[str | None]) -> dict[str, float]:
    """The figures of one task.

    Args:
        questions: all of one task of one suite.
        answers: of a model, in the same order; None where it gave none, which is unparsed.

    Returns:
        Figure to value, in the order of `Question.metrics`.

    Raises:
        ValueError: if there are no questions, or not as many answers.
        QuestionError: if the questions are of different tasks or suites.
    """
    if not questions or len(questions) != len(answers):
        raise ValueError(f"{len(questions)} questions, but {len(answers)} answers")
    suite, items = _suite_of(questions), _items(questions, answers)
    (overlaps,) = read_items([items], suite, processes=1)
    tally = task_tally(items, suite, overlaps)
    values = tally.values()
    if items.folds and items.asks_units:
        means = fold_mean_f1(items.units, items.said_units, suite.units, items.folds)
        values["au_fold_f1"] = _mean(list(means.values()))
    if items.folds and items.asks_expression:
        rows = np.array(items.folds)
        each = [tally.values(rows == fold) for fold in sorted(set(items.folds))]
        for name in ("war", "uar"):
            values[f"{name}_fold_mean"] = _mean([found[name] for found in each])
    return {name: values[name] for name in questions[0].metrics}


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are defined; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


@lru_cache(maxsize=1)
def score_lines(pairs: tuple[tuple[str, str], ...]) -> dict[str, float]:
    """`score` of (question as JSON, answer) pairs, kept for the next figure of the same answers."""
    found = [Question.from_json(line) for line, _ in pairs]
    return score(found, [answer for _, answer in pairs])


def _suite_of(questions: Sequence[Question]) -> Suite:
    """As much of the suite as its scores depend on."""
    one = questions[0]
    key = _what(one)
    for other in questions:
        if _what(other) != key:
            raise QuestionError(
                f"{other.id} and {one.id} are not of the same task of the same suite; write the"
                " data again with `python -m mien.bench.harness`"
            )
    return Suite(
        name=one.suite,
        version=one.version,
        title=one.suite,
        source=SourceSpec(one.suite),
        tasks=(_task_of(one),),
        label_set=one.label_set,
        units=one.units,
        shared_units=one.shared_units,
    )


def _what(question: Question) -> tuple[object, ...]:
    q = question
    return (q.suite, q.version, q.task, q.prompt_hash, q.label_set, q.units, q.shared_units)


def _task_of(question: Question) -> TaskSpec:
    return TaskSpec(
        kind=question.kind,
        prompt=question.prompt,
        name=question.task,
        read="first" if question.first else "whole",
        metrics=tuple(name for name in question.metrics if name == "rege"),
    )


def _items(questions: Sequence[Question], answers: Sequence[str | None]) -> Items:
    shape = (len(questions), len(questions[0].units))
    nan = math.nan
    present = [[nan if there is None else there for there in q.present] for q in questions]
    va = [[nan if v is None else v for v in (q.valence, q.arousal)] for q in questions]
    return Items(
        task=_task_of(questions[0]),
        ids=[q.id for q in questions],
        texts=[answer or "" for answer in answers],
        statuses=["ok"] * len(questions),  # reading them sets "unparsed"
        references=[q.reference for q in questions],
        expressions=[q.expression for q in questions],
        folds=[q.fold for q in questions if q.fold is not None],
        units=np.array(present, float).reshape(shape),
        va=np.array(va, float).reshape(-1, 2),
    )
