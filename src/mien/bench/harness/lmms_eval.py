"""What the YAML files of lmms-eval name: rows to questions, answers to figures.

The files themselves are written by `mien.bench.harness.lmms_files`. Nothing here imports lmms-eval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from mien.bench.harness.question import Question
from mien.bench.harness.scores import score, score_lines
from mien.bench.suite import Kind


def _docs_of(kind: str) -> Callable[[Any], Any]:
    def docs(dataset: Any) -> Any:
        """The rows that this task asks about, with its question in the column "question"."""
        others = [name for name in get_args(Kind) if name in dataset.column_names and name != kind]
        kept = dataset.filter(lambda line: line is not None, input_columns=[kind])
        return kept.remove_columns(others).rename_column(kind, "question")

    return docs


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """The picture, or the frames of a clip in order, as RGB of PIL."""
    names = [name for name in sorted(doc) if name == "image" or name.startswith("frame_")]
    return [doc[name].convert("RGB") for name in names if doc[name] is not None]


def doc_to_text(doc: Mapping[str, Any]) -> str:
    """The words of the question."""
    return Question.from_json(doc["question"]).prompt


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """The right answer, for the logs."""
    return Question.from_json(doc["question"]).target


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Question and answer under the name of each figure, to be scored over the whole set.

    For `war` the harness also gets 0 or 1 and the cluster, from which it takes standard errors; it
    has none for figures that are no means over items.
    """
    line = doc["question"]
    question = Question.from_json(line)
    answer = results[0] if results else ""
    payload = {"question": line, "answer": answer}
    found = {name: dict(payload) for name in question.metrics}
    if "war" in found:
        right = score([question], [answer])["war"]
        found["war"] |= {"score": right, "cluster": question.cluster}
    return found


def _figure(name: str) -> Callable[[Sequence[Mapping[str, Any]]], float]:
    def figure(items: Sequence[Mapping[str, Any]]) -> float:
        return score_lines(tuple((item["question"], item["answer"]) for item in items))[name]

    figure.__name__ = name
    return figure


expression_docs = _docs_of("expression")
au_detection_docs = _docs_of("au_detection")
expression_description_docs = _docs_of("expression_description")
au_description_docs = _docs_of("au_description")
reasoning_docs = _docs_of("reasoning")
valence_arousal_docs = _docs_of("valence_arousal")

uar, war, macro_f1 = _figure("uar"), _figure("war"), _figure("macro_f1")
au_macro_f1, au_micro_f1 = _figure("au_macro_f1"), _figure("au_micro_f1")
au_accuracy = _figure("au_accuracy")
au_fold_f1, au_shared_f1 = _figure("au_fold_f1"), _figure("au_shared_f1")
war_fold_mean, uar_fold_mean = _figure("war_fold_mean"), _figure("uar_fold_mean")
rouge_l, bleu, rege = _figure("rouge_l"), _figure("bleu"), _figure("rege")
rationale_precision = _figure("rationale_precision")
rationale_recall = _figure("rationale_recall")
rationale_f1 = _figure("rationale_f1")
expression_match, consistency = _figure("expression_match"), _figure("consistency")
ccc_valence, ccc_arousal = _figure("ccc_valence"), _figure("ccc_arousal")
rmse_valence, rmse_arousal = _figure("rmse_valence"), _figure("rmse_arousal")
parse_rate = _figure("parse_rate")
