"""Names of splits: as datasets give them, and as Hugging Face knows them."""

from __future__ import annotations

import re
from collections.abc import Iterable

ALL_SPLITS = "all"
TRAIN = "train"
TEST = "test"
_KNOWN = (TRAIN, "validation", TEST)
_SAME = {"training": TRAIN, "val": "validation", "valid": "validation", "testing": TEST}


def published_split(name: str | None) -> str:
    """Hugging Face's name of a split; samples that name none count as train.

    Other names than those of training, validation and test are splits of their own, in letters,
    digits and underscores, which is all that Hugging Face allows.
    """
    plain = re.sub(r"\W+", "_", (name or "").strip().lower())
    plain = _SAME.get(plain, plain) or TRAIN
    return f"{plain}_" if plain == ALL_SPLITS else plain  # their word for the union of all


def in_order(splits: Iterable[str]) -> list[str]:
    """Train, validation, test, then all others by name."""
    return sorted(set(splits), key=lambda s: (_KNOWN.index(s) if s in _KNOWN else len(_KNOWN), s))
