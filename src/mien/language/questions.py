"""What a question about a face asks for, as far as its words tell."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from mien import facs
from mien.language.beyond import Topic, topic_of
from mien.language.mentions import Mention, UnreadableError, mark

Kind = Literal[
    "beyond",
    "expression",
    "check",
    "why",
    "against",
    "contrast",
    "sure",
    "units",
    "unit",
    "strength",
    "meaning",
    "region",
    "overview",
    "help",
    "unclear",
]


@dataclass(frozen=True)
class Question:
    """A question after reading.

    Attributes:
        kind: what it asks for; "contrast" is why it is not another expression, "unclear" where
            that is not known.
        topic: what no face can tell, for the kind "beyond".
        expressions: canonical names of the expressions in it, in order.
        units: FACS numbers of the units in it, in order.
        regions: parts of the face in it.
        yes_no: whether "yes" or "no" may begin its answer, and say the thing as it is asked.
    """

    kind: Kind
    topic: Topic | None = None
    expressions: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    regions: tuple[facs.Region, ...] = field(default=())
    yes_no: bool = False


_REGIONS: dict[str, tuple[facs.Region, ...]] = {
    r"(?:eye)?brows?|forehead": ("brows",),
    r"eyes?|eyelids?|lids?": ("eyes",),
    r"nose|nostrils?": ("nose",),
    r"cheeks?": ("cheeks",),
    r"mouth|lips?|lip\s+corners?|mouth\s+corners?|teeth": ("mouth", "jaw"),
    r"jaw|chin": ("jaw",),
    r"upper\s+(?:half|part|face)(?:\s+of\s+the\s+face)?": ("brows", "eyes"),
    r"lower\s+(?:half|part|face)(?:\s+of\s+the\s+face)?": ("mouth", "jaw"),
}
# what people call a unit without its name
_LOOKS: tuple[tuple[str, tuple[int, ...]], ...] = (
    (r"\bsmil(?:e[sd]?|ing)\b|\bgrin\w*\b|\blaugh\w*\b", (12,)),
    (r"\bfrown\w*\b|\bscowl\w*\b", (4,)),
    (r"\bblink\w*\b", (45,)),
    (r"\bpout\w*\b|\bpurs(?:ed?|ing)\b|\bkiss\w*\b", (18,)),
    (
        r"\beyes?\b.{0,20}\b(?:closed|shut)\b|\b(?:closed|shut)\s+(?:his|her|their|the)\s+eyes\b",
        (43,),
    ),
    (r"\b(?:eye)?brows?\b.{0,20}\b(?:raised|up|lifted)\b|\braised?\s+(?:eye)?brows?\b", (1, 2)),
    (r"\b(?:eye)?brows?\b.{0,20}\b(?:lowered|down|together|furrowed)\b|\bfurrowed\b", (4,)),
    (r"\b(?:nose)\b.{0,20}\bwrinkle[ds]?\b|\bwrinkled\s+nose\b", (9,)),
    (r"\bmouth\b.{0,20}\bopen\b|\bopen\s+mouth\b|\blips?\b.{0,20}\bparted\b", (25,)),
    (r"\bjaw\b.{0,20}\b(?:dropped|open|down)\b", (26,)),
    (r"\bcheeks?\b.{0,20}\braised\b", (6,)),
    (r"\blips?\b.{0,20}\bpressed\b", (24,)),
)
_KINDS: tuple[tuple[Kind, str], ...] = (
    (
        "help",
        r"^\W*(?:help|hi|hello|hey|thanks|thank\s+you|ok(?:ay)?|bye|good\s*bye)\b[\s\w]{0,12}\W*$|\bwhat\s+(?:can|could|should|may)\s+(?:you|i)\s+(?:do|ask|answer)\b",
    ),
    (
        "against",
        r"\bagainst\b|\bcontradict\w*\b|\bdoubts?\b|\b(?:not|n't)\s+fit\b|\bdisagree\w*\b"
        r"|\bcounter\w*\b",
    ),
    (
        "sure",
        r"\bhow\s+(?:\w+ly\s+)?(?:sure|certain|confident|likely|probable|reliable)\b"
        r"|\b(?:are|is)\s+(?:you|it|that|this)\s+(?:\w+\s+)?(?:sure|certain|confident|right|correct)\b"
        r"|\bsure\s*\?|\bprobabilit\w+\b|\bconfiden\w+\b|\bper\s?cent\w*\b|\bscores?\b|%"
        r"|\b(?:second|next)\s+(?:best|most|likel\w+|guess|choice)\b|\balternatives?\b"
        r"|\bwhat\s+else\s+(?:could|might|may|can)\b|\bruns?(?:ner)?[- ]up\b",
    ),
    (
        "why",
        r"\bwhy\b|\bwhat\s+(?:makes|made)\b|\b(?:which|what)\s+signs?\b|\bevidence\b|\bexplain\b"
        r"|\breason\w*\b|\bhow\s+(?:do|did|can|could)\s+(?:you|one)\s+(?:know|tell|see|say)\b"
        r"|\bspeaks?\s+for\b|\bhow\s+come\b|\bbased\s+on\b|\bjustif\w+\b|\bhow\s+so\b",
    ),
    (
        "strength",
        r"\bhow\s+(?:strong|strongly|intense|much|wide|far|big|pronounced|marked)\b|\bintensit\w+\b"
        r"|\bstrength\w*\b|\bstrongest\b|\bweakest\b|\blevel\b|\bgrades?\b",
    ),
)
_MEANING = re.compile(
    r"\b(?:what|which\s+muscles?)\s+(?:is|are|does|do|makes?)\s+(?:meant\s+by\s+)?(?:an?\s+|the\s+)?"
    r"<\d+>\s*(?:mean|stand\s+for|do)?\s*\W*$|\bdefine\b|\bmeaning\s+of\b|\bmean(?:s|t)?\b",
    re.IGNORECASE,
)
_LATER: tuple[tuple[Kind, str], ...] = (
    ("units", r"\baction\s+units?\b|\bAUs?\b|\bFACS\b|\bmuscles?\b|\bmov(?:es?|ing|ements?)\b"),
    (
        "expression",
        r"\bexpress\w*\b|\bemotion\w*\b|\bfeel\w*\b|\blooks?\s+like\b|\bmood\b|\blabel\b"
        r"|\bhow\s+(?:does|do|is|are)\b.*\b(?:look|seem|appear|doing)\b|\bhow\s+(?:is|are)\s+(?:he|she|they)\b"
        r"|\bsentiment\b|\bwhat\s+is\s+(?:it|this|that)\s*\W*$",
    ),
    (
        "overview",
        r"\bdescri\w+\b|\btells?\s+(?:you|me|us)\b|\bwhat\s+(?:do|can|did|could|would)\s+you\s+(?:see|say|tell|notice|read"
        r"|think|make)\b|\banaly[sz]\w*\b|\bsummar\w+\b|\boverview\b|\blook\s+at\b|\bthoughts\s*\?"
        r"|\b(?:and|any(?:thing)?)\s+(?:else|more)\b|\bmore\s+details?\b|\bgo\s+on\b",
    ),
)
_YES_NO = re.compile(
    r"^\W*(?:(?:and|but|so|ok|okay|well|hm+|then)\b[\s,]*)*(?:is|are|was|were|does|do|did|can|could|would"
    r"|will|has|have|might|may|should|isn't|aren't|doesn't|don't|wouldn't|couldn't)\b"
    r"|\b(?:right|correct|no|yes|or\s+not|isn't\s+(?:it|he|she)|true)\s*\?*\s*$",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|n't|\w+n't|no|never|without|absent|missing|neither|nor)\b", re.I)


def read_question(text: str) -> Question:
    """What a question asks for.

    What no face can tell comes first: a question that asks for more than one thing is declined if
    one of them is such.
    """
    topic = topic_of(text)
    if topic is not None:
        return Question("beyond", topic)
    try:
        marked, mentions = mark(text)
    except UnreadableError:
        return Question("unclear")
    expressions = _names(mentions)
    named = (m.unit for m in mentions if m.unit is not None and m.unit in facs.ACTION_UNITS)
    units = tuple(dict.fromkeys(named))
    if not units:
        found = (u for p, several in _LOOKS if re.search(p, marked, re.I) for u in several)
        units = tuple(dict.fromkeys(found))
    regions = tuple(
        dict.fromkeys(
            region
            for pattern, several in _REGIONS.items()
            if re.search(rf"\b(?:{pattern})\b", marked, re.IGNORECASE)
            for region in several
        )
    )
    asks = bool(_YES_NO.search(marked))
    return Question(
        _kind(marked, expressions, units, regions, asks=asks),
        None,
        expressions,
        units,
        regions,
        yes_no=asks and not _DENIED.search(marked) and len(expressions) + len(units) == 1,
    )


def _kind(
    marked: str,
    expressions: tuple[str, ...],
    units: tuple[int, ...],
    regions: tuple[facs.Region, ...],
    *,
    asks: bool,
) -> Kind:
    for kind, pattern in _KINDS:
        if re.search(pattern, marked, re.IGNORECASE):
            denied = kind == "against" or (kind == "why" and _DENIED.search(marked))
            return "contrast" if denied and expressions else kind
    if units and _MEANING.search(marked):
        return "meaning"
    bare = len(re.sub(r"[<{]\d+[>}]|\b(?:or|and|an?|the|what|about|not)\b|\W", "", marked)) < 4
    if units and not regions:
        return "unit"
    if units and (asks or bare):
        return "unit"
    if expressions and (asks or bare):
        return "check"
    if regions:
        return "region"
    for kind, pattern in _LATER:
        if re.search(pattern, marked, re.IGNORECASE):
            return kind
    return "check" if expressions else "unclear"


def _names(mentions: list[Mention]) -> tuple[str, ...]:
    names = (m.expression for m in mentions if m.expression not in (None, "other"))
    return tuple(dict.fromkeys(str(name) for name in names))
