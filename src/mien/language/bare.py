"""Action units without the letters "AU", where units were asked for: `6, 12, 25`, `6B+12C`."""

from __future__ import annotations

import re

from mien import facs
from mien.language.mentions import UnreadableError, mark
from mien.language.visible import narrow

_SEEN = (
    r"(?:active|activated|present|visible|detected|detectable|observed|observable|shown|seen"
    r"|evident|noted|found|engaged|apparent|noticeable|identified)"
)
_FENCE = re.compile(r"```(?:json\d?|text|txt|plaintext|python|markdown|md|ya?ml|xml|csv)?\b|```")
_HEAD = re.compile(
    rf"\s*(?:(?:here\s+(?:is|are)|the|final|my|answer|output|result|prediction|list|response|of"
    rf"|facial|action|units?|AUs?|FACS|codes?|coding|numbers?|are|is|in|this|that|face|image"
    rf"|picture|person|photo|following|{_SEEN})\b[\s(),*_]*)*[:=-]?\s*",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?P<side>[LRTB])?(?P<number>\d{1,2})(?:\s?\(?(?P<letter>[A-Ea-e])\)?)?", re.IGNORECASE
)
_SEPARATOR = re.compile(r"\s*(?:[,+;&|/\n]|\band\b)\s*(?:and\b\s*)?|\s+(?!\(?[A-Ea-e]\b)")
_NOTHING = re.compile(
    r"(?:there\s+(?:is|are)\s+)?(?:none|nothing|nil|\u2205|(?:an?\s+)?empty(?:\s+(?:list|set|array))?"
    r"|no\s+(?:\w+\s+){0,2}?(?:units?|activations?|activity|(?:facial\s+)?(?:muscle\s+|muscular\s+)?"
    r"(?:movements?|actions?|activity|activations?)))"
    rf"(?:\s+(?:of\s+(?:them|these|those|the\s+above)|at\s+all|(?:is|are|was|were|can\s+be)|{_SEEN}"
    r"|(?:in|on)\s+(?:this|the)\s+(?:face|image|picture|photo|person|list|frame)|here))*",
    re.IGNORECASE,
)
_TAKES_BACK = re.compile(
    r"\d|\?|\b(?:except|but|however|although|though|only|other|may|might|could|maybe|perhaps|AUs?"
    r"|unable|cannot|can't|hidden|covered|not)\b",
    re.IGNORECASE,
)
_EMPTY = re.compile(r"\[\s*\]|\(\s*\)")
_HEADED = re.compile(
    rf"(?<!action )(?<!action-)\b(?:FACS(?:\s+codes?)?|units?|codes?)"
    rf"(?:\s+(?:numbers?|are|is|{_SEEN}))*"
    r"\s*[:=]?\s*(?=[\[(\"']*[LR]?\d{1,2}(?!\d|\.\d|\s*%|\s*units))",
    re.IGNORECASE,
)
_STATED = re.compile(rf"\b(absent|inactive|not {_SEEN}|{_SEEN})\s*:\s*(?=[\[(]?\d)", re.IGNORECASE)
_VALUED = re.compile(
    r"(^|[,;\n]\s*)(\d{1,2})\s*(?:[:=]|-(?=\s))\s*(?=(?:[A-E]|[01]|yes|no|present|absent|true|false|active"
    r"|inactive)\b)",
    re.IGNORECASE,
)
_UNITS = re.compile(r"\bAU|action[\s_-]*unit", re.IGNORECASE)


def headed(text: str) -> str:
    """The text with "AUs" before numbers that stand for units, and none of them said in words.

    Raises:
        UnreadableError: if numbers stand where units should, and may mean something else.
    """
    text = narrow(_FENCE.sub("\n", text)).strip()
    plain = re.sub(r"[*`\"']+|^[ \t]*[-*][ \t]+", "", text, flags=re.MULTILINE).strip()
    if says_nothing(plain):
        return "No action units."
    found = _list(plain)
    if found is not None:
        return f"AUs {', '.join(found)}"
    text = _STATED.sub(r"\1: AUs ", text)
    valued = len(_VALUED.findall(text))
    if valued and not _UNITS.search(text) and valued == len(re.findall(r"\d\s*[:=]", text)):
        text = _VALUED.sub(r"\1AU\2: ", text)
    return _HEADED.sub("AUs ", text)


def says_nothing(text: str) -> bool:
    """Whether an answer is nothing but that there is none."""
    text = text[_head(text) :].strip().rstrip(".!").strip()
    if _EMPTY.fullmatch(text) or _NOTHING.fullmatch(text.strip("()[] ")):
        return True
    start = _NOTHING.match(text)
    if start is None or text[start.end() :].lstrip()[:1] not in (".", ";", "(", "-", "\n"):
        return False
    rest = text[start.end() :]
    return not (_TAKES_BACK.search(rest) or any(m.unit is not None for m in mark(rest)[1]))


def _head(text: str) -> int:
    match = _HEAD.match(text)
    return match.end() if match else 0


def _list(text: str) -> list[str] | None:
    """The items of an answer that is nothing but a list of numbers; None where it is not."""
    start = _head(text)
    body = text[start:].strip().rstrip(".!;,").strip()
    closed = body[:1] in "[({" and body[-1:] in "])}"
    if not body or len(body) > 400:
        return None
    if body.count("[") != body.count("]") and re.fullmatch(r"[\[\]\d\s,'\"]+", body):
        raise UnreadableError("a list that is cut off")
    if closed:
        body = body[1:-1]
    body = re.sub(r"[\[\]{}]", " ", body).strip()
    items = [_ITEM.fullmatch(part) for part in _SEPARATOR.split(body)]
    if not items or not all(items):
        return None
    found = [item for item in items if item is not None]
    numbers = [int(item["number"]) for item in found]
    if not any(item["letter"] or item["side"] for item in found):
        _doubt(numbers, body, sure=closed or bool(_UNITS.search(text[:start])))
    if unknown := [n for n in numbers if n not in facs.ACTION_UNITS]:
        raise UnreadableError(f"unknown action unit AU{unknown[0]}")
    if len(set(numbers)) < len(numbers):
        raise UnreadableError("a unit stands twice")
    return [
        f"{n} ({item['letter'].upper()})" if item["letter"] else str(n)
        for n, item in zip(numbers, found, strict=True)
    ]


def _doubt(numbers: list[int], body: str, *, sure: bool) -> None:
    """Raises where bare numbers may be flags, a count, a fraction or a rating."""
    if 0 in numbers or len(set(numbers)) < len(numbers):
        raise UnreadableError("the numbers may be flags")
    if len(numbers) == 1 and numbers[0] <= 5 and not sure:
        raise UnreadableError("the number may be a count")
    if "/" in body and len(numbers) < 3:
        raise UnreadableError("the numbers may be a fraction")
