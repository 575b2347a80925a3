"""The words: prompts, labels to text (`describe`), text to labels (`parse`). Imports no torch."""

from mien.language.conversation import conversation
from mien.language.describe import describe
from mien.language.labels import label_line
from mien.language.parse import Parsed, parse
from mien.language.prompts import TASKS, Task, prompt_for, prompts

__all__ = [
    "TASKS",
    "Parsed",
    "Task",
    "conversation",
    "describe",
    "label_line",
    "parse",
    "prompt_for",
    "prompts",
]
