"""Leaks between sets: pictures that are the same or nearly so, and people who stand in both.

Near pictures are found by perceptual hashes. Two hashes of 64 bits that differ in at most `bits`
bits agree wholly in one of (bits + 1) parts, so that only pictures that share a part are compared.
Of pictures without contrast only those with the very same pixels are found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.fingerprints import Fingerprint, distance, fingerprint
from mien.media import MediaError

BITS = 6
"""Bits of dHash and of pHash that may differ: both must be this near."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a set.

    Attributes:
        name: its path.
        subject: who is shown, where that is known; with the dataset's name before it.
        open: reads its pixels.
    """

    name: str
    subject: str | None
    open: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of two sets that are nearly the same.

    Attributes:
        first, second: paths.
        difference, frequency: bits that differ in dHash and pHash.
        mirrored: whether one is the mirror image of the other.
    """

    first: str
    second: str
    difference: int
    frequency: int
    mirrored: bool


@dataclass
class Comparison:
    """What two sets share.

    Attributes:
        names: of the two sets.
        pairs: pictures that are nearly the same.
        subjects: people that stand in both.
    """

    names: tuple[str, str]
    pairs: list[Pair] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)


@dataclass
class Leaks:
    """What was found.

    Attributes:
        pictures: per set, how many were looked at.
        unreadable: per set, pictures that cannot be compared.
        flat: per set, pictures without contrast, of which only equal ones are found.
        comparisons: of each two sets.
    """

    pictures: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, list[str]] = field(default_factory=dict)
    flat: dict[str, int] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether no two sets share anything."""
        return not any(c.pairs or c.subjects for c in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "clean": self.clean,
            "pictures": self.pictures,
            "unreadable": self.unreadable,
            "flat": self.flat,
            "comparisons": [
                {
                    "sets": list(c.names),
                    "subjects": c.subjects,
                    "pairs": [
                        {name: getattr(pair, name) for name in Pair.__slots__} for pair in c.pairs
                    ],
                }
                for c in self.comparisons
            ],
        }


class Index:
    """Finds hashes near to a given one without looking at all of them.

    Args:
        bits: most bits that may differ.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits
        edges = [round(64 * k / (bits + 1)) for k in range(bits + 2)]
        self._parts = [(low, (1 << (high - low)) - 1) for low, high in pairwise(edges)]
        self._buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._hashes: list[int] = []

    def add(self, value: int) -> None:
        """Adds the next hash; its number is how many came before."""
        for key in self._keys(value):
            self._buckets[key].append(len(self._hashes))
        self._hashes.append(value)

    def near(self, value: int) -> list[int]:
        """Numbers of all hashes that differ in at most `bits` bits, in order."""
        found = {n for key in self._keys(value) for n in self._buckets.get(key, ())}
        return sorted(n for n in found if distance(value, self._hashes[n]) <= self.bits)

    def _keys(self, value: int) -> Iterator[tuple[int, int]]:
        for number, (low, mask) in enumerate(self._parts):
            yield number, value >> low & mask


def find_leaks(
    sets: Mapping[str, Iterable[Entry]],
    *,
    bits: int = BITS,
    each: Callable[[], None] = lambda: None,
) -> Leaks:
    """Compares each two sets.

    Args:
        sets: name to pictures. Memory holds some hundred bytes a picture.
        bits: most bits that may differ, in dHash and in pHash alike.
        each: called for each picture.

    Raises:
        ValueError: if there are fewer than two sets, or `bits` is not in 0 to 20.
    """
    if len(sets) < 2:
        raise ValueError("give at least two sets to compare")
    if not 0 <= bits <= 20:
        raise ValueError(f"bits is {bits}, outside 0 to 20")
    leaks = Leaks()
    read: dict[str, list[tuple[str, Fingerprint]]] = {}
    people: dict[str, set[str]] = {}
    for name, entries in sets.items():
        read[name], people[name] = _read(name, entries, leaks, each)
    names = list(sets)
    for k, first in enumerate(names):
        index = Index(bits)
        equal: dict[int, str] = {}
        for name, print_ in read[first]:
            if print_.flat:
                equal.setdefault(print_.pixels, name)
        contrasting = [(name, print_) for name, print_ in read[first] if not print_.flat]
        for _, print_ in contrasting:
            index.add(print_.difference)
        for second in names[k + 1 :]:
            pairs = list(_pairs(contrasting, read[second], index, equal))
            shared = sorted(people[first] & people[second])
            leaks.comparisons.append(Comparison((first, second), pairs, shared))
    return leaks


def _read(
    name: str, entries: Iterable[Entry], leaks: Leaks, each: Callable[[], None]
) -> tuple[list[tuple[str, Fingerprint]], set[str]]:
    prints, people, broken, flat = [], set(), [], 0
    seen = set()
    for entry in entries:
        if entry.subject is not None:
            people.add(entry.subject)
        if entry.name in seen:
            continue
        seen.add(entry.name)
        each()
        try:
            made = fingerprint(entry.open())
        except MediaError as error:
            broken.append(str(error))
            continue
        flat += made.flat
        prints.append((entry.name, made))
    leaks.pictures[name] = len(prints) + len(broken)
    leaks.unreadable[name] = broken
    leaks.flat[name] = flat
    return prints, people


def _pairs(
    first: Sequence[tuple[str, Fingerprint]],
    second: Sequence[tuple[str, Fingerprint]],
    index: Index,
    equal: Mapping[int, str],
) -> Iterator[Pair]:
    for name, print_ in second:
        if print_.flat:  # one of its likes is enough: black frames may be many on both sides
            if print_.pixels in equal:
                yield Pair(equal[print_.pixels], name, 0, 0, False)
            continue
        sides = (
            (False, print_.difference, print_.frequency),
            (True, print_.mirrored_difference, print_.mirrored_frequency),
        )
        done = set()
        for mirrored, difference, frequency in sides:
            for number in index.near(difference):
                other, known = first[number]
                apart = distance(frequency, known.frequency)
                if apart <= index.bits and number not in done:
                    done.add(number)
                    bits = distance(difference, known.difference)
                    yield Pair(other, name, bits, apart, mirrored)
