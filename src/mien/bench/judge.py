"""An extra beside the scores: another model grades descriptions and reasons.

A judge has its own taste, so its grades never stand alone. The prompt is pinned in `judge.json`,
its hash is in the file of replies, and every reply is kept, so that nothing is asked or paid for
twice. The judge sees labels, reference and answer, and no picture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from mien.bench.answer_log import AnswerStore, read_records
from mien.bench.figure_names import KINDS
from mien.bench.run import model_slug, record_of
from mien.bench.score.items import Items, Run
from mien.engines.request import Request, Responder
from mien.metrics import Resampler
from mien.partfile import write_whole
from mien.untrusted import json_value

JUDGED = ("expression_description", "au_description", "reasoning")
GRADES = ("correct", "reasons")
LEAST, MOST = 1, 10


@dataclass(frozen=True, slots=True)
class TaskGrades:
    """Mean grades of one task.

    Attributes:
        task: its name.
        items: all items; those without an answer have the lowest grade.
        ungraded: items for which the judge gave no grade, which are left out of the means.
        means: grade to mean and the ends of its 95 % interval, from 1 to 10.
    """

    task: str
    items: int
    ungraded: int
    means: dict[str, tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Grades of one run by one judge."""

    judge: str
    prompt_hash: str
    tasks: tuple[TaskGrades, ...]

    def words(self) -> str:
        """In one line."""
        parts = []
        for task in self.tasks:
            grades = ", ".join(
                f"{name} {v:.2f} [{a:.2f}, {b:.2f}]" for name, (v, a, b) in task.means.items()
            )
            lost = f" ({task.ungraded} of {task.items} ungraded)" if task.ungraded else ""
            parts.append(f"{KINDS.get(task.task, task.task)}: {grades}{lost}")
        return "; ".join(parts) or "no task with texts"


def judge_run(
    run: Run, responder: Responder, *, advance: Callable[[int], None] = lambda count: None
) -> Judgement:
    """Has the texts of a run graded and writes `judge-NAME.json` beside its answers.

    Args:
        run: with its answers.
        responder: the judge; endpoints ask at temperature 0.
        advance: called with the number of grades that are there.

    Raises:
        StoreError: if there are grades by another prompt or judge.
        mien.partfile.SinkError: if they cannot be written.
        mien.engines.EngineError: if the judge cannot answer at all.
    """
    folder = run.folder / f"judge-{model_slug(responder.name)}"
    tasks = [items for items in run.tasks if items.task.kind in JUDGED]
    header = {"judge": dict(responder.identity()), "prompt": prompt_hash()}
    with AnswerStore(folder, header) as store:
        wanted = (r for items in tasks for r in _requests(items, run) if not store.answered(r.id))
        for reply in responder.respond(wanted):
            store.append(record_of(reply))
            advance(1)
    grades = {record.id: read_grades(record.text) for record in read_records(folder)}
    judged = tuple(_means(items, run, grades) for items in tasks)
    judgement = Judgement(responder.name, prompt_hash(), judged)
    data = {
        "judge": judgement.judge,
        "prompt": judgement.prompt_hash,
        "tasks": [
            {"task": t.task, "items": t.items, "ungraded": t.ungraded, "means": t.means}
            for t in judged
        ],
    }
    write_whole(folder / "grades.json", json.dumps(data, indent=1).encode() + b"\n")
    return judgement


def read_grades(text: str | None) -> dict[str, int] | None:
    """The grades in a judge's reply; None where it is not the JSON that was asked for."""
    start, end = (text or "").find("{"), (text or "").rfind("}")
    try:
        data = json_value((text or "")[start : end + 1])
    except ValueError:
        return None
    if not isinstance(data, dict) or set(data) != set(GRADES):
        return None
    good = all(type(v) is int and LEAST <= v <= MOST for v in data.values())
    return data if good else None


@cache
def _file() -> dict[str, Any]:
    text = resources.files("mien.bench").joinpath("judge.json").read_text(encoding="utf-8")
    return json.loads(text)


def prompt_hash() -> str:
    """SHA-256 of the judge's prompt, instructions and schema."""
    return hashlib.sha256(json.dumps(_file(), sort_keys=True).encode()).hexdigest()


def _requests(items: Items, run: Run) -> Iterator[Request]:
    for row in range(len(items)):
        if items.statuses[row] in ("ok", "unparsed") and items.texts[row].strip():
            yield Request(
                id=_key(items, row),
                images=(),
                prompt=_file()["prompt"].format(
                    labels=_labels(items, row, run),
                    reference=items.references[row],
                    answer=items.texts[row],
                ),
                system=_file()["system"],
                schema=_file()["schema"],
                max_tokens=64,
            )


def _key(items: Items, row: int) -> str:
    """Name of a grade; another answer of the same item has another one."""
    text = hashlib.sha256(items.texts[row].encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{items.ids[row]}@{text}"


def _labels(items: Items, row: int, run: Run) -> str:
    parts = []
    if items.expressions[row] is not None:
        parts.append(f"expression {items.expressions[row]}")
    pairs = list(zip(run.suite.units, items.units[row], strict=True))
    for words, value in (("present", 1), ("absent", 0)):
        units = ", ".join(f"AU{unit}" for unit, truth in pairs if truth == value)
        parts.append(f"action units {words}: {units or 'none'}")
    return "; ".join(parts)


def _means(items: Items, run: Run, grades: dict[str, dict[str, int] | None]) -> TaskGrades:
    rows = []
    for row in range(len(items)):
        if items.statuses[row] in ("ok", "unparsed") and items.texts[row].strip():
            grade = grades.get(_key(items, row))
            values = None if grade is None else [float(grade[name]) for name in GRADES]
        else:
            values = [float(LEAST)] * len(GRADES)
        rows.append([*values, 1.0] if values is not None else [0.0] * (len(GRADES) + 1))
    sums = np.array(rows)
    graded = int(sums[:, -1].sum())
    means: dict[str, tuple[float, float, float]] = {}
    if graded:
        resampler = Resampler(len(items), groups=items.clusters)
        found = resampler.intervals(sums, _mean_grades)
        means = {n: (e.value, e.low, e.high) for n, e in zip(GRADES, found, strict=True)}
    return TaskGrades(items.task.name, len(items), len(items) - graded, means)


def _mean_grades(sums: np.ndarray) -> np.ndarray:
    count = sums[:, -1:]
    nan = np.full((len(sums), len(GRADES)), np.nan)
    return np.divide(sums[:, :-1], count, out=nan, where=count > 0)
