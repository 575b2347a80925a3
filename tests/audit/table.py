"""The audit's table: recorded answers scored by published rules, by mien and by a reader.

`python -m tests.audit.table` writes it into docs/scorer_audit.md between its marks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score, recall_score

from mien import metrics
from mien.language import parse
from tests.audit import published_rules as rules

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "scorer_audit.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
RAF_DB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
EMOTIONET = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43)
WORD = {
    "neutral": "neutral",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprise",
    "anger": "angry",
}
NEGATIONS = {"not", "no", "isn't", "nothing", "cannot", "can't", "won't", "neither", "nor"}
CACHED = 17  # answers that a resumed run finds: the first half


@dataclass(frozen=True)
class Line:
    """One fault: the rule, the number, what each side makes of it.

    Attributes:
        fault: which rule of which scorer.
        number: what is counted.
        published, mien: the number by the published rule and by mien.
        reader: the number when a person reads the answers; None where reading does not enter.
        digits: decimals to print.
    """

    fault: str
    number: str
    published: float
    mien: float
    reader: float | None = None
    digits: int = 1

    def row(self) -> str:
        """A row of the table."""

        def show(x: float | None, sign: str = "") -> str:
            return "" if x is None else f"{x:{sign}.{self.digits}f}"

        cells = (
            self.fault,
            self.number,
            show(self.published),
            show(self.mien),
            show(self.published - self.mien, "+"),
            show(self.reader),
        )
        return "| " + " | ".join(cells) + " |"


@cache
def answers(kind: str) -> list[dict]:
    """Recorded answers of one kind."""
    lines = (HERE / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def texts(kind: str) -> list[str]:
    """Answers as text; a failed request gave none."""
    return [row["answer"] or "" for row in answers(kind)]


def truth(kind: str) -> list[str]:
    """Labelled expressions."""
    return [row["truth"] for row in answers(kind)]


def read(kind: str) -> list[str | None]:
    """What mien reads: a class, or None where the answer names none."""
    found = [parse(text).expression for text in texts(kind)]
    return [name if name in CLASSES else None for name in found]


def accuracy(kind: str, predicted: list[str | None] | list[str]) -> float:
    """Accuracy in percent over every answer asked for."""
    return 100 * metrics.war(metrics.confusion(truth(kind), predicted, CLASSES))


def said(kind: str) -> list[str | None]:
    """What a person reads."""
    return [row["says"] for row in answers(kind)]


def unit_table(source: str) -> np.ndarray:
    """(N, 12) of EmotioNet's units: the truth, or what mien, EmoLA's rule or a person reads."""
    rows = []
    for row in answers("units"):
        if source == "mien":
            parsed = parse(row["answer"])
            units = set(parsed.units) if parsed.status == "ok" else None
        elif source == "emola":
            units = rules.emola_units(row["answer"], EMOTIONET)
        else:
            units = row["truth"] if source == "truth" else row["says"]
        rows.append([np.nan if units is None else float(u in units) for u in EMOTIONET])
    return np.array(rows)


def unit_macro_f1(source: str) -> float:
    """Macro-F1 in percent by mien's metric."""
    counts = metrics.count_units(unit_table("truth"), unit_table(source), EMOTIONET)
    return 100 * metrics.unit_macro_f1(counts)


def emola_lines() -> list[Line]:
    """EmoLA's four faults."""
    prose, true = texts("prose"), truth("prose")
    sentences = [s for t in prose for s in re.split(r"(?<=[.?])\s", t) if s]
    kept = sum(len([s for s in rules.emola_keeps(t) if s]) for t in prose)
    denies = sum(bool(set(re.findall(r"[\w']+", s.lower())) & NEGATIONS) for s in sentences)
    emotions = [rules.emola_emotion(t) for t in prose]
    rouge = [
        metrics.emola_rouge_l(t, row["reference"])
        for t, row in zip(prose, answers("prose"), strict=True)
    ]
    overlap = 100 * float(np.nanmean(rouge))
    resumed = 100 * rules.emola_rouge_after_resume(rouge, CACHED)
    counts = metrics.confusion(true, read("prose"), CLASSES)
    rege = metrics.rege_emotion(counts, rouge).total
    t, c = unit_table("truth"), unit_table("emola")
    scores = rules.emola_unit_f1(t, c)
    printed = dict(zip(EMOTIONET, scores, strict=False))
    mien = metrics.unit_f1(metrics.count_units(t, c, EMOTIONET))
    by_rule = accuracy("prose", emotions)
    return [
        Line(
            "EmoLA `remove_neg_sentences`",
            "sentences dropped as negated",
            len(sentences) - kept,
            denies,
            digits=0,
        ),
        Line(
            "EmoLA `description2emotion`",
            "accuracy, %",
            by_rule,
            accuracy("prose", read("prose")),
            accuracy("prose", said("prose")),
        ),
        Line(
            "EmoLA `description2emotion`",
            "answers taken for happiness",
            emotions.count("happiness"),
            read("prose").count("happiness"),
            said("prose").count("happiness"),
            digits=0,
        ),
        Line("EmoLA resumed run", "mean ROUGE-L (`rouge`), %", resumed, overlap),
        Line("EmoLA, all of it, resumed", "REGE, 0 to 200", by_rule + resumed, rege),
        Line(
            "EmoLA AU path, reading",
            "macro-F1 of units, %",
            100 * float(np.mean(scores)),
            unit_macro_f1("mien"),
            unit_macro_f1("reader"),
        ),
        Line(
            "EmoLA AU path, names",
            "F1 printed beside AU12, %",
            100 * printed[12],
            100 * mien[12],
        ),
    ]


