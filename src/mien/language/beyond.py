"""What no face can tell: questions for it, and answers that claim it all the same.

Conservative on purpose: a question too many that is declined costs less than a guess about a
person. The texts of the answers stand in `dialogue.json`.
"""

from __future__ import annotations

import contextlib
import random
import re
from typing import Literal, get_args

from mien.language import scope
from mien.language.mentions import UnreadableError, mark
from mien.language.words import load, pick

Topic = Literal[
    "identity",
    "age",
    "gender",
    "descent",
    "health",
    "honesty",
    "character",
    "felt",
    "thought",
    "cause",
    "events",
]
TOPICS: tuple[Topic, ...] = get_args(Topic)

_WHO = (
    r"(?:he|she|they|it|him|her|them|someone|(?:this|that|the|these|those|our|my)"
    r"(?:\s+\w+)?\s+(?:one|person|people|man|men|woman|women|boy|girl|guy|lady|child|kid|baby"
    r"|individual|human|subject|character|model|face))"
)
_NOT_READING = r"(?!.{0,40}\b(?:you|labell?ed|classified|called|read(?:ing)?|model)\b)"
_QUESTIONS: tuple[tuple[Topic, str], ...] = (
    (
        "identity",
        r"\bwho\b(?!\s+(?:made|trained|built|wrote)\b)|\bwho(?:'s|se)\b|\bidentif(?:y|ied)\b"
        r"|\bidentity\b|\bnames?\s+(?:of\s+)?" + _WHO + r"\b|\bnamed\b|\bthe\s+names?\b"
        r"|\b(?:his|her|their|person's|man's|woman's)\s+(?:first\s+|last\s+|full\s+)?names?\b"
        r"|\b(?:do|did|can|could|would)\s+you\s+(?:know|recogni[sz]e)\s+" + _WHO + r"\b"
        r"|\brecogni[sz]e\b|\b(?:celebrity|famous|well[- ]known|actor|actress|politician)\b"
        r"|\bis\s+(?:this|that|it|he|she)\s+(?-i:[A-Z][\w.'-]+)(?:\s+(?-i:[A-Z][\w'-]+)|\W*$)"
        r"|\b(?:my|your|his|her)\s+(?:friend|boss|brother|sister|mother|father|wife|husband|son"
        r"|daughter|colleague|neighbou?r)\b",
    ),
    (
        "age",
        r"\bhow\s+old\b|\bage[ds]?\b|\byears?\s+old\b|\bold(?:er)?\b(?!\s+(?:label|reading|answer))"
        r"|\byoung(?:er)?\b|\byouth\w*\b|\belderly\b|\bteen\w*\b|\bminor\b|\badults?\b|\bborn\b"
        r"|\bbirth\w*\b|\bchild\b.*\bor\b|\bmiddle[- ]aged\b"
        r"|\b(?:in|are)\s+(?:his|her|their)\s+\w+ies\b",
    ),
    (
        "gender",
        r"\bgender\w*\b|\bsex\b|\b(?:fe)?male\b|\btransgender\b|\bpronouns?\b|\bnon-?binary\b"
        r"|\b(?:man|boy|guy|he|lady|woman|girl|she)\s+or\s+(?:an?\s+|the\s+)?"
        r"(?:man|boy|guy|he|lady|woman|girl|she)\b"
        r"|\bis\s+(?:this|that|it|the\s+(?:face|person))\s+(?:really\s+)?(?:an?|the\s+face\s+of\s+an?)"
        r"\s+(?:\w+\s+)?(?:man|woman|boy|girl|guy|lady)\b",
    ),
    (
        "descent",
        r"\brac(?:e|ial\w*)\b|\bethnic\w*\b|\bnational(?:ity)?\b|\bdescent\b|\bancestry\b"
        r"|\bheritage\b|\bcountry\b|\bimmigrant\b|\bforeign\w*\b|\bskin\s+colou?r\b|\bcaucasian\b"
        r"|\b(?:asian|african|european|american|hispanic|latin[oax]|arab\w*|indian|chinese|jew\w*"
        r"|muslim|christian|hindu|religio\w+|white|black)\b|\bwhere\b.*\bfrom\b",
    ),
    (
        "health",
        r"\bill(?:ness)?\b|\bsick\w*\b|\bdisease\w*\b|\bhealth\w*\b|\bdepress(?:ed|ion)\b"
        r"|\bdisorders?\b|\bautis\w+\b|\badhd\b|\bpain\w*\b|\bhurt\w*\b|\bdrunk\b|\bintoxicated\b"
        r"|\bdrugs?\b|\btired\w*\b|\bexhaust\w*\b|\bsleepy\b|\bdisab\w+\b|\bdiagnos\w*\b|\bmental\w*\b"
        r"|\bpregnan\w*\b|\bstroke\b|\bpalsy\b|\bparkinson\w*\b|\bmedic\w+\b|\bsymptoms?\b"
        r"|\bptsd\b|\btrauma\w*\b|\bsuicid\w*\b|\bdementia\b",
    ),
    (
        "honesty",
        r"\blying\b|\bliar\b|\blies?\b|\b(?:dis)?honest\w*\b|\btruth\w*\b|\btrust\w*\b"
        r"|\bdecei\w+\b|\bdecept\w+\b|\bguilt\w*\b|\binnocen\w+\b|\bcriminals?\b|\bcrimes?\b"
        r"|\bhiding\b|\bsuspicious\b",
    ),
    (
        "character",
        r"\bintelligen\w+\b|\bsmart\b|\bclever\b|\biq\b|\bstupid\b|\bdumb\b|\bpersonalit\w+\b"
        r"|\bcharacter\b|\b(?:nice|good|bad|kind|evil|mean)\s+(?:person|man|woman|guy|human)\b"
        r"|\bdangerous\b|\baggressive\b|\bviolent\b|\battractive\b|\bbeaut\w+\b|\bugly\b"
        r"|\bhandsome\b|\bpretty\b(?!\s+(?:\w+ly|sure|much))|\bsexy\b|\bgay\b|\bstraight\b(?=\s+or\b)"
        r"|\blesbian\b|\bsexual\w*\b|\bpolitic\w+\b|\bvotes?\b|\brich\b|\bpoor\b|\bjob\b"
        r"|\boccupation\b|\bprofession\b|\bmarried\b|\beducat\w+\b|\b(?:lazy|introvert\w*|extrovert\w*)\b"
        r"|\b(?:hire|employ|promote|arrest)\b|\bcompetent\b",
    ),
    (
        "felt",
        r"\breal(?:ly)?\b|\bgenuine\w*\b|\bfak(?:e|ed|ing)\b|\bpos(?:ed|ing)\b|\bacting\b"
        r"|\bpretend\w*\b|\bsincere\w*\b|\b(?:in)?authentic\b|\btruly\b|\bactually\s+feel\w*\b"
        r"|\bforced\b|\bduchenne\b|\binside\b|\bdeep\s+down\b",
    ),
    (
        "thought",
        r"\b(?:is|are|does|do|might|could|would|may|was|were)\s+"
        + _WHO
        + r"\s+(?:be\s+)?think\w*\b"
        r"|\b" + _WHO + r"\s+(?:is\s+|are\s+)?(?:thinking|thinks?|thought)\b|\bin\s+mind\b"
        r"|\b(?:his|her|their)\s+(?:mind|thoughts|opinion|intentions?)\b|\bthoughts\b|\bintend\w*\b"
        r"|\bintentions?\b|\bwants?\b(?!\s+(?:you|to\s+(?:know|see|ask)))|\bplann?(?:s|ing)\b"
        r"|\blikes?\s+(?:me|him|her|them)\b|\bin\s+love\b",
    ),
    (
        "cause",
        r"\bwhy\s+(?:is|are|was|were|does|do|did|has|have|would|might|must)n?'?t?\s+(?!it\s+(?:not\s+)?(?:an?\s+)?\{)"
        + _WHO
        + r"\b"
        r"(?!\s+(?:look|seem|appear|labell?ed|classified|called|read))"
        + _NOT_READING
        + r"|\bwhat(?:'s|\s+has|\s+is)?"
        r"\s+(?:made|makes|making|caused|causes|causing|triggered|triggers|upset\w*|annoy\w*)\b"
        r"(?!\s+(?:you|it\s+(?:an?\s+)?\{|this\s+(?:an?\s+)?\{))"
        r"|\b(?:causes?|caused|triggered)\b|\breasons?\s+(?:for|behind|of)\s+(?:his|her|their|the\s+"
        r"(?:feeling|mood|emotion|smile|tears))\b|\b(?:at|about|with)\s+(?:what|whom?)\b"
        r"|\bwhat\b.*\b(?:\{\d+\}|smiling|laughing|crying|worried|upset|excited)\s+(?:about|at|for|by|of)\b",
    ),
    (
        "events",
        r"\bwhat\s+(?:has\s+|had\s+|is\s+|just\s+|will\s+)*(?:happen\w*|occurr?\w*|going\s+on)\b"
        r"|\bwhat\s+(?:did|will|should|would)\s+"
        + _WHO
        + r"\b|\bgoing\s+to\s+(?:do|say|cry|laugh)\b"
        r"|\blooking\s+at\b|\bwhere\s+(?:is|are|was|were)\s+" + _WHO + r"\b|\bwhen\s+was\b"
        r"|\b(?:say|saying|said|talking|speaking)\b(?<!you say)(?=\s*(?:\?|$|about|to\b))",
    ),
)
_PATTERNS = tuple((topic, re.compile(p, re.IGNORECASE | re.DOTALL)) for topic, p in _QUESTIONS)

