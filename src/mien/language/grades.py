"""Intensities in text, right before or behind an action unit: letters, words, numbers."""

from __future__ import annotations

import re

from mien import facs

WORDS = {
    **dict.fromkeys(("trace", "faint", "minimal", "barely"), 1.0),
    **dict.fromkeys(("slight", "slightly", "mild", "mildly", "weak", "weakly", "subtle"), 2.0),
    **dict.fromkeys(("marked", "markedly", "pronounced", "moderate", "moderately"), 3.0),
    **dict.fromkeys(
        ("severe", "severely", "extreme", "extremely", "strong", "strongly", "intense"), 4.0
    ),
    **dict.fromkeys(("maximum", "maximal", "maximally"), 5.0),
}
"""FACS's own words and their plain neighbours. "Extreme" shares level 4 with "severe" in FACS."""

_WORD = "|".join(sorted(WORDS, key=len, reverse=True))
_NUMBER = r"\d+(?:\.\d+)?"
_VALUE = (
    rf"(?:(?P<letter>(?-i:[A-E]))(?![\w'])|(?P<word>{_WORD})\b"
    rf"|(?P<number>{_NUMBER})(?P<of>\s*(?:/|out of|of)\s*5(?:\.0)?)?(?P<percent>\s*%)?"
    r"(?![\w.]\d|\d))"
)
_NAME = r"(?:intensity|level|grade|strength|degree|score)"
_AFTER = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (
        rf"(?:'s)?\s*[(\[,:=-]*\s*(?:(?:is|are|present|active|activated|visible|at|with|of|has|an?|and|the|FACS)\s+)*"
        rf"(?P<named>{_NAME})\s*(?:(?:level|score|of|is)\s*)?[:=]?\s*{_VALUE}(?:\s*[)\]])?",
        rf"\s*(?:at|with|to|in)\s+(?:an?\s+)?{_VALUE}\s+(?P<named>{_NAME})",
        rf"\s*[:=]\s*{_VALUE}(?:\s+(?P<named>{_NAME}))?",
        rf"\s*[(\[]\s*{_VALUE}(?:\s+(?P<named>{_NAME}))?\s*[)\]]",
        rf"\s+[-]\s+{_VALUE}(?=\s*(?:[,.;\n]|$))",
    )
)
_BEFORE = re.compile(
    rf"\b(?P<word>{_WORD})\s+(?:(?:amount|intensity|sign|activation|level)s?\s+)?(?:of\s+)?(?:the\s+|an?\s+)?$",
    re.IGNORECASE,
)


class Grade:
    """An intensity as it was written.

    Attributes:
        value: in [0, 5]; None where the text gives no number that says one.
        flag: True for a bare 0 or 1, which may be a grade or mean absent and present.
        doubtful: True for a number that may be a probability; sure to be one where `value` is None.
        end: where it ends in the text.
    """

    def __init__(
        self, value: float | None, end: int, *, flag: bool = False, doubtful: bool = False
    ) -> None:
        self.value = value
        self.end = end
        self.flag = flag
        self.doubtful = doubtful


def letter_value(letter: str) -> float:
    """1 to 5 of A to E."""
    return float(facs.intensity_number(letter))


def after(text: str, start: int) -> Grade | None:
    """The grade that stands at a position, right behind a unit."""
    for pattern in _AFTER:
        match = pattern.match(text, start)
        if match:
            return _read(match)
    return None


def before(text: str, end: int) -> Grade | None:
    """The grade word that stands right before a unit: `slight AU4`, `a trace of AU4`."""
    match = _BEFORE.search(text[max(0, end - 40) : end])
    return Grade(WORDS[match["word"].lower()], end) if match else None


def _read(match: re.Match[str]) -> Grade:
    if match["letter"]:
        return Grade(letter_value(match["letter"]), match.end())
    if match["word"]:
        return Grade(WORDS[match["word"].lower()], match.end())
    value = float(match["number"])
    said = bool(match["of"] or match.groupdict().get("named"))
    if match["percent"] or value > 5:
        return Grade(None, match.end(), doubtful=True)
    if said:
        return Grade(value, match.end())
    return Grade(value, match.end(), flag=value in (0, 1), doubtful=0 < value < 1)
