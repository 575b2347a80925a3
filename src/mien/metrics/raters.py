"""Agreement between raters who name each item: Cohen's kappa and Krippendorff's alpha.

Both are 1 where all agree and 0 where they agree as often as chance would have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def cohen_kappa(first: Sequence[Hashable | None], second: Sequence[Hashable | None]) -> float:
    """Cohen's kappa of two raters (Cohen, 1960): (observed - expected) / (1 - expected).

    Args:
        first, second: (N,) names; None where a rater gave none, and the item is then left out.

    Returns:
        NaN where no item has both, or where both gave one and the same name to all.

    Raises:
        ValueError: if the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} ratings; both raters need the same items")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if None not in (a, b)]
    if not pairs:
        return float("nan")
    count = len(pairs)
    observed = sum(a == b for a, b in pairs) / count
    one, two = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(one[name] * two[name] for name in one) / count**2
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


def krippendorff_alpha(ratings: Sequence[Sequence[Hashable | None]]) -> float:
    """Krippendorff's alpha for names, any number of raters and missing ratings.

    1 - (observed disagreement) / (expected disagreement), from the coincidences of pairs within
    items (Krippendorff, *Computing Krippendorff's alpha-reliability*, 2011).

    Args:
        ratings: (R, N), a row a rater; None where there is none.

    Returns:
        NaN where no item has two ratings, or where only one name was given.

    Raises:
        ValueError: if the rows differ in length.
    """
    if len({len(row) for row in ratings}) > 1:
        raise ValueError("all raters need the same items; write None where one gave no rating")
    totals: Counter[Hashable] = Counter()
    disagreement = 0.0
    for column in zip(*ratings, strict=True):
        names = Counter(name for name in column if name is not None)
        count = names.total()
        if count < 2:
            continue
        totals.update(names)
        differing = count**2 - sum(n**2 for n in names.values())
        disagreement += differing / (count - 1)
    count = totals.total()
    expected = count**2 - sum(n**2 for n in totals.values())
    if not expected:
        return float("nan")
    return 1 - (count - 1) * disagreement / expected
