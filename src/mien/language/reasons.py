"""Whether the words about a face are true to its labels, whoever wrote them.

`parse` reads which units a text names; this module reads what the text makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

from mien import facs
from mien.language import scope
from mien.language.mentions import UnreadableError, mark
from mien.language.words import load

NOTHING_MOVES = "the words say that nothing moves"
"""The remark on a text that calls a face still although units are present."""

Claim = Literal["support", "partial", "against"]

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_AGAINST = re.compile(
    r"\b(?:against|less|contradicts?|clash(?:es)?|at odds|atypical)\b", re.IGNORECASE
)
_PART = re.compile(r"\b(?:part|partly|partially)\b", re.IGNORECASE)
_REGION = r"(?:(?:eye)?brows?|eyes|(?:eye)?lids?|nose|cheeks?|mouth|lips?|chin|jaw|forehead)"
_WHOLE = (
    r"(?:(?:the|this|entire|whole|all(?: the)?) (?:whole |entire )?(?:face|features)"
    r"|(?:face|features) as a whole|(?:facial|face|expression) muscles|muscles(?: of the face)?"
    rf"|{_REGION},(?: the)? {_REGION},?(?: and| or)(?: the)? {_REGION})"
)
_AT_REST = (
    r"(?:at rest|relaxed|resting|motionless|immobile|unmoved|quiet|slack|loose"
    r"|in (?:its|a) resting state|in repose|still(?=\s*(?:[.,;:]|and\b|$)))"
)
_STILL = re.compile(
    rf"\b{_WHOLE} (?:\w+ly )?(?:is|are|seems?|looks?|appears?|stays?|remains?|holds?|lies?)"
    rf"(?: to be)? (?:(?:\w+ly|all|quite|calm|almost|loose|slack|quiet|still|and) )*{_AT_REST}"
    r"|\b(?:the|this|whole|entire) (?:face|features) (?:shows? (?:only |very )?)?"
    r"(?:hardly|barely|scarcely) (?:moves?|any movement)"
    r"|\b(?:nothing|hardly anything|barely anything|scarcely anything|no muscle)"
    r"(?: (?:in|of) (?:the|this) face)? moves"
    r"|\b(?:little|no|(?:hardly|barely|scarcely) any)"
    r" (?:visible |clear |facial |muscle |noticeable )*(?:movements?|motion)\b"
    rf"(?! (?:of|in|at|around|about|near) (?:the |both )?(?:\w+ )?{_REGION})",
    re.IGNORECASE,
)
_PART_OF_FACE = re.compile(
    r"\b(?:rest|half|part|side|area|third|remainder|region)s?(?: \w+)? of (?:the|this) face\b"
    r"|\b(?:upper|lower|left|right) (?:face|features)\b",
    re.IGNORECASE,
)
_FOR_IT = re.compile(
    r"\b(?:(?:speaks?|points?) (?:for|to)|sa(?:y|ys) so|because of|typical|signs? of)\b",
    re.IGNORECASE,
)


def check_reasons(text: str, expression: str | None, present: Iterable[int]) -> list[str]:
    """What a text says about a face that its labels do not bear out.

    A sentence that names units and the expression claims that they speak for it, unless it says
    that they speak against it; whether they do is for `facs.supporting_units` and
    `facs.units_against`. A unit is named by its number, its name or a wording of `describe`.

    Args:
        text: an answer, with or without its label line.
        expression: any word that names the expression; None where unknown, and then only absent
            units are faults.
        present: the units that are present.

    Returns:
        One remark per fault, for example "AU4 is absent"; empty where all is true.

    Raises:
        ValueError: if `expression` names no expression that mien knows.
    """
    there = frozenset(present)
    faults: dict[str, None] = {}  # in order, each once
    if there and says_still(text):
        faults[NOTHING_MOVES] = None
    name = facs.canonical_expression(expression) if expression is not None else None
    for sentence in _SENTENCE.split(text):
        try:
            marked, units, expressions = _named(sentence)
        except UnreadableError as error:
            faults[str(error)] = None
            continue
        wrong = [f"AU{unit} is absent" for unit in sorted(units - there)]
        if name is not None:
            if name != "other":  # "the other eye" names no expression
                expressions -= {"other"}
            wrong += [f"the words say {e}, not {name}" for e in sorted(expressions - {name})]
            claim = claim_of(marked, names_expression=bool(expressions))
            wrong += _untrue(claim, name, units & there, there)
        faults.update(dict.fromkeys(wrong))
    return list(faults)


def says_still(text: str) -> bool:
    """Whether a text says of a face as a whole that nothing in it moves, or hardly anything.

    What it says of a part, such as the brows or the rest of the face, does not count.
    """
    for sentence in _SENTENCE.split(text):
        plain = _PART_OF_FACE.sub("nose", sentence)  # any part counts as a region
        found = _STILL.search(plain)
        if found and not re.search(rf"\b{_REGION}\b", plain[: found.start()], re.IGNORECASE):
            return True
    return False


def claim_of(sentence: str, *, names_expression: bool) -> Claim | None:
    """What a sentence makes of the units in it; None where it only says that they show.

    Args:
        sentence: one sentence.
        names_expression: whether it names one.
    """
    if _AGAINST.search(sentence):
        return "against"
    if names_expression or _FOR_IT.search(sentence):
        return "partial" if _PART.search(sentence) else "support"
    return None


def _untrue(
    claim: Claim | None, name: str, units: frozenset[int], there: frozenset[int]
) -> list[str]:
    if claim is None or not units:
        return []
    if claim == "against":
        wrong = units - facs.units_against(name)
        return [f"AU{unit} is no sign against {name}" for unit in sorted(wrong)]
    support = facs.supporting_units(name, there)
    if wrong := units - support.units:
        return [f"AU{unit} does not speak for {name}" for unit in sorted(wrong)]
    if claim == "support" and not support.complete:
        return [f"AU{unit} speaks for {name} only in part" for unit in sorted(units)]
    return []


def _named(sentence: str) -> tuple[str, frozenset[int], frozenset[str]]:
    """A sentence with its names marked, and the units and expressions that it affirms."""
    marked, mentions = mark(sentence)
    affirmed = [mentions[index] for index, yes in scope.judge(marked) if yes]
    units = {m.unit for m in affirmed if m.unit is not None}
    adverbs, wordings, owners = _wordings()
    units |= {owners[m.lower()] for m in wordings.findall(adverbs.sub("", sentence))}
    expressions = frozenset(m.expression for m in affirmed if m.expression is not None)
    return marked, frozenset(units), expressions


@cache
def _wordings() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, int]]:
    """What `describe` calls the units: adverbs to leave out, wordings, and the unit of each.

    A model may put these words beside the number of another unit.
    """
    phrases = load("phrases.json")
    owners = {
        wording.replace("{}", "").lower(): int(unit)
        for unit, entry in phrases["units"].items()
        for wording in (*entry["plural"], *entry["singular"], *entry["clause"])
    }
    adverbs = "|".join(a.strip() for several in phrases["adverbs"].values() for a in several)
    # the longest first: "the stretched mouth corners" are not "the stretched mouth"
    wordings = "|".join(map(re.escape, sorted(owners, key=len, reverse=True)))
    return (
        re.compile(rf"\b(?:{adverbs}) ", re.IGNORECASE),
        re.compile(rf"\b(?:{wordings})\b", re.IGNORECASE),
        owners,
    )
