import json

import pytest

from mien.bench.answer_log import StoreError, read_header
from mien.bench.judge import judge_run, prompt_hash, read_grades
from mien.bench.score.folder import read_folder
from mien.engines.request import Reply
from tests.bench.helpers import TRUE_ANSWERS, Scripted, run


class Judge(Scripted):
    """Gives the first text 10 and 8, and then what it is told."""

    def __init__(self, texts, **kw):
        super().__init__({}, name="judge", **kw)
        self.texts, self.requests = list(texts), []

    def respond(self, requests):
        for request in requests:
            self.requests.append(request)
            yield Reply(request.id, text=self.texts.pop(0))


def read(folder):
    answers = {**TRUE_ANSWERS, "d#reasoning": None}
    run(folder, answers)
    return read_folder(folder).run


def test_grades_are_means_over_all_items(tmp_path):
    good = '{"correct": 10, "reasons": 8}'
    judge = Judge([good, '```json\n{"correct": 4, "reasons": 2}\n```', "nine"])
    judgement = judge_run(read(tmp_path), judge)
    (task,) = judgement.tasks
    assert (task.items, task.ungraded) == (4, 1)
    # the one that failed has the lowest grade; the one without a grade is left out and counted
    assert task.means["correct"][0] == pytest.approx((10 + 4 + 1) / 3)
    assert task.means["reasons"][0] == pytest.approx((8 + 2 + 1) / 3)
    assert "1 of 4 ungraded" in judgement.words()
    saved = json.loads((tmp_path / "judge-judge" / "grades.json").read_text())
    assert saved["prompt"] == prompt_hash()
    assert saved["tasks"][0]["ungraded"] == 1


def test_the_judge_sees_labels_reference_and_answer_and_no_picture(tmp_path):
    judge = Judge(['{"correct": 1, "reasons": 1}'] * 3)
    judge_run(read(tmp_path), judge)
    first = judge.requests[0]
    assert first.images == ()
    assert "expression happiness; action units present: AU6, AU12; action units absent: AU4" in (
        first.prompt
    )
    assert TRUE_ANSWERS["a#reasoning"] in first.prompt
    assert first.schema["required"] == ["correct", "reasons"]
    assert "{" not in first.prompt.replace('{"correct": N, "reasons": N}', "")


def test_nothing_is_graded_twice(tmp_path):
    loaded = read(tmp_path)
    first = judge_run(loaded, Judge(['{"correct": 5, "reasons": 5}'] * 3))
    silent = Judge([])
    assert judge_run(loaded, silent) == first
    assert silent.requests == []
    assert read_header(tmp_path / "judge-judge")["prompt"] == prompt_hash()
    with pytest.raises(StoreError, match="weights was 1, now 2"):
        judge_run(loaded, Judge([], weights="2"))


@pytest.mark.parametrize(
    ("text", "grades"),
    [
        ('{"correct": 3, "reasons": 10}', {"correct": 3, "reasons": 10}),
        ('Here: {"correct": 3, "reasons": 10}.', {"correct": 3, "reasons": 10}),
        ('{"correct": 0, "reasons": 10}', None),
        ('{"correct": 3.5, "reasons": 10}', None),
        ('{"correct": true, "reasons": 10}', None),
        ('{"correct": 3}', None),
        ("7", None),
        ("", None),
        (None, None),
    ],
)
def test_a_grade_is_the_json_that_was_asked_for_or_none(text, grades):
    assert read_grades(text) == grades
