"""Chat templates of models: programs from outside, run with bounds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import jinja2.runtime
from jinja2.exceptions import TemplateError

from mien.engines.base import EngineError

LONGEST_TEMPLATE = 1_000_000
"""Characters (and bytes on disk); templates of public models have less than 50,000."""
MOST_STEPS = 500_000
"""Lines that a compiled template may run for one talk."""
LONGEST_TEXT = 10_000_000
"""Characters of what it writes, and of any text or list that it holds."""
LONGEST_SECONDS = 30.0

_RUN = ("<template>", jinja2.runtime.__file__)  # what is written, joined and kept is seen there
_FILE = "chat_template.jinja"
_REMEDY = "use the template that the model was published with"


class TalkRefusedError(EngineError):
    """The template takes no talk of this kind, such as one with a system part."""


def check_file(model: str | Path) -> None:
    """Refuses a folder whose template is too long to be one, before it is read.

    Raises:
        EngineError: naming the file.
    """
    file = Path(model) / _FILE
    try:
        size = file.stat().st_size
    except (OSError, ValueError):
        return
    if size > LONGEST_TEMPLATE:
        raise EngineError(
            f"{file} has {size:,} bytes, and no chat template has more than "
            f"{LONGEST_TEMPLATE:,}; {_REMEDY}"
        )


def written(processor: Any, talk: Sequence[dict[str, Any]]) -> str:
    """A talk as the text that a model reads, up to its next answer.

    Args:
        processor: with a chat template.
        talk: messages.

    Raises:
        TalkRefusedError: if the template itself refuses the talk.
        EngineError: if it has no end, writes too much or is damaged; names its file.
    """
    template = processor.chat_template
    size = len(template) if isinstance(template, str) else 0
    if size > LONGEST_TEMPLATE:
        raise EngineError(f"{_place(processor)} has {size:,} characters; {_REMEDY}")
    try:
        with _bounds():
            text: str = processor.apply_chat_template(list(talk), add_generation_prompt=True)
    except TemplateError as error:
        # Exactly this class is what a template raises by itself.
        kind = TalkRefusedError if type(error) is TemplateError else EngineError
        raise kind(f"{_place(processor)}: {_line(error)}; {_REMEDY}") from error
    except (ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as e:
        raise EngineError(f"{_place(processor)} cannot be used: {_line(e)}; {_REMEDY}") from e
    except _NoEndError as error:
        raise EngineError(f"{_place(processor)} {error}; {_REMEDY}") from None
    if len(text) > LONGEST_TEXT:
        raise EngineError(f"{_place(processor)} writes {len(text):,} characters; {_REMEDY}")
    return text


class _NoEndError(BaseException):
    """The bounds are passed; nothing that a template calls may catch it."""


@contextmanager
def _bounds() -> Iterator[None]:
    """Counts what compiled templates do in this thread, and stops what goes on too long.

    A sandbox keeps a template from files and programs, but lets it run loops within loops.
    """
    steps, end, before = 0, time.monotonic() + LONGEST_SECONDS, sys.gettrace()

    def within(frame: FrameType, event: str, value: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        if steps > MOST_STEPS:
            raise _NoEndError(f"has no end within {MOST_STEPS:,} steps")
        held = frame.f_locals.values() if event == "line" else (value,)
        if any(isinstance(v, (str, list, tuple)) and len(v) > LONGEST_TEXT for v in held):
            raise _NoEndError(f"makes a text of more than {LONGEST_TEXT:,} characters")
        return within

    def entered(frame: FrameType, event: str, value: Any) -> Any:
        if time.monotonic() > end:
            raise _NoEndError(f"has no end within {LONGEST_SECONDS:g} seconds")
        return within if frame.f_code.co_filename in _RUN else None

    sys.settrace(entered)
    try:
        yield
    finally:
        sys.settrace(before)


def _place(processor: Any) -> str:
    folder = Path(str(getattr(processor.tokenizer, "name_or_path", "") or "the model"))
    file = folder / _FILE
    return str(file) if file.is_file() else f"the chat template of {folder}"


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
