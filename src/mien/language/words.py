"""Small grammar: phrase files, lists with "and", articles, capitals, agreement in number."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

_CHOICE = re.compile(r"\[([^|\]]+)\|([^\]]+)\]")


@cache
def load(name: str) -> Any:
    """Content of a JSON file of this package; shared, so not to be changed."""
    text = resources.files("mien.language").joinpath(name).read_text(encoding="utf-8")
    return json.loads(text)


def patterns(kind: str) -> Sequence[str]:
    """Sentence patterns of one kind."""
    return load("phrases.json")["patterns"][kind]


def join(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def capital(text: str) -> str:
    """First letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def article(word: str) -> str:
    """The word with "a" or "an" before it."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def agree(pattern: str, *, plural: bool) -> str:
    """Chooses the right side of each `[singular|plural]` in a pattern."""
    return _CHOICE.sub(lambda m: m.group(2 if plural else 1), pattern)


def pick(rng: random.Random, items: Sequence[str]) -> str:
    """One of the items."""
    return items[rng.randrange(len(items))]
