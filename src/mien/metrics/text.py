"""Overlap of a text with its reference, and how varied and long the texts are.

ROUGE-L here is mien's own pinned definition: tokens are runs of letters and digits in lower case,
without stemming and without punctuation; precision is the length of the longest common subsequence
by the words of the answer, recall by those of the reference, and the score is their harmonic mean.
On English text it equals the package `rouge_score` without stemming. `emola_rouge_l` computes what
the package `rouge` does, with which FABA-Bench was scored. The two differ by several points on the
same texts, so they never share a column.

All of these reward the style of whoever wrote the references. They stand beside scores of the
units and expressions that a text names, never alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case; a script without spaces gives long runs."""
    return _WORD.findall(text.lower())


def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of words.

    Returns:
        In [0, 1]. An answer without words scores 0; a reference without words gives NaN, for there
        is nothing to be compared with.
    """
    given, wanted = words(answer), words(reference)
    if not wanted:
        return float("nan")
    common = len(wanted) - _rows(wanted, given)[-1].bit_count()
    return 2 * common / (len(given) + len(wanted))


def emola_rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L as the package `rouge` 1.0.1 computes it (its "rouge-l", "f").

    Text is cut at every full stop, and words at spaces, with case and punctuation kept. Each
    sentence of the reference is matched with each of the answer; the words of those subsequences
    form one set, whose size is divided by the number of different words of the answer and of the
    reference. Repeated words count once. The F1 has 1e-8 in its denominator.

    Returns:
        In [0, 1); NaN where the package raises, on a text of full stops alone or of nothing. The
        scorer of EmoLA leaves such answers out of its mean.
    """
    given, wanted = _sentences(answer), _sentences(reference)
    if not given or not wanted:
        return float("nan")
    union: set[str] = set()
    for target in wanted:
        for sentence in given:
            union |= _subsequence(target, sentence)
    size_given = len({w for s in given for w in s})
    size_wanted = len({w for s in wanted for w in s})
    precision, recall = len(union) / size_given, len(union) / size_wanted
    return 2 * (precision * recall / (precision + recall + 1e-8))


def _sentences(text: str) -> list[list[str]]:
    # a part of spaces alone is a sentence of one empty word there
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _rows(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """The table of longest common subsequences as one bit vector for each prefix of `second`.

    In row i, the number of zeros among the lowest j bits is the length for the first i words of
    `second` and the first j of `first` (Hyyrö, 2004): one addition does the work of a row.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    rows = [full]
    for word in second:
        last = rows[-1]
        matched = last & places.get(word, 0)
        rows.append(((last + matched) | (last - matched)) & full)
    return rows


def _subsequence(wanted: list[str], given: list[str]) -> set[str]:
    """Words of a longest common subsequence; of several, the one that the package finds."""
    rows = _rows(given, wanted)
    found: set[str] = set()
    i, j = len(wanted), len(given)
    while i and j:
        if wanted[i - 1] == given[j - 1]:
            i, j = i - 1, j - 1
            found.add(wanted[i])
        elif _length(rows[i - 1], j) > _length(rows[i], j - 1):
            i -= 1
        else:
            j -= 1
    return found


def _length(row: int, columns: int) -> int:
    return columns - (row & ((1 << columns) - 1)).bit_count()


@dataclass(frozen=True, slots=True)
class Wording:
    """How a set of texts is worded.

    Attributes:
        distinct_1, distinct_2: different words (pairs of words) by all words (pairs) of the set.
            They fall as a set grows, so only sets of one size compare. NaN without any.
        mean_words: words per text, empty texts included; NaN without texts.
        empty: texts without a word.
    """

    distinct_1: float
    distinct_2: float
    mean_words: float
    empty: int


def wording(texts: Sequence[str]) -> Wording:
    """Variety and length of texts, over the words of `words`."""
    tokens = [words(text) for text in texts]
    return Wording(
        _distinct(tokens, 1),
        _distinct(tokens, 2),
        sum(map(len, tokens)) / len(tokens) if tokens else float("nan"),
        sum(not t for t in tokens),
    )


def _distinct(tokens: list[list[str]], size: int) -> float:
    grams = [tuple(t[i : i + size]) for t in tokens for i in range(len(t) - size + 1)]
    return len(set(grams)) / len(grams) if grams else float("nan")
