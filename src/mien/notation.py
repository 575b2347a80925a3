"""How results are written in a few characters, the same in tables, overlays and reports.

Units follow FACS: number, then intensity letter ("12D"); a one-sided unit has L or R before it
("L14B").
"""

from __future__ import annotations

from collections.abc import Iterable

from mien import facs
from mien.schema import ActionUnit, Analysis, Expression

UNKNOWN = "-"

_SIDES = {"both": "", "left": "L", "right": "R"}

STATUS_WORDS = {
    "ok": "ok",
    "no_face": "no face found",
    "unreadable": "could not be read",
    "unparsed": "answer not understood",
    "failed": "no answer",
}


def percent(value: float | None) -> str:
    """A probability in [0, 1] as whole per cent; "-" where unknown."""
    return UNKNOWN if value is None else f"{100 * value:.0f} %"


def unit_tag(unit: ActionUnit) -> str:
    """FACS notation of one unit, for example "12D"; no letter where the intensity is unknown."""
    letter = facs.intensity_letter(unit.intensity) if unit.intensity is not None else None
    return f"{_SIDES[unit.side]}{unit.au}{letter or ''}"


def present_units(row: Analysis) -> tuple[ActionUnit, ...]:
    """The units that are marked present, by FACS number."""
    present = (u for u in row.action_units or () if u.present)
    return tuple(sorted(present, key=lambda u: (u.au, u.side)))


def strongest(units: Iterable[ActionUnit], count: int) -> tuple[ActionUnit, ...]:
    """The `count` most intense units, then the most probable ones, by FACS number."""

    def strength(unit: ActionUnit) -> tuple[float, float]:
        return (unit.intensity or 0.0, unit.probability or 0.0)

    best = sorted(units, key=strength, reverse=True)[:count]
    return tuple(sorted(best, key=lambda u: (u.au, u.side)))


def label_score(expression: Expression | None) -> float | None:
    """Score of the label itself; None where the model gave no scores."""
    if expression is None or expression.label is None or expression.scores is None:
        return None
    return expression.scores[expression.label]


def expression_words(row: Analysis) -> str:
    """For example "happiness 95 %", "happiness" where there is no score, "-" where unknown."""
    if row.expression is None or row.expression.label is None:
        return UNKNOWN
    score = label_score(row.expression)
    return row.expression.label if score is None else f"{row.expression.label} {percent(score)}"


def face_number(row: Analysis, index: int) -> int:
    """The number by which a row's face is known: the one in the data, so that all outputs agree.

    For tracks and clips that is the number of the track.
    """
    if row.kind != "face" and row.track is not None:
        return row.track
    return row.face if row.face is not None else index


def moment(row: Analysis) -> str:
    """Where in a video a row stands, for example "frame 120, 4.00 s"; empty for a picture."""
    if row.kind != "face":
        return f"{row.start:.2f} to {row.end:.2f} s"
    parts = [f"frame {row.frame}"] if row.frame else []
    if row.time:
        parts.append(f"{row.time:.2f} s")
    return ", ".join(parts)


def printable(text: str) -> str:
    """The text with undecodable bytes of file names (lone surrogates) written out as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
