"""That there are no action units at all, in any words that name them."""

from __future__ import annotations

import re

_NOUN = (
    r"(?:facial\s+)?(?:action\s+units?(?:\s*\(\s*AUs?\s*\))?|AUs?\b|facial\s+actions?\b"
    r"|FACS\s+(?:units?|codes?))"
)
_HOW = (
    r"(?:(?:\w+ly|visible|active|activated|detectable|detected|observable|significant|specific|clear"
    r"|obvious|particular|noticeable|present|prominent|discernible|distinct|strong|listed|given|of|the"
    r"|facial|such|other|relevant|marked|apparent|evident)\s+){0,4}"
)
_SEEN = (
    r"(?:present|visible|active|activated|detected|detectable|seen|observed|observable|evident|shown"
    r"|engaged|apparent|noticeable|noticed|found|identified|triggered|displayed|there|discernible)"
)
_ADVERB = r"(?:(?:\w+ly|currently|being|all)\s+)*"
_PREDICATE = (
    rf"(?:\s+(?:(?:is|are|was|were|can\s+be|could\s+be|have\s+been|seem|appear|to\s+be)\s+)*{_ADVERB}"
    rf"{_SEEN})?"
)
_END = (
    r"(?:\s+(?:(?:in|on|for|from|by)\s+(?:this|the|that)\s+(?:(?:person|man|woman|subject|individual)'s\s+|given\s+|provided\s+|shown\s+)?(?:face|image|picture|photo"
    r"|person|subject|individual|photograph|frame|man|woman)|here|at\s+all|at\s+this\s+time|currently"
    r"|that\s+i\s+can\s+see|to\s+(?:report|list|note)))*\s*(?=[.,;!)\]\n]|$)"
)
_VERBS = (
    r"(?:see|observe|detect|find|notice|spot|show|display|exhibit|have|contain|present|be|are|is)"
)
_NOT = (
    rf"(?:\b(?:no|zero)|\bwithout(?:\s+any)?|\bdevoid\s+of(?:\s+any)?|\babsence\s+of(?:\s+any)?"
    rf"|(?:\bnot|n't|\bcannot|\bnever)\s+(?:\w+ly\s+)?(?:{_VERBS}\s+)?any(?:\s+of\s+the)?)"
)
_GONE = rf"(?:absent|inactive|relaxed|(?:not|n't)\s+{_ADVERB}{_SEEN}|off)"
_NONE = r"(?:none|nil|nothing|zero|\[\s*\]|\(\s*\)|empty)"
_SAYS = re.compile(
    rf"{_NOT}\s+{_HOW}{_NOUN}{_PREDICATE}{_END}"
    rf"|\bnone\s+of\s+(?:the|these|those|its|their)\s+{_HOW}(?:{_NOUN}|units?){_PREDICATE}{_END}"
    rf"|\b(?:all|every|each)\s+(?:of\s+)?(?:the\s+)?(?:listed\s+)?{_NOUN}\s+(?:is|are|were|remain|appear)\s+"
    rf"{_ADVERB}{_GONE}{_END}"
    rf"|\bthe\s+{_NOUN}\s+(?:are|were)\s+(?:all\s+)?{_GONE}{_END}"
    rf"|{_NOUN}(?:\s+(?:that\s+)?(?:are\s+|is\s+)?{_SEEN})?\s*[\"']*(?::|=|-|\bare\b|\bis\b)\s*[\"']*{_NONE}"
    rf"(?:\s+(?:are\s+|is\s+)?{_SEEN})?[\"']*{_END}",
    re.IGNORECASE,
)
_IF = re.compile(r"\b(?:if|when|whether|unless|in\s+case)\b[^.\n]{0,40}$", re.IGNORECASE)
_BUT = (
    r"(?:\s*,?\s*(?:other\s+than|except(?:\s+for)?|besides|apart\s+from|aside\s+from|excluding)|\s*but)"
    r"\s+(?:for\s+)?(?:the\s+)?"
)
_UNIT = r"(?=(?:action\s+units?|AUs?)\s*\d)"
_NONE_BUT = re.compile(
    rf"\b(?:no|not\s+any|none(?:\s+of\s+the)?)\s+(?:{_HOW}{_NOUN})?{_PREDICATE}{_BUT}{_UNIT}"
    rf"|\b(?:all|every)\s+(?:of\s+)?(?:the\s+)?{_NOUN}\s+(?:is|are|were|remain)\s+{_ADVERB}{_GONE}{_BUT}{_UNIT}",
    re.IGNORECASE,
)
_ALL_BUT = re.compile(
    rf"\b(?:all|every)\s+(?:of\s+)?(?:the\s+)?{_NOUN}{_BUT}{_UNIT}([^.;\n]{{1,80}}?)\s+(?:is|are|were|remain)\s+"
    rf"{_ADVERB}{_GONE}",
    re.IGNORECASE,
)
_NO_FACE = re.compile(
    r"\bno\s+(?:\w+\s+){0,2}?(?:faces?|person|people|humans?)\b(?!\s+(?:shows?|movements?|actions?))"
    r"|\bfaces?\s+(?:is|are)\s+(?:\w+ly\s+)?(?:not|hidden|covered|occluded|obscured|blurr\w+|cut|turned"
    r"|out\s+of)\b",
    re.IGNORECASE,
)


def others_absent(text: str) -> str:
    """Turns "no action units other than" and its like into a sentence that denies the others."""
    text = _ALL_BUT.sub(r"All other AUs are absent. \1 are present", text)
    return _NONE_BUT.sub("All other AUs are absent. ", text)


def no_units(text: str) -> bool:
    """Whether a text says that no unit is there at all; of some part of the face is not enough."""
    if _NO_FACE.search(text):
        return False  # whoever sees no face says nothing about it
    return any(
        not _IF.search(text[max(0, m.start() - 60) : m.start()]) for m in _SAYS.finditer(text)
    )
