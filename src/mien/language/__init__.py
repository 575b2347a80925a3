"""The words: prompts, labels to text (`describe`), text to labels (`parse`). Imports no torch."""

from mien.language.conversation import conversation
from mien.language.describe import describe
from mien.language.labels import label_line
from mien.language.parse import Parsed, parse
from mien.language.prompts import TASKS, Task, prompt_for, prompts
from mien.language.reasons import check_reasons

__all__ = [
    "TASKS",
    "Parsed",
    "Task",
    "check_reasons",
    "conversation",
    "describe",
    "label_line",
    "parse",
    "prompt_for",
    "prompts",
]
