"""Names of columns as people write them, to the names that mien reads.

Case, spaces and signs do not matter; usual synonyms count where the column itself is missing. A
column that looks like one that mien reads, and is none, is an error: else its labels would be lost
without a word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from mien import facs

UNIT = re.compile(r"AU(?P<au>\d+)_(?P<what>[cr])")
"""A column of a unit, as `canonical` names it."""

_SYNONYMS = {
    "image": (
        *("imagename", "imagefile", "imagepath", "img", "imgpath", "picture", "photo"),
        *("file", "filename", "filepath", "path"),
    ),
    "video": ("videoname", "videofile", "videopath", "clip", "clippath"),
    "id": (),
    "subject": ("subjectid", "subjectname", "person", "personid", "participant", "participantid"),
    "split": ("subset", "partition"),
    "expression": ("emotion", "label", "class", "emotionlabel", "expressionlabel", "emotionclass"),
    "label_set": ("labelset",),
    "valence": (),
    "arousal": (),
    "dataset": (),
    "licence": ("license",),
    "x0": ("xmin",),
    "y0": ("ymin",),
    "x1": ("xmax",),
    "y1": ("ymax",),
}
NAMED = frozenset(_SYNONYMS)
"""Columns other than units that mien reads."""

_UNIT = re.compile(
    r"au[\s_.-]*0*(?P<au>\d{1,3})[\s_.-]*(?P<what>c|present|presence|occurrence|r|intensity)?",
    re.IGNORECASE,
)
_PROBABILITY = re.compile(r"au[\s_.-]*0*(?P<au>\d{1,3})_p", re.IGNORECASE)
_LIKE_UNIT = re.compile(r"au[\s_.-]*\d", re.IGNORECASE)
_SPOKEN = {
    *("image", "video", "subject", "expression", "emotion", "valence", "arousal", "participant"),
    "filename",
}
_LIKE = 0.85
_MOST = 5000


def canonical(names: Sequence[str]) -> dict[str, str]:
    """Each name of a header to the one that mien reads; other columns keep theirs.

    Raises:
        ValueError: if two columns say the same, or one looks like a known one and is none.
    """
    if len(names) > _MOST:
        raise ValueError(f"{len(names):,} columns, more than {_MOST:,}; make the table again")
    plain = {name: re.sub(r"[\s_./()-]+", "", name).lower() for name in names}
    found = {name: _unit(name) for name in names if _LIKE_UNIT.match(name)}
    for known, synonyms in _SYNONYMS.items():
        own = known.replace("_", "")
        exact = [name for name in names if plain[name] == own]
        others = [name for name in names if plain[name] in synonyms]
        for name in exact or others:
            found[name] = known
    _check_twice(names, found)
    units = {UNIT.fullmatch(new)["au"] for new in found.values() if UNIT.fullmatch(new)}  # type: ignore[index]
    for name in names:
        probability = _PROBABILITY.fullmatch(name)
        if probability is not None and str(int(probability["au"])) not in units:
            raise ValueError(
                f"column {name} holds probabilities, which are no labels; write {name[:-2]}_c, 0 or"
                " 1, beside it"
            )
        if name not in found:
            _check_like(name, plain, set(found.values()))
    return {name: found.get(name, name) for name in names}


def _unit(name: str) -> str:
    whole = _UNIT.fullmatch(name)
    if whole is None:
        if _PROBABILITY.fullmatch(name):
            return name
        raise ValueError(
            f"column {shown(name)} looks like an action unit; write AU12 or AU12_c (0 or 1), or"
            " AU12_r (0 to 5)"
        )
    au = int(whole["au"])
    if au not in facs.ACTION_UNITS:
        known = ", ".join(map(str, facs.ACTION_UNITS))
        raise ValueError(f"column {shown(name)} is no unit that mien knows ({known}); remove it")
    what = (whole["what"] or "c").lower()
    return f"AU{au}_{'r' if what in ('r', 'intensity') else 'c'}"


def _check_twice(names: Sequence[str], found: Mapping[str, str]) -> None:
    for new in sorted(set(found.values())):
        given = [name for name in names if found.get(name) == new]
        if len(given) > 1:
            listed = " and ".join(map(shown, given[:4]))
            raise ValueError(f"columns {listed} both say {new}; keep one, or rename the other")


def _check_like(name: str, plain: Mapping[str, str], there: set[str]) -> None:
    """Refuses a column that is named almost as one that mien reads and that is not there."""
    close = difflib.get_close_matches(plain[name][:40], _SPOKEN, n=1, cutoff=_LIKE)
    meant = next((k for k, words in _SYNONYMS.items() if close and close[0] in (k, *words)), None)
    if plain[name] in ("bbox", "box", "facebox", "boundingbox"):
        meant, there = "x0, y0, x1, y1", set()
    if meant is not None and meant not in there:
        raise ValueError(
            f"column {shown(name)} looks like {meant}, which the table lacks; rename it to that, "
            "or to something else if it is another thing"
        )


def shown(name: str) -> str:
    """A name of a column as it can stand in a message."""
    short = name if len(name) <= 40 else f"{name[:37]}..."
    return short if short.isprintable() else short.encode("unicode_escape").decode()