_CLAIMS = re.compile(
    r"\bbecause\s+(?:he|she|they|someone|somebody|something|(?:the|this)\s+(?:person|man|woman))\b"
    r"|\b(?:because\s+of|due\s+to|after|in\s+(?:response|reaction)\s+to|caused\s+by|triggered\s+by)\s+"
    r"(?![^.;]*(?:<\d|\b(?:brow|eye|lip|mouth|chin|jaw|nose|cheek|lid|teeth|smil|frown|movement)))"
    r"(?:an?|some|the|this|hearing|seeing|losing|winning|receiving|good|bad|recent)\s+\w+"
    r"|\b(?:ha(?:s|ve)|had)\s+(?:just|recently|probably)\s+\w+|\bjust\s+(?:received|heard|lost|won|saw|got)\b"
    r"|\b(?:is|are|seems?|appears?|looks?|feels?|be|may\s+be|probably)\s+(?:to\s+be\s+|in\s+)?(?:\w+ly\s+)?"
    r"(?:ill|sick|depressed|diseased|autistic|pain|drunk|intoxicated|unwell|healthy|mentally"
    r"|lying|dishonest|honest|deceptive|deceitful|truthful|trustworthy|guilty|innocent"
    r"|intelligent|smart|clever|stupid|kind|dangerous|aggressive|attractive|beautiful|ugly|handsome)\b"
    r"|\b(?:is|are)\s+(?:probably\s+)?(?:thinking|planning|hiding|intending|pretending)\b"
    r"|\b(?:genuine|fake|posed|sincere|insincere)\b|\b(?:suffer\w*|diagnos\w*)\b",
    re.IGNORECASE,
)
_UNABLE = re.compile(
    r"\b(?:cannot|can't|can\s+not|could\s+not|couldn't|unable|impossible|not\s+possible|do(?:es)?\s+not"
    r"|don't|doesn't|no\s+way|whether|unknown|nothing|never|not\s+known)\b",
    re.IGNORECASE,
)


def topic_of(question: str) -> Topic | None:
    """What a question asks for that no face can tell; None where a face may tell it.

    Names of units and expressions are set aside first, as "lip corner depressor" is no illness.
    """
    with contextlib.suppress(UnreadableError):
        question, _ = mark(question)
    return next((topic for topic, pattern in _PATTERNS if pattern.search(question)), None)


def answer_to(topic: Topic, rng: random.Random) -> str:
    """A text that says so."""
    file = load("dialogue.json")
    trained = {entry["topic"]: entry["answers"] for entry in file["unknowable"]}
    return pick(rng, trained.get(topic) or file["beyond"][topic])


def untellable(text: str) -> str | None:
    """The first words of an answer that claim what no face can tell; None where none does.

    Causes, health, honesty, character, thoughts and what is truly felt. A clause that says that it
    cannot be told claims nothing.
    """
    with contextlib.suppress(UnreadableError):
        text, _ = mark(text)
    for clause in scope.clauses(text):
        if not _UNABLE.search(clause) and (found := _CLAIMS.search(clause)):
            return found[0]
    return None
