"""What published scorers do with an answer, stated again in our own words to show the effect.

Each function is one rule as its authors released it, faults included, and names its source. These
rules exist for the audit alone; nothing in mien uses them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# EmoLA's words for each emotion, in its order; of its longer lists, those that our answers use.
EMOLA_WORDS = {
    "happiness": {"happiness", "happy", "smile", "relaxed"},
    "sadness": {"sadness"},
    "surprise": {"surprise", "surprised"},
    "anger": {"anger"},
    "neutral": {"neutral", "calm"},
    "disgust": {"disgust", "disgusted"},
    "fear": {"fear"},
}


def emola_keeps(text: str) -> list[str]:
    """Sentences that EmoLA's `remove_neg_sentences` keeps: those without the letters "no"."""
    # its list has no, not, nor, nothing and cannot: all of them contain "no"
    marks = ("no", "isn't ", "won't", "shouldn't", "neither")
    sentences = re.split(r"(?<=[.?])\s", text)
    return [s for s in sentences if not any(m in s.lower() for m in marks)]


def emola_emotion(text: str) -> str:
    """EmoLA's `description2emotion`; a full stop is added where the original would stop and fail.

    The first listed word of the first sentence decides; else the class with most listed words in
    the rest, and of equals, none at all included, the first: happiness.
    """
    text = text if re.search(r"[.!?]", text) else text + "."
    kept = " ".join(emola_keeps(text)) or text
    first, _, rest = re.sub(r"[.!?]", "\n", kept, count=1).partition("\n")
    for word in re.findall(r"\w+", first.lower()):
        for emotion, listed in EMOLA_WORDS.items():
            if word in listed:
                return emotion
    later = re.findall(r"\w+", rest.lower())
    counts = {e: sum(w in listed for w in later) for e, listed in EMOLA_WORDS.items()}
    return max(counts, key=lambda e: counts[e])


def emola_units(text: str, units: Sequence[int]) -> set[int]:
    """EmoLA's `AU2Labels`: whatever follows the letters AU at once, if written as in its list."""
    return {u for u in units if str(u) in re.findall(r"AU(\d+)", text)}


def emola_unit_f1(truth: np.ndarray, called: np.ndarray) -> list[float]:
    """EmoLA's F1 of units: one that is 0 throughout in both drops out of the list without a word.

    Args:
        truth, called: (N, A) 0 or 1.
    """
    scores = []
    for t, c in zip(truth.T, called.T, strict=True):
        if len({*t.tolist(), *c.tolist()}) < 2:
            continue  # the 1 x 1 table has no cell [1, 1], and the error is swallowed
        hits = (t * c).sum()
        scores.append(float(2 * hits / (t.sum() + c.sum())) if hits else 0.0)
    return scores


def emola_rouge_after_resume(scores: Sequence[float], cached: int) -> float:
    """EmoLA's mean ROUGE of a run that goes on: 0 is appended for each answer it already has."""
    return float(np.mean([0.0] * cached + [s for s in scores[cached:] if not np.isnan(s)]))


def emotion_llama(text: str) -> str:
    """Emotion-LLaMA's `eval_emotion.py`: the last word as it stands, or else neutral."""
    word = text.split(" ")[-1]
    return (
        word if word in {"neutral", "angry", "happy", "sad", "worried", "surprise"} else "neutral"
    )


def unifer(text: str, candidates: Sequence[str]) -> str:
    """UniFER's `extract_label` where there is no answer tag: the first candidate found inside."""
    low = text.lower()
    for label in candidates:
        if label in low:
            return label
    # then words for them, also as parts of words, in this order
    others = {
        "anger": ["angry"],
        "disgust": ["revulsion", "repulsion"],
        "fear": ["terror", "fright"],
        "happiness": ["joy", "happy"],
        "sadness": ["sad"],
        "neutral": ["normal", "calm", "blank"],
        "surprise": ["shock", "astonishment"],
    }
    for label, parts in others.items():
        if any(part in low for part in parts):
            return label
    return "unknown"


def affectgpt(reply: str) -> float:
    """AffectGPT's reading of its judge: the first digit, and dots and digits that follow at once.

    Raises:
        AttributeError: on an empty reply, which is what it puts for a failed request.
    """
    return float(re.search(r"\d[.]*\d*", reply).group())  # type: ignore[union-attr]


def openface3_readme(index: int) -> str:
    """OpenFace 3.0's class names in the order of its page, where anger and disgust are swapped."""
    right = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
    page = [*right[:5], "anger", "disgust", "contempt"]
    return page[index]


def vlmevalkit_without_judge(text: str, options: Sequence[str]) -> str | None:
    """VLMEvalKit's text matching, all that is left without a judge's key; None is wrong.

    One option, and only one, must stand in an answer no longer than twice all the options.
    """
    if len(text) > 2 * sum(map(len, options)):
        return None
    found = [o for o in options if o in text.lower()]
    return found[0] if len(found) == 1 else None


def pyfeat_icc(truth: np.ndarray, probability: np.ndarray) -> float:
    """py-feat's `au_icc`: ICC(3,1) of labels on 0 to 5 against probabilities; 0 where undefined."""
    table = np.stack([truth, probability], axis=1)
    cells = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    between = 2 * ((table.mean(1) - table.mean()) ** 2).sum()
    residual = (cells**2).sum()
    total = between + residual
    return float((between - residual) / total) if total > 1e-12 else 0.0


def pyfeat_f1(truth: np.ndarray, called: np.ndarray) -> float:
    """py-feat's `au_f1_binary`: 0 where the unit never occurs, which the mean then takes in."""
    total = truth.sum() + called.sum()
    return float(2 * (truth * called).sum() / total) if total else 0.0
