"""mien's suites inside other harnesses: lmms-eval and VLMEvalKit.

A suite becomes rows that need no further lookup: each carries its pictures, its question and what
is true. The harness asks its model; the answers come back here to be read and scored, by the
functions that `mien bench` uses.
"""

from mien.bench.harness.question import Question, QuestionError, questions
from mien.bench.harness.scores import score

__all__ = ["Question", "QuestionError", "questions", "score"]
