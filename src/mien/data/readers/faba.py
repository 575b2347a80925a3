"""FABA-Instruct: pictures of AffectNet with descriptions of emotion and action units.

Layout (certain; from the README and the scorer of its authors):

    FABAInstruct/train/train_emotion_anno.json, train_au_anno.json   LLaVA conversations
    FABAInstruct/eval/eval_emotion_anno.json, eval_au_anno.json      label, and text in `gpt4`
    FABAInstruct/eval/images/...

The folder is FABAInstruct itself or the one above it. Training rows have texts and no labels; a
label is not guessed from a text. In the test rows, the label of an emotion is a word or one of the
scorer's numbers, and that of units a list such as "1, 4, 15"; of the 20 units of the set, those not
listed are absent. The reference text stands in the attribute `description`, the question in
`question`, "emotion" or "units" in `task`.

Source: Li et al., "Facial affective behavior analysis with instruction tuning", ECCV 2024. Texts
and test labels are by GPT-4V, so that every Sample is marked as pseudo-labelled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mien.data.readers.base import (
    BadRow,
    LayoutError,
    Reader,
    each,
    find,
    named_expression,
    numbered_expression,
    regular,
)
from mien.data.readers.files import whole
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import ActionUnit, Expression
from mien.untrusted import TextError, json_value

_HELP = "`mien data list faba`"
_LICENCE = "research only; pictures of AffectNet"
_UNITS = DATASETS["faba"].action_units
_TASKS = {"emotion": "emotion", "units": "au"}


def _read(root: Path, split: str | None, bad: BadRow, *, task: str) -> Iterator[Sample]:
    base = "" if (root / "eval").is_dir() or (root / "train").is_dir() else "FABAInstruct/"
    for own in ("train", "eval"):
        if split not in (None, own):
            continue
        for name, word in _TASKS.items():
            if task not in ("both", name):
                continue
            path = find(
                root,
                [f"{base}{own}/{own}_{word}_anno.json"],
                what=f"annotations of {name}, {own}",
                hint=_HELP,
            )

            def make(row: dict[str, Any], own: str = own, name: str = name) -> Sample:
                return _sample(row, base, own, name)

            yield from each(json_rows(path), make, bad)


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a JSON list, or of JSON lines, with where they are.

    Raises:
        LayoutError: if the file is neither.
    """
    try:
        data = regular(path).read_bytes()
        text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
        if text.lstrip().startswith("["):
            rows = json_value(text, str(path))
        else:
            lines = enumerate(text.split("\n"), 1)
            rows = [json_value(line, f"{path}, line {n}") for n, line in lines if line.strip()]
    except TextError as error:
        raise LayoutError(str(error)) from error
    except UnicodeDecodeError as error:
        raise LayoutError(f"{path}: no JSON ({error}); copy or download it again") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise LayoutError(f"{path}: entry {number} is no object; copy or download it again")
        yield f"{path}, entry {number}", row


def _sample(row: dict[str, Any], base: str, split: str, task: str) -> Sample:
    image = str(row["image"])
    if not base:
        image = image.removeprefix("FABAInstruct/")
    question, text = _texts(row)
    attributes: dict[str, str | float] = {"task": task, "description": text}
    if question:
        attributes["question"] = question
    label = row.get("label")
    return Sample(
        id=f"{split}/{task}/{row.get('id') or image.rsplit('.', 1)[0]}",
        dataset="faba",
        image=image,
        split=split,
        expression=_emotion(label) if task == "emotion" and label is not None else None,
        action_units=_units(label) if task == "units" and label is not None else None,
        attributes=attributes,
        licence=_LICENCE,
        pseudo=True,
    )


def _texts(row: dict[str, Any]) -> tuple[str, str]:
    """Question, empty where there is none, and reference text."""
    if "gpt4" in row:
        return "", str(row["gpt4"])
    turns = {turn["from"]: str(turn["value"]) for turn in row["conversations"]}
    return turns["human"].replace("<image>", "").strip(), turns["gpt"]


def _emotion(label: object) -> Expression:
    text = str(label).strip()
    if text.isdecimal():
        return numbered_expression("faba", int(text))
    return named_expression("faba", text)


def _units(label: object) -> tuple[ActionUnit, ...]:
    cells = [c.strip().upper().removeprefix("AU") for c in str(label).split(",") if c.strip()]
    present = {whole(cell) for cell in cells}
    unknown = present - set(_UNITS)
    if unknown:
        raise ValueError(f"action units {sorted(unknown)} are not of the 20 that FABA has")
    return tuple(ActionUnit(au, present=au in present) for au in _UNITS)


READER = Reader(
    name="faba",
    read=_read,
    title="FABA-Instruct",
    labels="descriptions of emotion and of action units; labels of the test split",
    licence=_LICENCE,
    access="the link in the authors' repository, which was reported dead",
    url="https://github.com/JackYFL/EmoLA",
    page="docs/datasets/faba.md",
    splits=("train", "eval"),
    options={"task": ("both", *_TASKS)},
)
