"""What a teacher is asked: words in data files, filled in with a face's labels."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from mien import facs
from mien.data.build.face_labels import Labels
from mien.language import label_line
from mien.language.labels import level
from mien.language.words import capital, join

TEACHER_TASKS: tuple[str, ...] = (
    "expression_description",
    "au_description",
    "reasoning",
    "conversation",
)
"""Tasks whose texts a teacher writes; the others are labels in a fixed form."""

ANSWER: Mapping[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
TURNS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "turns": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
                "required": ["question", "answer"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["turns"],
    "additionalProperties": False,
}


def schema_of(task: str) -> Mapping[str, Any]:
    """JSON schema of a task's answer."""
    return TURNS if task == "conversation" else ANSWER


def system(clip: bool) -> str:
    """The instructions that stand before each prompt."""
    text: str = _file(clip)["system"]
    return text.strip()


def prompt(
    task: str, labels: Labels, question: str, *, clip: bool, caption: str | None = None
) -> str:
    """The prompt of a task.

    Args:
        task: one of `TEACHER_TASKS`.
        labels: of the face.
        question: that the text will answer; a conversation makes its own.
        clip: whether the face is shown in a clip.
        caption: words about the clip, or None.
    """
    file = _file(clip)
    facts = file["labels"].format(labels=label_words(labels)).strip()
    if caption:
        facts += "\n" + file["caption"].format(caption=caption.strip()).strip()
    present = labels.present or {}
    support = facs.supporting_units(labels.expression or "other", present)
    against = facs.units_against(labels.expression or "other") & frozenset(present)
    filled = file["tasks"][task].format(
        labels=facts,
        question=question,
        Expression=capital(labels.expression or ""),
        line=label_line(None, labels.present),
        support=_names(support.units),
        against=_names(against),
        completeness="whole" if support.complete else "partial" if support.units else "missing",
    )
    return str(filled).strip()


def retry(task_prompt: str, text: str, reason: str, *, clip: bool) -> str:
    """The prompt once more, with what was wrong."""
    again = _file(clip)["retry"].format(text=text, reason=reason).strip()
    return f"{task_prompt}\n\n{again}"


def caption_prompt() -> str:
    """What is asked about a clip without a caption."""
    text: str = _file(True)["before"]["caption"]
    return text.strip()


def label_words(labels: Labels) -> str:
    """The labels as lines that a teacher reads."""
    lines = [f"Expression: {labels.expression or 'not labelled'}"]
    if labels.present is None:
        lines.append("Action units: not labelled; name none")
        return "\n".join(lines)
    present = []
    for au, intensity in labels.present.items():
        grade = f", level {facs.INTENSITIES[level(intensity) - 1]}" if intensity else ""
        present.append(f"AU{au} ({facs.au_info(au).name}{grade})")
    lines.append(f"Action units present: {', '.join(present) or 'none'}")
    absent = [f"AU{au}" for au in sorted(labels.absent)]
    if absent:
        lines.append(f"Action units absent: {', '.join(absent)}")
    return "\n".join(lines)


@cache
def fingerprint() -> str:
    """A hash of all prompts, so that replies to other ones are not taken for these."""
    digest = hashlib.sha256()
    for name in ("picture.toml", "clip.toml"):
        digest.update(resources.files("mien.data.build.prompts").joinpath(name).read_bytes())
    return digest.hexdigest()


def _names(units: frozenset[int]) -> str:
    return join([f"AU{au}" for au in sorted(units)]) or "none"


@cache
def _file(clip: bool) -> dict[str, Any]:
    name = "clip.toml" if clip else "picture.toml"
    text = resources.files("mien.data.build.prompts").joinpath(name).read_text(encoding="utf-8")
    return tomllib.loads(text)
