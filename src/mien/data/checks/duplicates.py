"""Near-duplicates among texts: MinHash finds candidates, the pieces themselves decide.

Source: Broder, *On the resemblance and containment of documents*, 1997.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from mien.data.build.tasks import content_hash

PIECE = 3
"""Words a piece."""
_BANDS, _ROWS = 16, 4
_TOKEN = re.compile(r"\w+")


def pieces(text: str) -> NDArray[np.uint32]:
    """The set of three-word pieces of a text, as sorted hashes; short texts are one piece."""
    tokens = _TOKEN.findall(text.lower())
    ends = range(max(1, len(tokens) - PIECE + 1))
    found = {zlib.crc32(" ".join(tokens[k : k + PIECE]).encode()) for k in ends}
    return np.array(sorted(found), dtype=np.uint32)


def jaccard(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> float:
    """Share of the pieces of both that they have in common, in [0, 1]."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)


class Duplicates:
    """The texts that were kept so far; some hundred bytes a text.

    A text is found again with a probability of 1 - (1 - s^4)^16 for a similarity s: above 0.99999
    at 0.9, 0.999 at 0.8. The answer depends on the texts and on their order alone.

    Args:
        similar: from which similarity on a text is a near-duplicate; above 1 nothing is.
    """

    def __init__(self, similar: float) -> None:
        self.similar = similar
        rng = np.random.default_rng(20250513)
        count = _BANDS * _ROWS
        self._scale = rng.integers(0, 1 << 63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._shift = rng.integers(0, 1 << 63, count, dtype=np.uint64)
        self._pieces: list[NDArray[np.uint32]] = []
        self._names: list[str] = []
        self._buckets: dict[int, list[int]] = defaultdict(list)

    def find(self, text: str, group: str = "") -> str | None:
        """Name of the first kept text of this group that is nearly the same, or None."""
        if self.similar > 1:
            return None
        own = pieces(text)
        candidates = {n for key in self._keys(own, group) for n in self._buckets.get(key, ())}
        for number in sorted(candidates):
            if jaccard(own, self._pieces[number]) >= self.similar:
                return self._names[number]
        return None

    def add(self, name: str, text: str, group: str = "") -> None:
        """Keeps a text; only texts of the same group are compared."""
        if self.similar > 1:
            return
        own = pieces(text)
        for key in self._keys(own, group):
            self._buckets[key].append(len(self._pieces))
        self._pieces.append(own)
        self._names.append(name)

    def _keys(self, own: NDArray[np.uint32], group: str) -> list[int]:
        # multiply-shift hashing: products wrap around at 2^64, and their upper half is well mixed
        table = own[None, :].astype(np.uint64) * self._scale[:, None] + self._shift[:, None]
        lowest = (table >> np.uint64(32)).min(1).reshape(_BANDS, _ROWS)  # table: (count, pieces)
        return [content_hash(group, band, *row) for band, row in enumerate(lowest.tolist())]
