"""Splits in which no person is on both sides.

`folds` makes them: deterministic, balanced by the number of samples. `BP4D_PARTS` and `DISFA_PARTS`
are the three parts that publications on these datasets share; fold k tests on part 4 - k and
trains on the two others, as their code does. The lists are facts of the published protocol; they
were read in the public code of ME-GraphAU (Luo et al., IJCAI 2022).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from mien.sample import Sample

Parts = tuple[frozenset[str], ...]


def _parts(*lists: str) -> Parts:
    return tuple(frozenset(names.split()) for names in lists)


BP4D_PARTS: Parts = _parts(
    "F001 M007 F018 F008 F002 M004 F010 F009 M012 M001 F016 M014 F023 M008",
    "M011 F003 M010 M002 F005 F022 M018 M017 F013 M016 F020 F011 M013 M005",
    "F007 F015 F006 F019 M006 M009 F012 M003 F004 F021 F017 M015 F014",
)
"""The 41 people of BP4D."""

DISFA_PARTS: Parts = _parts(
    "SN002 SN010 SN001 SN026 SN027 SN032 SN030 SN009 SN016",
    "SN013 SN018 SN011 SN028 SN012 SN006 SN031 SN021 SN024",
    "SN003 SN029 SN023 SN025 SN008 SN005 SN007 SN017 SN004",
)
"""The 27 people of DISFA."""


def fold_split(parts: Parts, fold: int, subject: str) -> str:
    """Whether a person is in "train" or "test" of a fold.

    Args:
        parts: `BP4D_PARTS` or `DISFA_PARTS`.
        fold: from 1.
        subject: name of the person.

    Raises:
        ValueError: if the person is in no part.
    """
    if not any(subject in part for part in parts):
        raise ValueError(f"{subject} is in none of the published folds; read without a fold")
    return "test" if subject in parts[len(parts) - fold] else "train"


def folds(samples: Iterable[Sample], k: int = 3, seed: int = 0) -> list[frozenset[str]]:
    """Divides people into k parts with about as many samples each.

    People are taken from those with most samples to those with fewest, each into the part that has
    fewest so far; the seed decides among equals.

    Args:
        samples: all with a subject.
        k: number of parts.
        seed: another one gives other parts.

    Returns:
        The subjects of each part.

    Raises:
        ValueError: if a sample has no subject, or there are fewer people than parts.
    """
    counts: Counter[str] = Counter()
    for sample in samples:
        if sample.subject is None:
            raise ValueError(f"sample {sample.id!r} names no subject; no person-exclusive folds")
        counts[sample.subject] += 1
    if k < 2 or len(counts) < k:
        raise ValueError(f"{len(counts)} people cannot be divided into {k} parts")
    people = sorted(counts)
    random.Random(seed).shuffle(people)
    people.sort(key=lambda name: -counts[name])
    parts: list[list[str]] = [[] for _ in range(k)]
    sizes = [0] * k
    for name in people:
        least = min(range(k), key=lambda i: (sizes[i], len(parts[i])))
        parts[least].append(name)
        sizes[least] += counts[name]
    return [frozenset(part) for part in parts]


def shared_subjects(splits: Sequence[Iterable[str]]) -> frozenset[str]:
    """People who are in more than one of some sets."""
    seen: Counter[str] = Counter()
    for names in splits:
        seen.update(set(names))
    return frozenset(name for name, count in seen.items() if count > 1)
