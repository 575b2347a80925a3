"""A question with the turns before it: as messages, as text, and no more than a model can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mien.engines.chat_template import written
from mien.engines.request import Request
from mien.language import prompt_for

Turns = Sequence[tuple[str, str]]


def messages(prompt: str, history: Turns = (), *, images: int) -> list[dict[str, Any]]:
    """A talk in the form that chat templates take, up to the question that is open.

    Args:
        prompt: the open question.
        history: earlier turns as (question, answer), the oldest first.
        images: number of pictures; they stand before the oldest question.
    """
    made: list[dict[str, Any]] = []
    for question, answer in history:
        made.append({"role": "user", "content": [{"type": "text", "text": question}]})
        made.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    made.append({"role": "user", "content": [{"type": "text", "text": prompt}]})
    made[0]["content"] = [{"type": "image"}] * images + made[0]["content"]
    return made


def question(processor: Any, prompt: str | None = None, history: Turns = ()) -> str:
    """Picture, earlier turns and prompt up to the answer, the picture as its placeholders.

    Args:
        processor: of the model.
        prompt: the words of the user; by default the canonical prompt of the analysis.
        history: earlier turns as (question, answer), the oldest first.
    """
    words = prompt_for("analysis") if prompt is None else prompt
    # A placeholder among the words of a talk would be taken for a second picture.
    mark = processor.image_token
    plain = [(asked.replace(mark, ""), said.replace(mark, "")) for asked, said in history]
    text = written(processor, messages(words.replace(mark, ""), plain, images=1))
    return text.replace(mark, mark * processor.num_image_tokens)


def begun(question: str, start: str) -> str:
    """A question with the start of its answer, as the chat template would write them."""
    # Templates that end in a colon ("ASSISTANT:") have a space before the answer.
    return f"{question} {start}" if question.endswith(":") and start else question + start


def fitted(request: Request, fits: Callable[[Request], bool]) -> tuple[Request, tuple[str, ...]]:
    """The request with as many of its latest turns as fit, and a warning where some do not.

    Turns are left out whole, the oldest first. A question that does not fit alone is left as it
    is: what to do with it is for the model.

    Args:
        request: with or without earlier turns.
        fits: whether a request fits into the model's context.
    """
    count = len(request.history)
    for start in range(count):
        shorter = replace(request, history=request.history[start:])
        if fits(shorter):
            return shorter, _warning(start)
    return replace(request, history=()), _warning(count)


def _warning(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    turns = "the oldest turn was" if count == 1 else f"the oldest {count} turns were"
    return (f"{turns} left out, as they do not fit into the model's context",)
