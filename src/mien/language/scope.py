"""Which mentions a clause affirms and which it denies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mien.language.mentions import UnreadableError

_MARK = re.compile(r"[<{](\d+)[>}]")
_CLAUSE = re.compile(
    r"(?:\n|(?<=[.!?])\s+|;|,?\s*\b(?:but|however|although|though|while|whereas|yet|except)\b)",
    re.IGNORECASE,
)
_SEEN = (
    r"(?:present|visible|active|activated|detected|detectable|seen|observed|observable|evident|shown"
    r"|engaged|apparent|noticeable|noticed|involved|found|there|expressed|used|displayed|indicated)"
)
_ADVERB = r"(?:(?:\w+ly|very|at\s+all|really|be|been|to\s+be|appear\s+to\s+be)\s+)*"
_NOT = (
    r"(?:\b(?:is|are|was|were|does|do|did|can|could|has|have|been|be)?\s*(?:not|n't)"
    r"|\bcannot|\bnever)"
)
_DENIAL = (
    rf"{_NOT}\s+{_ADVERB}(?:{_SEEN}|appear|occur|show(?:\s+up)?)\b"
    r"|\b(?:is|are|was|were|remains?|both)?\s*(?:absent|missing|inactive|undetected)\b"
    r"|(?:[:=(]|\s-)\s*(?:no|none|false|not\s+\w+|0(?!\.))(?=\s*(?:[,.;:)\]\n\"'-]|$))"
    r"|(?<=>)\s+no(?=\s*(?:[,.;\n]|$))"
)
_PREDICATE = re.compile(
    rf"(?P<deny>{_DENIAL})"
    rf"|(?P<hedge>\b(?:may|might|could)\s+(?:also\s+)?be\s*(?:{_ADVERB}{_SEEN}\b|(?=[.,;\n]|$)))"
    rf"|(?P<affirm>\b(?:is|are|was|were)\s+{_ADVERB}{_SEEN}\b|(?:[:=(]|\s-)\s*(?:yes|true|present|active)\b)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?:no(?!\s+(?:doubt|longer\s+than))|not(?!\s+(?:only|just|merely|surpris\w*|to\s+mention))|\w+n't|cannot"
    r"|without|hardly|scarcely|far\s+from|anything\s+but|unlikely|neither|nor|never|none(?=\s+of|\s*:)|lack(?:s|ing)?|absen(?:ce|t)|free\s+of|devoid\s+of"
    r"|rather\s+than|instead\s+of|missing|inactive|undetected|excluding)\b",
    re.IGNORECASE,
)
# between a denial and what it denies: any words of one phrase, but no new statement
_BREAK = re.compile(
    r"[,:]|\b(?:shows?|displays?|with|only|there|which|because|so|fits?|contradicts?|against|matters?)\b",
    re.IGNORECASE,
)
_SHOW = re.compile(
    r"^\s+(?:\w+ly\s+)?(?:shows?|showing|displays?|displaying)\b(?!\s+that)", re.IGNORECASE
)
_HEADING = re.compile(rf"(?:\s+(?:AUs?|action\s+units?|{_SEEN}))*\s*:\s*\[?\s*", re.IGNORECASE)
_LINK = re.compile(
    r"[\s,()~/&+]*(?:(?:and|or|nor|any|an?|the|of|either)\b[\s,]*)*|[\s,]*(?:or|nor)\s+(?:[\w-]+\s+){0,4}[(\s]*",
    re.IGNORECASE,
)


def judge(marked: str) -> Iterator[tuple[int, bool]]:
    """Index of every mention in a marked text, and whether it is affirmed there."""
    for clause in _CLAUSE.split(marked):
        yield from _judge_clause(clause)


def clauses(marked: str) -> list[str]:
    """The clauses of a marked text."""
    return _CLAUSE.split(marked)


def _judge_clause(clause: str) -> Iterator[tuple[int, bool]]:
    if not _MARK.search(clause):
        return
    position = 0
    for predicate in _PREDICATE.finditer(clause):
        governed = clause[position : predicate.start()]
        if predicate["deny"] and not _MARK.search(governed):
            continue  # "Absent: AU4" and "absent AU4" deny what follows
        verdicts = _segment(governed)
        reached = _reached(governed, predicate[0]) if predicate["deny"] else set()
        for index, affirmed in verdicts:
            if not predicate["hedge"]:  # "may be present" says neither
                yield index, affirmed and index not in reached
        position = predicate.end()
    yield from _segment(clause[position:])


def _reached(governed: str, denial: str) -> set[int]:
    """The mentions before a denial that it reaches: "AU6 (B), AU4: absent" denies AU4 alone.

    Raises:
        UnreadableError: if a list without "and" stands before a denial of one thing.
    """
    marks = list(_MARK.finditer(governed))
    reached = {int(marks[-1][1])}
    bracketed = denial.startswith("(") or governed.rstrip().endswith("(")
    plural = re.match(r"\s*(?:are|were|both|do|have|can|could)\b", denial, re.IGNORECASE)
    for left, right in zip(reversed(marks[:-1]), reversed(marks[1:]), strict=True):
        gap = governed[left.end() : right.start()]
        # a graded unit is present; brackets hold one; "AU12: high, AU6: none" denies the last alone
        if "~" in gap or bracketed or re.search(r"[:=]|\s-\s", gap):
            break
        if (
            gap.strip() == ","
            and not plural
            and not re.search(r"\b(?:and|or|nor)\b|[/&+]", governed[right.start() :], re.IGNORECASE)
        ):
            raise UnreadableError("a denial behind a bare comma may or may not reach back")
        reached.add(int(left[1]))
    return reached


def _segment(text: str) -> list[tuple[int, bool]]:
    """Mentions that a denial before them reaches."""
    verdicts: list[tuple[int, bool]] = []
    denied = heading = loose = False
    chain = 0
    position = 0
    for mark in _MARK.finditer(text):
        gap = text[position : mark.start()]
        openers = list(_BEFORE.finditer(gap))
        if openers:
            tail = _SHOW.sub("", gap[openers[-1].end() :])
            denied = bool(_HEADING.fullmatch(tail)) or not _BREAK.search(tail)
            chain = 1
            loose = False
            heading = bool(_HEADING.fullmatch(tail))
        elif denied:
            # "no AU4, and AU12 is active": two of a list would have no comma
            pair = chain == 1 and re.fullmatch(r"\s*,\s*and\s+", gap)
            denied = bool(_LINK.fullmatch(gap)) and not pair
            chain += 1
            if denied and not heading:
                loose = _loose(loose, gap)
        verdicts.append((int(mark[1]), not denied))
        position = mark.end()
    if loose:
        raise UnreadableError("a denial before a bare comma may or may not reach what follows")
    return verdicts


def _loose(loose: bool, gap: str) -> bool:
    """Whether a denied list still lacks its "and" or "or": "no AU4, AU6" may be two statements."""
    if re.search(r"\b(?:and|or|nor)\b|[/&+]", gap, re.IGNORECASE):
        return False
    return loose or gap.strip() == ","
