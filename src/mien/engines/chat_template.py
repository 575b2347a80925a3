"""Chat templates of models: programs from outside, run with bounds."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import jinja2.runtime
from jinja2.exceptions import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from mien.engines.base import EngineError

LONGEST_TEMPLATE = 1_000_000
"""Characters (and bytes on disk); templates of public models have less than 50,000."""
MOST_STEPS = 500_000
"""Lines that a compiled template may run for one talk."""
LONGEST_TEXT = 10_000_000
"""Characters of what it writes, and of any text or list that it holds."""
LONGEST_SECONDS = 30.0
MOST_BITS = 4096
"""Of a whole number that it computes."""
MOST_MEMORY = 1 << 30
"""Bytes of address space that a template may add to the process, where that can be limited."""

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
    """Lets a template do nothing that is too long or too large.

    A sandbox keeps a template from files and programs, but lets it run loops within loops, and
    make a text of any length in one step.
    """
    counted = mock.patch.multiple(
        SandboxedEnvironment,
        intercepted_binops=frozenset({"*", "**"}),
        call_binop=_product,
    )
    with _one_by_one, counted, _little_memory(), _few_steps():
        yield


_one_by_one = threading.Lock()
"""What is bounded belongs to the process."""


def _product(environment: SandboxedEnvironment, _: Any, sign: str, left: Any, right: Any) -> Any:
    """A product or power in a template, if it is not too large."""
    if isinstance(left, int) and isinstance(right, int):
        times = right if sign == "**" else 1
        if left.bit_length() * times + right.bit_length() > MOST_BITS:
            raise OverflowError(f"a number of more than {MOST_BITS:,} bits")
    elif sign == "*":
        sizes = [v if isinstance(v, int) else len(v) for v in (left, right) if _counts(v)]
        if len(sizes) == 2 and math.prod(sizes) > LONGEST_TEXT:
            raise OverflowError(f"a text or list of more than {LONGEST_TEXT:,}")
    return environment.binop_table[sign](left, right)


def _counts(value: Any) -> bool:
    return isinstance(value, int | str | list | tuple)


@contextmanager
def _little_memory() -> Iterator[None]:
    """What would take more than `MOST_MEMORY` is a MemoryError inside."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):  # not Linux
        yield
        return
    limit = pages * resource.getpagesize() + MOST_MEMORY
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < limit:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def _few_steps() -> Iterator[None]:
    """Counts what compiled templates do in this thread, and stops what goes on too long."""
    steps, end, before = 0, time.monotonic() + LONGEST_SECONDS, sys.gettrace()

    def within(frame: FrameType, event: str, value: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        if steps > MOST_STEPS:
            raise _NoEndError(f"has no end within {MOST_STEPS:,} steps")
        if time.monotonic() > end:
            raise _NoEndError(f"has no end within {LONGEST_SECONDS:g} seconds")
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
