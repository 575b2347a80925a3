"""Corpus BLEU-4 (Papineni et al., 2002), one reference for each answer, without smoothing.

Tokens are those of the evaluation tool mteval-v13a, which sacreBLEU calls `13a`, in lower case:
punctuation stands alone, but for apostrophes, for hyphens that follow no digit, and for full stops
and commas inside numbers. The score equals sacreBLEU's with lower case and no smoothing, divided
by 100. BLEU of single sentences is another number and is not offered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

ORDER = 4

_ALONE = re.compile(r"([!-&(-+:-@\[-`{-~/])")
_STOP_AFTER = re.compile(r"([^0-9])([.,])")
_STOP_BEFORE = re.compile(r"([.,])([^0-9])")
_DASH = re.compile(r"([0-9])(-)")


def bleu_tokens(text: str) -> list[str]:
    """Tokens of a text."""
    text = f" {' '.join(text.lower().split())} "
    text = _ALONE.sub(r" \1 ", text)
    text = _STOP_AFTER.sub(r"\1 \2 ", text)
    text = _STOP_BEFORE.sub(r" \1 \2", text)
    return _DASH.sub(r"\1 \2 ", text).split()


def bleu_sums(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """The counts of each pair of which BLEU is a function of the sums.

    Args:
        answers, references: N texts each; an empty answer has no n-grams and shortens the corpus.

    Returns:
        (N, 10): n-grams matched for n = 1 to 4 (each at most as often as the reference has it),
        n-grams of the answer for n = 1 to 4, tokens of the answer, tokens of the reference.

    Raises:
        ValueError: if the lengths differ.
    """
    if len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers, but {len(references)} references")
    sums = np.zeros((len(answers), 2 * ORDER + 2))
    for row, answer, reference in zip(sums, answers, references, strict=True):
        given, wanted = bleu_tokens(answer), bleu_tokens(reference)
        for n in range(1, ORDER + 1):
            ours, theirs = _grams(given, n), _grams(wanted, n)
            row[n - 1] = sum(min(k, theirs[g]) for g, k in ours.items() if g in theirs)
            row[ORDER + n - 1] = ours.total()
        row[-2:] = len(given), len(wanted)
    return sums


def bleu_of(sums: ArrayLike) -> NDArray[np.float64]:
    """BLEU of summed counts.

    Args:
        sums: (S, 10), S sums of rows of `bleu_sums`.

    Returns:
        (S,) in [0, 1]; 0 where no n-gram of some order matches; NaN where the references have no
        tokens.
    """
    s = np.asarray(sums, np.float64)
    matched, total, given, wanted = s[:, :ORDER], s[:, ORDER:-2], s[:, -2], s[:, -1]
    some = (matched > 0).all(axis=1)
    precision = np.divide(matched, total, out=np.ones_like(matched), where=matched > 0)
    shortness = np.divide(wanted, given, out=np.ones_like(wanted), where=given > 0)
    penalty = np.exp(np.minimum(0, 1 - shortness))
    bleu = np.where(some, penalty * np.exp(np.log(precision).mean(axis=1)), 0.0)
    return np.where(wanted > 0, bleu, np.nan)


def corpus_bleu(answers: Sequence[str], references: Sequence[str]) -> float:
    """BLEU of a set of answers, in [0, 1]; NaN where the references have no tokens.

    Raises:
        ValueError: if the lengths differ.
    """
    return float(bleu_of(bleu_sums(answers, references).sum(axis=0, keepdims=True))[0])


def _grams(tokens: list[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[i:] for i in range(size)), strict=False))
