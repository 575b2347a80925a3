"""Finds action units and expressions in text and puts marks in their place, for `scope` to judge.

After marking, "No brow lowering (AU4)." reads "No <0>.", so rules about negation see one short
token per mention and no letters, numbers or decimal points of a grade.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mien import facs
from mien.language import grades
from mien.language.names import expression_of, expression_pattern, unit_names

HIGHEST_FACS_NUMBER = 99

_HEAD = re.compile(
    r"(?<![A-Za-z0-9])(?:A\.?U\.?(?P<plural>s)?|action[\s_-]*units?(?:\s*\(AUs?\))?)"
    r"\s*(?:(?:numbers?|nos?\.|codes?)\s*)?[\"']?\s*[:#_=-]?\s*[\[(\"']*\s*(?=[LR]?\d)",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?P<side>[LRlr])?(?P<number>\d{1,3})(?P<letter>[A-Ea-e])?[LRlr]?(?:_[cr])?(?![\w%])(?!\.\d)"
)
_RANGE = re.compile(
    r"\s*(?P<sign>-|to\b|through\b)\s*(?P<head>AUs?\s*)?(?P<number>\d{1,2})(?!\w|\.\d)"
)
_NEXT = re.compile(r"\s*(?:,\s*(?:and|or|&)?|\+|&|/|;|\band\b|\bor\b|\bnor\b)\s*(?=[LR]?\d)")
_SPACED = re.compile(r"[ ]+(?=\d{1,2}(?:[ ,.;:!?\n\"')\]]|$))")
_COUNTED = re.compile(
    r"\s*(?:(?P<fraction>/\s*(?:5|10|100)\b(?!\s*/))|out\s+of\b|(?:others?|people|persons?|faces?|years?|more|times|eyes?|seconds?|additional|further|of)\b)"
)


class UnreadableError(ValueError):
    """The text says something that cannot be taken as labels without guessing."""


@dataclass
class Mention:
    """One mention of a unit or an expression.

    Attributes:
        start, end: where it stands, grade included.
        unit: FACS number, or None where it is an expression.
        expression: canonical name, or None where it is a unit.
        grade: the intensity as written.
    """

    start: int
    end: int
    unit: int | None = None
    expression: str | None = None
    grade: grades.Grade | None = None


def mark(text: str) -> tuple[str, list[Mention]]:
    """The text with every mention replaced by `<n>` (a unit) or `{n}` (an expression).

    A `~` follows a unit that has a grade above 0.

    Raises:
        UnreadableError: if a range or a pair of name and number contradicts itself.
    """
    mentions = _merge(text, sorted(_numbered(text) + _named(text), key=lambda m: m.start))
    for mention in mentions:
        if mention.grade is None:
            mention.grade = grades.after(text, mention.end) or grades.before(text, mention.start)
            if mention.grade is not None:
                mention.end = max(mention.end, mention.grade.end)
    taken = [(m.start, m.end) for m in mentions]
    for match in expression_pattern().finditer(text):
        if any(s < match.end() and match.start() < e for s, e in taken):
            continue
        mentions.append(Mention(match.start(), match.end(), expression=expression_of(match[0])))
    mentions.sort(key=lambda m: m.start)
    parts, position = [], 0
    for index, mention in enumerate(mentions):
        parts.append(text[position : mention.start])
        graded = mention.grade is not None and mention.grade.value
        token = f"<{index}>" if mention.unit is not None else f"{{{index}}}"
        parts.append(f" {token} {'~ ' if graded else ''}")
        position = mention.end
    parts.append(text[position:])
    return "".join(parts), mentions


def _numbered(text: str) -> list[Mention]:
    """Mentions by number, with the lists and ranges that follow an "AU"."""
    found: list[Mention] = []
    position = 0
    while head := _HEAD.search(text, position):
        start, position = head.start(), head.end()
        plural = bool(head["plural"]) or "units" in head[0].lower()
        while item := _ITEM.match(text, position):
            if found and start != head.start() and (count := _COUNTED.match(text, item.end())):
                if count["fraction"]:
                    raise UnreadableError(f"{item[0]}{count[0]} may be a grade")
                break
            numbers, end = _range(text, item, plural=plural)
            for number in numbers:
                found.append(Mention(start, end, unit=number))
                start = end
            if item["letter"]:
                found[-1].grade = grades.Grade(grades.letter_value(item["letter"]), end)
            elif len(numbers) == 1 and (grade := grades.after(text, end)):
                found[-1].grade = grade
                found[-1].end = end = grade.end
            position = end
            following = _NEXT.match(text, end)
            if not following and _SPACED.match(text, end) and not _COUNTED.match(text, end):
                following = _spaced(text, item, end, plural=plural)
            if not following:
                break
            start = position = following.end()
        position = max(position, head.end())
    return found


def _spaced(text: str, item: re.Match[str], end: int, *, plural: bool) -> re.Match[str] | None:
    """The space before the next number of `AUs 6 12 25`, where that is a unit.

    Raises:
        UnreadableError: if the number behind a single unit may be its grade.
    """
    following = _SPACED.match(text, end)
    assert following is not None
    number = _ITEM.match(text, following.end())
    if number is None or _COUNTED.match(text, number.end()):
        return None
    if plural:
        return following
    rising = int(item["number"]) < int(number["number"])
    more = bool(_SPACED.match(text, number.end())) or int(number["number"]) > 5
    if item["letter"] or not (rising and more):
        raise UnreadableError(f"the number behind AU{item['number']} may be a unit or a grade")
    return following


def _range(text: str, item: re.Match[str], *, plural: bool) -> tuple[list[int], int]:
    first = int(item["number"])
    match = _RANGE.match(text, item.end()) if not item["letter"] else None
    if not match:
        return [first], item.end()
    last = int(match["number"])
    inner = [u for u in facs.ACTION_UNITS if first < u < last]
    clear = plural or match["sign"] != "-"
    if last <= first or (inner and not clear):
        # "AU6-12" may be a range or the pair 6 + 12
        raise UnreadableError(f"ambiguous range {text[item.start() : match.end()]!r}")
    return [first, *inner, last], match.end()


def _named(text: str) -> list[Mention]:
    found: list[Mention] = []
    for pattern, number in unit_names():
        for match in pattern.finditer(text):
            if not any(m.start < match.end() and match.start() < m.end for m in found):
                found.append(Mention(match.start(), match.end(), unit=number))
    return found


def _merge(text: str, mentions: list[Mention]) -> list[Mention]:
    """Joins a number and the name beside it: `AU4 (brow lowerer)` is one mention."""
    merged: list[Mention] = []
    for mention in mentions:
        last = merged[-1] if merged else None
        gap = text[last.end : mention.start] if last else ""
        if last and mention.start < last.end:
            continue
        bracket = re.fullmatch(r"\s*[(\[]\s*(?:the\s+)?", gap)
        close = re.fullmatch(r"\s*(?:[:\u2013-]\s*)?(?:the\s+)?", gap)
        if last and (bracket or close) and last.unit == mention.unit:
            last.end = mention.end
            last.grade = last.grade or mention.grade
            tail = re.match(r"\s*[)\]]", text[last.end :])
            last.end += tail.end() if bracket and tail else 0
            continue
        if last and bracket and not text[last.start : last.end].endswith(")"):
            raise UnreadableError(f"names and numbers disagree: {text[last.start : mention.end]!r}")
        merged.append(mention)
    return merged
