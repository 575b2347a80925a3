"""Text to labels: reads what any model wrote. What is ambiguous is "unparsed", never a guess."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from mien import facs
from mien.language import bare, ratings, scope, structured
from mien.language.mentions import Mention, UnreadableError, mark
from mien.language.none import no_units, others_absent
from mien.language.visible import narrow, visible

_ASCII = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}
    | {"\u2010": "-", "\u2011": "-", "\u2212": "-", "\u2022": "\n", "\u00d7": "x", "\u2026": "."}
    | {"\u2713": ": yes", "\u2714": ": yes", "\u2705": ": yes"}
    | {"\u2717": ": no", "\u2718": ": no", "\u274c": ": no"}
)
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
_KEYED = re.compile(r"\{(\d+)\}\s*[\"')]*\s*[:=]")
_ALONE = re.compile(r"(?<=[.!;:\n>-])[\s\"'(*-]*\{(\d+)\}\s*[\"')]*\s*(?:[.!;\n]|$)")
_STATED = re.compile(
    r"\b(?:final answer|answer|expression|emotion|label|prediction|class)\b\"?"
    r"(?:\s+(?:of|in|on|shown by)\s+(?:\w+\s+){1,4}?)?\s*(?:is|:|=)\s*[\"'(]*(?:an?\s+)?"
    r"\s*\{(\d+)\}"
    r"[ \t]*+[\"')]*+[ \t]*+(?![\w<{,/])",
    re.IGNORECASE,
)
_REST = re.compile(
    r"\bno\s+(?:other|further)\s+(?:facial\s+)?(?:action\s+units?|AUs?)\b"
    r"|\b(?:other|remaining)\s+(?:facial\s+)?(?:action\s+units?|AUs?)\s*:?\s+(?:(?:are|were)\s+)?"
    r"(?:all\s+)?(?:absent|inactive|not\s+(?:present|active|activated|visible|detected))\b",
    re.IGNORECASE,
)
_ROW = re.compile(r"^[ \t]*\|?([^\n]*\|[^\n]*?)\|?[ \t]*$", re.MULTILINE)
_ARROW = re.compile(r"[-=]>|\u2192|\u21d2")
_GONE_HEADING = re.compile(
    r"\b(inactive|absent|missing|not\s+(?:present|active|visible))\s+(?:facial\s+)?"
    r"(?:AUs?|action\s+units?)(?:\s*\(AUs?\))?\s*:\s*(?=\[?\s*\d)",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(
    r"(?:[,;+&]|\band\b|\.\.)\s*\d{1,2}\s*(?=[,;.+&\n)]|$|\b(?:is|are|and|absent|present|active)\b)"
    r"|\bnone\s+or\b",
    re.IGNORECASE,
)


_TAG = re.compile(
    r"<(?P<end>/)?(?P<name>expression|emotion|label|aus?|action_?units?|units)>", re.IGNORECASE
)
_QUOTED = re.compile(r'\A"([^"]*)"\Z')
ASKS_UNITS = ("au_detection", "au_description")
"""Tasks whose answers say units and need not say an expression."""


@dataclass(frozen=True)
class Parsed:
    """Labels read from text.

    Attributes:
        status: "ok", or "unparsed" with empty labels.
        expression: canonical name; None where the text names none.
        units: present units, with intensity 1 to 5 where the text gives one, else None.
        absent: units that the text says are not there.
        scores: expressions to numbers as written, where the text is a list of them.
        reason: why it is unparsed.
    """

    status: Literal["ok", "unparsed"]
    expression: str | None = None
    units: dict[int, float | None] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    scores: dict[str, float] = field(default_factory=dict)
    reason: str | None = None


def parse(text: str, task: str | None = None) -> Parsed:
    """Reads expression and action units from any model's text, prose or JSON.

    Negation counts within its clause. A unit both affirmed and denied, two expressions without one
    that is plainly the label, an unknown unit, a refusal, thoughts without an end and an empty text
    are "unparsed".

    Args:
        text: as the model wrote it; thoughts are left out (see `mien.language.visible`).
        task: what was asked, as in `mien.language.TASKS`. Where units were asked for, bare numbers
            are units, "none" says that there are none, and what is said of expressions may be
            ambiguous.
    """
    try:
        text = visible(text)
        text = unicodedata.normalize("NFKC", text).translate(_ASCII)
        text = _QUOTED.sub(r"\1", narrow(text).strip())
        if not text:
            raise UnreadableError("empty text")
        asked = task in ASKS_UNITS
        found = structured.read(text, units=asked)
        if found is not None:
            text = found
        elif asked:
            text = bare.headed(text)
        return _parse_prose(text, units_asked=asked)
    except UnreadableError as error:
        return Parsed("unparsed", reason=str(error))


def _parse_prose(text: str, *, units_asked: bool) -> Parsed:
    text = re.sub(r"[*`]+|^#+[ \t]*|(?<!\w)_+|_+(?!\w)", "", text, flags=re.MULTILINE)
    text = _ROW.sub(lambda m: ": ".join(c.strip() for c in m[1].split("|")), text)
    text = _GONE_HEADING.sub(r"\1: AUs ", _ARROW.sub(": ", _TAG.sub(_untagged, text)))
    text = others_absent(text)
    # these are the marks that stand for mentions below
    text = _OPTIONS.sub(" ", text.translate(dict.fromkeys(map(ord, "<>{}~"), " ")))
    marked, mentions = mark(text)
    marked = _LIST.sub(" ", marked)
    if units_asked and (left := _LEFT_OVER.search(marked)):
        raise UnreadableError(f"{left[0].strip()!r} may be a unit")
    clauses = scope.clauses(marked)
    refused = any(_REFUSAL.search(c) for c in clauses)
    kept = _statements(clauses)
    verdicts = [v for clause in kept for v in scope.judge(clause)]
    units, absent = _units(mentions, verdicts)
    expression, scores = None, dict[str, float]()
    try:
        expression, scores = _rated_expression(marked, mentions, verdicts)
    except UnreadableError:
        if not units_asked:
            raise
    if not refused and no_units("\n".join(kept)):
        if units:
            raise UnreadableError("says that there are no action units, and names some")
        absent = frozenset(facs.ACTION_UNITS)
    if _REST.search(text):
        absent |= frozenset(facs.ACTION_UNITS) - set(units)
    if not units and not absent and (expression is None or units_asked):
        raise UnreadableError("a refusal" if refused else "no label found")
    return Parsed("ok", expression, units, absent, scores)


def _untagged(match: re.Match[str]) -> str:
    return "\n" if match["end"] else f"{match['name']}: "


def _statements(clauses: list[str]) -> list[str]:
    """The clauses that say something: no refusals and no questions."""
    return [c for c in clauses if not _REFUSAL.search(c) and not c.rstrip(" \"')").endswith("?")]


def _rated_expression(
    marked: str, mentions: list[Mention], verdicts: list[tuple[int, bool]]
) -> tuple[str | None, dict[str, float]]:
    """The expression, with the numbers of all where the text lists them."""
    rated = ratings.rated(marked, mentions)
    if rated is None:
        return _expression(marked, mentions, verdicts), {}
    rest = _statements(scope.clauses(rated.rest))
    said = _expression(rated.rest, mentions, [v for c in rest for v in scope.judge(c)])
    if said not in (None, rated.label):
        raise UnreadableError(f"says {said}, but {rated.label} has the highest number")
    return rated.label, rated.scores


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
    listed = {mentions[int(m[1])].expression for m in _KEYED.finditer(marked)}
    if first and int(first[1]) in affirmed and len(listed) < 2:
        stated.add(mentions[int(first[1])].expression)
    if stated:
        alone = (int(m[1]) for m in _ALONE.finditer(marked))
        stated |= {mentions[i].expression for i in alone if i in affirmed}
    if len(stated) > 1:
        raise UnreadableError(f"two labels: {' and '.join(sorted(map(str, stated)))}")
    if stated:
        return stated.pop()
    # "other" is a label only where it stands as one: "the other eye" names no expression
    names = {mentions[i].expression for i in affirmed} - {"other"}
    if len(names) > 1:
        raise UnreadableError(f"several expressions: {', '.join(sorted(map(str, names)))}")
    return names.pop() if names else None
