"""Names of action units and expressions as people write them, and where they stand in a text."""

from __future__ import annotations

import re
from functools import cache

from mien import facs

# FACS names are agents ("brow lowerer"); people also write the act ("brow lowering")
_ACTS = {
    "raiser": ("raiser", "raisers", "raising", "raise", "raises"),
    "lowerer": ("lowerer", "lowerers", "lowering"),
    "furrower": ("furrower", "furrowing", "furrow"),
    "tightener": ("tightener", "tighteners", "tightening"),
    "wrinkler": ("wrinkler", "wrinklers", "wrinkling"),
    "wrinkle": ("wrinkle", "wrinkles"),
    "deepener": ("deepener", "deepening"),
    "puller": ("puller", "pullers", "pull", "pulling"),
    "depressor": ("depressor", "depressors", "depression", "depressing"),
    "dimpler": ("dimpler", "dimplers", "dimpling"),
    "pucker": ("pucker", "puckers", "puckering"),
    "puckerer": ("puckerer", "puckerers"),
    "stretcher": ("stretcher", "stretchers", "stretching"),
    "stretch": ("stretch", "stretches", "stretching"),
    "funneler": ("funneler", "funnelers", "funneling"),
    "funneller": ("funneller", "funnellers", "funnelling"),
    "pressor": ("pressor", "pressors", "pressing"),
    "presser": ("presser", "pressers"),
    "part": ("part", "parting"),
    "drop": ("drop", "drops", "dropping", "dropper"),
    "suck": ("suck", "sucks", "sucking"),
    "blink": ("blink", "blinks", "blinking"),
}
_PLURAL = {"brow": "brows?", "cheek": "cheeks?", "lid": "lids?", "lip": "lips?", "lips": "lips?"}
_PLURAL |= {"corner": "corners?", "corners": "corners?", "eyelid": "eyelids?", "brows": "brows?"}
_EXTRA = {
    43: ("eye closure", "closed eyes"),
    18: ("lips puckered",),
    25: ("lips apart",),
}


def _variants(name: str) -> str:
    *heads, last = name.split()
    words = [_PLURAL.get(w, re.escape(w)) for w in heads]
    if last in _ACTS:
        words.append("(?:" + "|".join(_ACTS[last]) + ")")
    else:
        words.append(_PLURAL.get(last, re.escape(last)))
    return r"[\s-]+".join(words)


@cache
def unit_names() -> tuple[tuple[re.Pattern[str], int], ...]:
    """Patterns of all unit names, the longest first so that no name hides in another."""
    names = [
        (name, info.number)
        for info in facs.ACTION_UNITS.values()
        for name in (info.name, *info.aliases, *_EXTRA.get(info.number, ()))
    ]
    names.sort(key=lambda pair: -len(pair[0]))
    return tuple(
        (re.compile(rf"(?<![\w-]){_variants(name)}(?!\w)", re.IGNORECASE), number)
        for name, number in names
    )


@cache
def expression_pattern() -> re.Pattern[str]:
    """Any expression word, the longest first, at word boundaries."""
    words = sorted(facs.expression_words(), key=len, reverse=True)
    alternatives = "|".join(w.replace(" ", r"\s+") for w in words)
    return re.compile(
        rf"(?<![\w-])({alternatives})(?![\w]|-\w|'\w|\s+of\s+(?=no\b))", re.IGNORECASE
    )


def expression_of(text: str) -> str:
    """Canonical name of a matched expression word, whatever its inner spaces."""
    return facs.canonical_expression(" ".join(text.split()))
