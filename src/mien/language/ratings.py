"""Lists of expressions with numbers: the one with the highest, if it is the only one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mien.language.mentions import Mention, UnreadableError

_NUMBER = r"(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE]-?\d{1,3})?)"
_KIND = r"(?P<kind>\s*%|\s*/\s*(?:10|5|100|1)\b)?"
_ABOUT = r"(?P<word>confidence|probability|probabilities|likelihood|certainty|score|chance)"
_BEHIND = re.compile(
    rf"\{{(?P<index>\d+)\}}[ \t\"')\]]*"
    rf"(?P<between>(?:[ \t]*(?:[:=(\[~]|-(?![\d.])|->|is|at|with|an?|of|about|{_ABOUT}))*)"
    rf"[ \t\"']*{_NUMBER}(?![\w.]*\d|\w){_KIND}[ \t]*[)\]]?"
)
_TUPLE = re.compile(
    rf"[(\[]\s*[\"']?\s*\{{(?P<index>\d+)\}}\s*[\"']?\s*,\s*{_NUMBER}{_KIND}\s*[)\]]"
)
_BEFORE = re.compile(
    rf"(?<![\w.]){_NUMBER}(?P<kind>\s*%)\s*(?:{_ABOUT}\s+)?(?:of\s+|for\s+)?\{{(?P<index>\d+)\}}"
)


@dataclass(frozen=True, slots=True)
class Rated:
    """Expressions with numbers.

    Attributes:
        label: the one with the highest.
        scores: name to number, as written.
        rest: the marked text without them.
    """

    label: str
    scores: dict[str, float]
    rest: str


def rated(marked: str, mentions: Sequence[Mention]) -> Rated | None:
    """The list in a marked text; None where there is none.

    Raises:
        UnreadableError: if it names no single class.
    """
    pattern = _TUPLE if _TUPLE.search(marked) else _BEHIND
    before = _BEFORE.search(marked)
    behind = pattern.search(marked)
    if before and (behind is None or before.start() < behind.start()):
        pattern = _BEFORE
    found = list(pattern.finditer(marked))
    if not found:
        return None
    scores: dict[str, float] = {}
    for match in found:
        name, value = str(mentions[int(match["index"])].expression), float(match["number"])
        if scores.setdefault(name, value) != value:
            raise UnreadableError(f"{name} has two numbers")
    if len(scores) == 1:
        _check_alone(found[0])
        return None
    kinds = {re.sub(r"\s", "", match["kind"] or "") for match in found}
    values = list(scores.values())
    if len(kinds) > 1 or min(values) < 0:
        raise UnreadableError("the numbers of the expressions cannot be compared")
    if kinds == {""} and sorted(values) == list(range(1, len(values) + 1)):
        raise UnreadableError("the numbers of the expressions may be ranks")
    best = max(values)
    names = [name for name, value in scores.items() if value == best]
    if len(names) > 1 or best <= 0:
        raise UnreadableError(f"{' and '.join(sorted(names))} have the same number")
    return Rated(names[0], scores, pattern.sub(" . ", marked))


def _check_alone(match: re.Match[str]) -> None:
    """Raises where the only expression has a number that may say that it is not there."""
    value, kind = float(match["number"]), (match["kind"] or "").strip()
    if match.groupdict().get("word") and value > 0:
        return
    if value < (50 if kind == "%" else 0.5):
        raise UnreadableError("the number of the expression is low")
