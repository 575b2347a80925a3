"""Checks of the words alone: length, language, refusals, and what nobody asked a face about."""

from __future__ import annotations

import re

from mien.data.checks.rules import Fault

LENGTHS: dict[str, tuple[int, int]] = {
    "category": (1, 4),
    "expression": (1, 60),
    "expression_description": (4, 150),
    "au_detection": (1, 90),
    "au_description": (3, 220),
    "reasoning": (4, 220),
    "conversation": (1, 150),
    "analysis": (2, 300),
}
"""Fewest and most words of an answer, per task."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_REFUSAL = re.compile(
    r"\bas an? (?:AI|artificial|language model|assistant)\b"
    r"|\bI(?:'m| am) (?:sorry|unable to|not able to (?:help|assist|comply|analy[sz]e|process))"
    r"|\bI (?:cannot|can't|can not|won't|will not|could not) "
    r"(?:help|assist|comply|provide|fulfil|fulfill|analy[sz]e|describe|process|view|see the image)"
    r"|\b(?:against|violates?) (?:my|our|the) (?:policy|policies|guidelines)\b",
    re.IGNORECASE,
)
_IDENTITY = re.compile(
    r"\b(?:celebrity|celebrities|actor|actress|politician|president|singer|famous|well-known)\b"
    r"|\b(?:resembles|looks like|look-alike of|appears to be|is known as|named|called)"
    r"\s+(?!(?-i:AU)\b|(?-i:I)\b)(?-i:[A-Z][a-z]+)\s+(?-i:[A-Z][a-z]+)"
    r"|\bthis is (?!(?-i:AU)\b)(?-i:[A-Z][a-z]+\s+[A-Z][a-z]+)\b"
    r"|\b(?:his|her|their|the person's) name is\b",
    re.IGNORECASE,
)
_ATTRIBUTES = re.compile(
    r"\b(?:man|men|woman|women|male|female|boy|boys|girl|girls|lady|ladies|gentleman|guy"
    r"|he|she|his|her|hers|him|himself|herself"
    r"|child|children|kid|baby|infant|toddler|teen|teenager|teenage|adolescent|adult|elderly"
    r"|senior|youthful|middle-aged|young|older|years?[- ]old|aged \d+|in (?:his|her|their) \d+s"
    r"|asian|african|caucasian|hispanic|latino|latina|european|middle eastern|ethnic|ethnicity"
    r"|(?:black|white|brown|dark|light|fair)[- ](?:skin|skinned)"
    r"|(?:black|white) (?:person|people|individual|face))\b",
    re.IGNORECASE,
)
_SMALL_WORDS = """
a an the and or of to in is are it its this that with by as at on for from not no but which be has
have show shows face says say while so they their there what who one i
"""
_COMMON = frozenset(_SMALL_WORDS.split())


def words(text: str) -> list[str]:
    """The words of a text, without numbers."""
    return _WORD.findall(text)


def check_wording(text: str, task: str, *, attributes: bool) -> list[Fault]:
    """Faults of the words of one answer, whatever its labels.

    Args:
        text: the answer.
        task: one of `tasks.TASKS`, for the length.
        attributes: whether it may speak of age, gender and descent.
    """
    faults = []
    if match := _REFUSAL.search(text):
        faults.append(Fault("refusal", f"it refuses to answer ({match[0]!r})"))
    faults += check_length(text, task)
    faults += check_language(text)
    if match := _IDENTITY.search(text):
        faults.append(
            Fault("identity", f"it says who the person is ({match[0]!r}); speak of the face alone")
        )
    if not attributes and (match := _ATTRIBUTES.search(text)):
        faults.append(
            Fault(
                "attributes",
                f"it speaks of age, gender or descent ({match[0]!r}); say 'the person' or 'they'",
            )
        )
    return faults


def check_length(text: str, task: str) -> list[Fault]:
    """Whether an answer has as many words as its task may take; `AU6` counts as one."""
    few, many = LENGTHS[task]
    count = len(text.split())
    if few <= count <= many:
        return []
    return [Fault("length", f"it has {count} words; {few} to {many} are asked for")]


def check_language(text: str) -> list[Fault]:
    """Whether a text is English, as far as its letters and small words tell.

    Other scripts are found anywhere. Texts of eight words and more must have at least one in
    twelve of the commonest English words; lists of action units have too few words to judge.
    Shorter texts in a language with Latin letters pass.
    """
    letters = [c for c in text if c.isalpha()]
    foreign = sum(not c.isascii() for c in letters)
    if foreign > 0.05 * len(letters):
        return [Fault("language", "it is not written in English letters; answer in English")]
    found = [word.lower() for word in words(text) if len(word) > 1 or word in "aI"]
    found = [word for word in found if word != "au"]
    if len(found) >= 8 and 12 * sum(word in _COMMON for word in found) < len(found):
        return [Fault("language", "it does not read as English; answer in English")]
    return []
