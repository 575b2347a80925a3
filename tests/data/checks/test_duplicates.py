"""Near-duplicates, by hand and against the plain comparison of all pairs."""

from __future__ import annotations

import random

from mien.data.checks.duplicates import Duplicates, jaccard, pieces


def test_similarity_by_hand() -> None:
    first = pieces("the brows are low and tight")  # 4 pieces
    second = pieces("The brows are low, and drawn!")  # 4 pieces, 3 in common
    assert len(first) == len(second) == 4
    assert jaccard(first, second) == 3 / 5
    assert len(pieces("Happiness.")) == 1


def test_groups_names_and_threshold() -> None:
    kept = Duplicates(0.6)
    kept.add("a", "the brows are low and tight", "x")
    assert kept.find("the brows are low and drawn", "x") == "a"
    assert kept.find("the brows are low and drawn", "y") is None
    assert Duplicates(2).find("anything") is None
    strict = Duplicates(0.7)
    strict.add("a", "the brows are low and tight")
    assert strict.find("the brows are low and drawn") is None


def test_all_near_pairs_are_found_and_no_others() -> None:
    rng = random.Random(0)
    vocabulary = [f"w{n}" for n in range(300)]
    texts = [" ".join(rng.choices(vocabulary, k=60)) for _ in range(60)]
    for text in list(texts):
        words = text.split()
        words[rng.randrange(60)] = "changed"
        texts.append(" ".join(words))
    kept = Duplicates(0.8)
    for number, text in enumerate(texts):
        own = pieces(text)
        plain = next((str(n) for n in range(number) if jaccard(own, pieces(texts[n])) >= 0.8), None)
        assert kept.find(text) == plain
        kept.add(str(number), text)
    assert kept.find(texts[0].replace("changed", "other")) == "0"
