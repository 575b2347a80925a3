"""Text to labels: reads what any model wrote. What is ambiguous is "unparsed", never a guess."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from mien import facs
from mien.language import scope, structured
from mien.language.mentions import Mention, UnreadableError, mark

_ASCII = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}
    | {"\u2010": "-", "\u2011": "-", "\u2212": "-", "\u2022": "\n", "\u00d7": "x", "\u2026": "."}
    | {"\u2713": ": yes", "\u2714": ": yes", "\u2705": ": yes"}
    | {"\u2717": ": no", "\u2718": ": no", "\u274c": ": no"}
)
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am)\s+(?:sorry|unable|not able|not allowed)"
    r"|i\s+(?:cannot|can't|can not|won't)"
    r"(?!\s+(?:see|find|detect|observe|spot)\b)"
    r"|unable to|as an ai|not possible to|impossible to|cannot be (?:determined|read|known))\b",
    re.IGNORECASE,
)
_OPTIONS = re.compile(
    r"(?:\b(?:choose|chosen|select(?:ed)?|pick(?:ed)?)\s+(?:\w+\s+){0,3}(?:from|of|between|among)\b"
    r"|\b(?:options?|candidates?|choices|(?:possible|available)\s+(?:labels|classes|expressions|emotions))"
    r"(?:\s+(?:are|is|include))?\s*:|\bone of(?: the following)?\s*:|\bsuch as\b)[^.\n?]*[.\n?]?",
    re.IGNORECASE,
)
_LIST = re.compile(r"\{\d+\}(?:\s*[,/|]\s*(?:(?:and|or)\s+)?\{\d+\}|\s+(?:and|or)\s+\{\d+\}){2,}")
_LABEL_FIRST = re.compile(r"\s*[\"'(\[]*\s*\{(\d+)\}\s*[\"')\]]*\s*(?:[.:!\n(]|\s-\s|$)")
_STATED = re.compile(
    r"\b(?:final answer|answer|expression|emotion|label|prediction|class)\b\"?"
    r"(?:\s+(?:of|in|on|shown by)\s+(?:\w+\s+){1,4}?)?\s*(?:is|:|=)\s*[\"'(]*(?:an?\s+)?"
    r"\s*\{(\d+)\}"
    r"\s*[\"')]*\s*(?![\w<{,/])",
    re.IGNORECASE,
)
_NO_UNITS = re.compile(
    r"\bno\s+(?:facial\s+)?(?:(?:visible|active|detectable|significant|specific|clear|obvious|particular|noticeable)\s+)?"
    r"(?:action\s+units?|AUs?)(?:\s+(?:is|are|was|were|can be)?"
    r"\s*(?:present|visible|active|activated|detected|seen|observed))?"
    r"\s*(?:[.,;!]|$)|\b(?:action units?|AUs?)\s*:\s*none\b",
    re.IGNORECASE | re.MULTILINE,
)
_REST = re.compile(
    r"\bno\s+(?:other|further)\s+(?:facial\s+)?(?:action\s+units?|AUs?)\b"
    r"|\b(?:other|remaining)\s+(?:facial\s+)?(?:action\s+units?|AUs?)\s*:?\s+(?:(?:are|were)\s+)?"
    r"(?:all\s+)?(?:absent|inactive|not\s+(?:present|active|activated|visible|detected))\b",
    re.IGNORECASE,
)
_ROW = re.compile(r"^\s*\|(.*?)\|?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Parsed:
    """Labels read from text.

    Attributes:
        status: "ok", or "unparsed" with empty labels.
        expression: canonical name; None where the text names none.
        units: present units, with intensity 1 to 5 where the text gives one, else None.
        absent: units that the text says are not there.
        reason: why it is unparsed.
    """

    status: Literal["ok", "unparsed"]
    expression: str | None = None
    units: dict[int, float | None] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    reason: str | None = None


def parse(text: str) -> Parsed:
    """Reads expression and action units from any model's text, prose or JSON.

    Negation counts within its clause. A unit both affirmed and denied, two expressions without one
    that is plainly the label, an unknown unit, a refusal and an empty text are "unparsed".
    """
    text = unicodedata.normalize("NFKC", text).translate(_ASCII)
    text = _THOUGHT.sub(" ", text).strip()
    if not text:
        return Parsed("unparsed", reason="empty text")
    try:
        found = structured.read(text)
        if found is not None:
            text = found
        return _parse_prose(text)
    except UnreadableError as error:
        return Parsed("unparsed", reason=str(error))


def _parse_prose(text: str) -> Parsed:
    text = re.sub(r"[*`]+|^#+\s*|(?<!\w)_+|_+(?!\w)", "", text, flags=re.MULTILINE)
    text = _ROW.sub(lambda m: ": ".join(c.strip() for c in m[1].split("|")), text)
    # these are the marks that stand for mentions below
    text = _OPTIONS.sub(" ", text.translate(dict.fromkeys(map(ord, "<>{}~"), " ")))
    marked, mentions = mark(text)
    marked = _LIST.sub(" ", marked)
    kept = [c for c in scope.clauses(marked) if not _REFUSAL.search(c)]
    refused = len(kept) < len(scope.clauses(marked))
    verdicts = [v for clause in kept for v in scope.judge(clause)]
    units, absent = _units(mentions, verdicts)
    expression = _expression(marked, mentions, verdicts)
    if _NO_UNITS.search(marked):
        if units:
            raise UnreadableError("says that there are no action units, and names some")
        absent = frozenset(facs.ACTION_UNITS)
    if _REST.search(text):
        absent |= frozenset(facs.ACTION_UNITS) - set(units)
    if expression is None and not units and not absent:
        raise UnreadableError("a refusal" if refused else "no label found")
    return Parsed("ok", expression, units, absent)


def _units(
    mentions: list[Mention], verdicts: list[tuple[int, bool]]
) -> tuple[dict[int, float | None], frozenset[int]]:
    present: dict[int, float | None] = {}
    absent: set[int] = set()
    # bare 0 and 1 are flags, unless another bare number shows that grades are meant
    numbers = [m.grade for m in mentions if m.grade is not None and m.unit is not None]
    graded = any(g.value is not None and g.value > 1 for g in numbers)
    for index, affirmed in verdicts:
        mention = mentions[index]
        unit, grade = mention.unit, mention.grade
        if unit is None:
            continue
        if unit not in facs.ACTION_UNITS:
            if affirmed:
                raise UnreadableError(f"unknown action unit AU{unit}")
            continue
        if affirmed and grade is not None and grade.doubtful and not (graded and grade.value):
            raise UnreadableError(f"the number of AU{unit} may be a probability")
        value = grade.value if grade is not None else None
        if grade is not None and grade.flag and not graded:
            value = 0.0 if value == 0 else None
        if not affirmed or (value is not None and value < 0.5):
            absent.add(unit)
            continue
        if value is not None:
            value = max(1.0, value)
            if present.get(unit) not in (None, value):
                raise UnreadableError(f"AU{unit} is given two intensities")
        present[unit] = present.get(unit) if value is None else value
    if both := sorted(absent & set(present)):
        raise UnreadableError(f"AU{both[0]} is both affirmed and denied")
    return dict(sorted(present.items())), frozenset(absent)


def _expression(
    marked: str, mentions: list[Mention], verdicts: list[tuple[int, bool]]
) -> str | None:
    affirmed = {i for i, yes in verdicts if yes and mentions[i].expression is not None}
    stated = {
        mentions[int(m[1])].expression for m in _STATED.finditer(marked) if int(m[1]) in affirmed
    }
    first = _LABEL_FIRST.match(marked)
    if first and int(first[1]) in affirmed:
        stated.add(mentions[int(first[1])].expression)
    if len(stated) > 1:
        raise UnreadableError(f"two labels: {' and '.join(sorted(map(str, stated)))}")
    if stated:
        return stated.pop()
    # "other" is a label only where it stands as one: "the other eye" names no expression
    names = {mentions[i].expression for i in affirmed} - {"other"}
    if len(names) > 1:
        raise UnreadableError(f"several expressions: {', '.join(sorted(map(str, names)))}")
    return names.pop() if names else None
