"""Which tasks a face can carry, and how they are asked and answered without any model.

All chance comes from a hash of the sample's name, the task and the seed, so that neither the order
of the samples nor a restart changes a word.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from mien import facs
from mien.data.build.face_labels import Labels
from mien.datasets import DATASETS
from mien.language import TASKS as LANGUAGE_TASKS
from mien.language import conversation, describe, prompt_for
from mien.language.words import capital

Turn = tuple[str, str]

TASKS: tuple[str, ...] = (
    "category",
    "expression",
    "expression_description",
    "au_detection",
    "au_description",
    "reasoning",
    "conversation",
    "analysis",
)
"""`category` is EMO-LLaMA's form, a choice from a closed list; the others are those of
`mien.language`, and `conversation` has one to three turns."""

DEFAULT_TASKS: tuple[str, ...] = tuple(task for task in TASKS if task != "expression")

_NEED_EXPRESSION = frozenset({"category", "expression", "expression_description", "reasoning"})
_OF_COMPOUNDS = frozenset({"category", "expression", "analysis"})
"""What a compound carries: no phrase says how two expressions in one show."""
_NEED_UNITS = frozenset({"au_detection", "au_description", "reasoning"})
_WORDS_OF_CLIPS = (("pictures", "clips"), ("picture", "clip"), ("image", "video"))


def check_tasks(tasks: Sequence[str]) -> tuple[str, ...]:
    """The tasks in their fixed order, each once.

    Raises:
        ValueError: if one is unknown.
    """
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise ValueError(f"unknown task {unknown[0]!r}; tasks are {', '.join(TASKS)}")
    return tuple(task for task in TASKS if task in tasks)


def content_hash(*parts: object) -> int:
    """64 bits that depend on the parts alone."""
    name = "\0".join(map(str, parts)).encode("utf-8", "surrogateescape")  # file names
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


def tasks_of(labels: Labels, wanted: Sequence[str] = TASKS) -> tuple[str, ...]:
    """The tasks among `wanted` that these labels can answer."""
    if labels.expression is None and labels.present is None and labels.compound is None:
        return ()
    return tuple(task for task in wanted if _carries(labels, task))


def _carries(labels: Labels, task: str) -> bool:
    if labels.compound is not None and task in _OF_COMPOUNDS:
        return True
    if labels.expression is None and (labels.present is None or task in _NEED_EXPRESSION):
        return False
    return labels.present is not None or task not in _NEED_UNITS


def draw_tasks(
    tasks: Sequence[str], name: str, *, per_sample: int | None, seed: int
) -> tuple[str, ...]:
    """At most `per_sample` of the tasks, drawn by the sample's name; None keeps all."""
    if per_sample is None or len(tasks) <= per_sample:
        return tuple(tasks)
    drawn = sorted(tasks, key=lambda task: content_hash("task", name, task, seed))[:per_sample]
    return tuple(task for task in tasks if task in drawn)


def ask(task: str, labels: Labels, *, dataset: str, clip: bool, rng: random.Random) -> str:
    """A wording of the task's question."""
    if task != "category":
        return _of_clip(prompt_for(_language(task), rng), clip)
    patterns = _data("category.json")["clip" if clip else "picture"]
    return rng.choice(patterns).format(options=", ".join(options_of(labels, dataset)))


def write(task: str, labels: Labels, *, dataset: str, clip: bool, rng: random.Random) -> list[Turn]:
    """Question and answer, true to the labels by construction: a turn, or up to three.

    Args:
        task: one that `tasks_of` allows for the labels.
        labels: of the face.
        dataset: key of `DATASETS`, whose own order a list of options takes.
        clip: whether the face is shown in a clip and not in a picture.
        rng: chooses the wording.

    Raises:
        ValueError: if the labels cannot answer the task.
    """
    if task == "conversation":
        turns = conversation(expression=labels.expression, units=labels.present, rng=rng)
        return [(_of_clip(q, clip), _of_clip(a, clip)) for q, a in turns]
    question = ask(task, labels, dataset=dataset, clip=clip, rng=rng)
    if labels.compound is not None and task in _OF_COMPOUNDS:
        return [(question, _of_clip(_compound(task, labels.compound, labels.present, rng), clip))]
    if task == "category":
        if labels.expression is None:
            raise ValueError("task 'category' needs an expression")
        return [(question, labels.expression)]
    answer = describe(_language(task), expression=labels.expression, units=labels.present, rng=rng)
    return [(question, _of_clip(answer, clip))]


def _compound(
    task: str, name: str, units: Mapping[int, float | None] | None, rng: random.Random
) -> str:
    """The answer about two expressions in one, as "happily surprised"."""
    if task == "category":
        return name
    if task == "expression":
        return f"{capital(name)}."
    first, second = parts_of(name)
    mixture = rng.choice(_data("compounds.json")).format(first=first, second=second)
    if units is None:
        return f"{capital(name)}.\n{mixture}"
    shown = describe("au_description", expression=None, units=units, rng=rng)
    return f"{capital(name)}. {shown}\n{mixture}"


def parts_of(compound: str) -> tuple[str, str]:
    """The two expressions in a compound: "happily surprised" is happiness and surprise."""
    first, second = compound.split()
    adjective = first.removesuffix("ly")
    adjective = adjective[:-1] + "y" if adjective.endswith("i") else adjective
    return facs.canonical_expression(adjective), facs.canonical_expression(second)


@cache
def _options(label_set: str, dataset: str) -> tuple[str, ...]:
    names = facs.LABEL_SETS[label_set]
    if dataset in DATASETS:
        own = tuple(DATASETS[dataset].expressions.values())
        if set(own) == set(names):
            return own
    return names


def options_of(labels: Labels, dataset: str) -> tuple[str, ...]:
    """The closed list that an expression is chosen from, in the dataset's own order."""
    if labels.compound is not None:
        return tuple(DATASETS[dataset].compounds.values())
    return _options(labels.label_set or "basic7", dataset)


def _language(task: str) -> Any:
    assert task in LANGUAGE_TASKS
    return task


def _of_clip(text: str, clip: bool) -> str:
    for picture, moving in _WORDS_OF_CLIPS if clip else ():
        text = text.replace(picture, moving)
    return text


@cache
def _data(name: str) -> Any:
    """A file of wordings."""
    return json.loads(resources.files("mien.data.build").joinpath(name).read_text("utf-8"))