def other_lines() -> list[Line]:
    """The faults of the other scorers."""
    prose, true = texts("prose"), truth("prose")
    plain = read("prose")
    counts = metrics.confusion(true, plain, CLASSES)
    short, short_true = texts("short"), truth("short")
    words = [rules.emotion_llama(t) for t in short]
    want = [WORD[t] for t in short_true]
    got = [WORD.get(p or "", "none") for p in read("short")]
    by_reader = [WORD.get(p or "", "none") for p in said("short")]
    done = [k for k, row in enumerate(answers("prose")) if row["answer"] is not None]
    found = [rules.unifer(prose[k], RAF_DB) for k in done]
    kept = [true[k] for k in done]
    judged = answers("judge")
    judge = [rules.affectgpt(row["answer"]) for row in judged if row["answer"]]
    stated = [row["says"] for row in judged if row["says"] is not None]
    order = [rules.openface3_readme(i) for i in range(8)]
    right = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
    swapped = [order[right.index(p)] if p else None for p in plain]
    matched = [rules.vlmevalkit_without_judge(t, CLASSES) for t in prose]
    levels = np.repeat(np.arange(6.0), 5)
    t, c = unit_table("truth"), unit_table("mien")
    c = np.where(np.isnan(c), 1 - t, c)  # py-feat knows no missing answer: wrong, as in mien
    unit_f1 = metrics.unit_macro_f1(metrics.count_units(t, c, EMOTIONET))
    zeros = float(np.mean([rules.pyfeat_f1(a, b) for a, b in zip(t.T, c.T, strict=True)]))
    unknown = [p or "unknown" for p in plain]
    return [
        Line(
            "Emotion-LLaMA last word, else neutral",
            "accuracy, %",
            100 * float(np.mean([a == b for a, b in zip(words, want, strict=True)])),
            accuracy("short", read("short")),
            accuracy("short", said("short")),
        ),
        Line(
            "Emotion-LLaMA last word, else neutral",
            "weighted F1, %",
            100 * f1_score(want, words, average="weighted"),
            100 * metrics.weighted_f1(metrics.confusion(want, got, tuple(WORD.values()))),
            100 * metrics.weighted_f1(metrics.confusion(want, by_reader, tuple(WORD.values()))),
        ),
        Line(
            "Emotion-LLaMA last word, else neutral",
            "answers taken for neutral",
            words.count("neutral"),
            got.count("neutral"),
            by_reader.count("neutral"),
            digits=0,
        ),
        Line(
            "UniFER substrings, failed samples skipped",
            "accuracy, %",
            100 * float(np.mean([a == b for a, b in zip(found, kept, strict=True)])),
            accuracy("prose", plain),
            accuracy("prose", said("prose")),
        ),
        Line(
            "UniFER substrings, failed samples skipped",
            "answers in the denominator",
            len(done),
            len(true),
            len(true),
            digits=0,
        ),
        Line(
            "AffectGPT first number of the judge",
            "mean score, 1 to 10",
            float(np.mean(judge)),
            float(np.mean(stated)),
            digits=2,
        ),
        Line(
            "OpenFace 3.0 order of classes",
            "accuracy, %",
            accuracy("prose", swapped),
            accuracy("prose", plain),
            accuracy("prose", said("prose")),
        ),
        Line(
            "VLMEvalKit without the judge's key",
            "accuracy, %",
            accuracy("prose", matched),
            accuracy("prose", plain),
            accuracy("prose", said("prose")),
        ),
        Line(
            "py-feat ICC of 0 to 5 with 0 to 1",
            "ICC(3,1) of perfect answers",
            rules.pyfeat_icc(levels, levels / 5),
            metrics.icc_3_1(levels, 5 * (levels / 5)),
            digits=3,
        ),
        Line(
            "py-feat F1 of a unit that never occurs",
            "macro-F1 of units, %",
            100 * zeros,
            100 * unit_f1,
        ),
        Line(
            '`recall_score` with a label "unknown"',
            "UAR, %",
            100 * recall_score(true, unknown, average="macro", zero_division=0),
            100 * metrics.uar(counts),
            100 * metrics.uar(metrics.confusion(true, said("prose"), CLASSES)),
        ),
    ]


def table() -> str:
    """The table as Markdown."""
    head = (
        "| scorer and rule | number | published rule | mien | difference | a reader |\n"
        "|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(line.row() for line in (*emola_lines(), *other_lines()))])


def main() -> None:
    """Writes the table into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
