"""What the report says of one face, as plain values for its template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mien import facs
from mien.draw import colour_of
from mien.notation import STATUS_WORDS, UNKNOWN, expression_words, face_number, percent
from mien.page import Picture
from mien.schema import ActionUnit, Analysis, Expression


def face_card(row: Analysis, index: int, *, picture: Picture | None = None) -> dict[str, Any]:
    """Everything that is known of one face.

    Args:
        row: the face.
        index: its place among the faces of its picture.
        picture: the face enlarged, if there is one.
    """
    status = "" if row.status == "ok" else STATUS_WORDS[row.status].capitalize()
    if row.status in ("no_face", "unreadable"):
        return {"name": "", "status": status, "warnings": row.warnings}
    kind = {"track": "Track", "clip": "Clip"}.get(row.kind, "Face")
    return {
        "name": f"{kind} {face_number(row, index)}",
        "colour": colour_of(row),
        "lead": expression_words(row),
        "status": status,
        "warnings": row.warnings,
        "text": row.text,
        "picture": picture,
        "expression": _expression(row.expression),
        "regions": _regions(row.action_units or ()),
        "facts": _facts(row),
    }


def _expression(expression: Expression | None) -> dict[str, Any] | None:
    """The classes with their scores, the likeliest first."""
    if expression is None:
        return None
    scores = expression.scores
    return {
        "label": expression.label,
        "label_set": expression.label_set,
        "scores": None
        if scores is None
        else [(n, v, percent(v)) for n, v in sorted(scores.items(), key=lambda item: -item[1])],
    }


def _regions(units: Sequence[ActionUnit]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The action units by region of the face."""
    found: list[tuple[str, list[dict[str, Any]]]] = []
    for region in facs.REGIONS:
        inside = [u for u in units if facs.au_info(u.au).region == region]
        if inside:
            ordered = sorted(inside, key=lambda u: (u.au, u.side))
            found.append((region, [_unit(u) for u in ordered]))
    return found


def _unit(unit: ActionUnit) -> dict[str, Any]:
    return {
        "tag": f"AU{unit.au}",
        "name": unit.name if unit.side == "both" else f"{unit.name} ({unit.side})",
        "present": unit.present,
        "share": unit.probability,
        "probability": UNKNOWN if unit.probability is None else f"{unit.probability:.2f}",
        "strength": None if unit.intensity is None else unit.intensity / 5,
        "intensity": _intensity(unit.intensity),
    }


def _intensity(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    letter = facs.intensity_letter(value)
    return f"{value:.1f} {letter}" if letter else f"{value:.1f}"


def _facts(row: Analysis) -> list[str]:
    pose = UNKNOWN
    if row.pose is not None:
        pose = f"yaw {row.pose.yaw:.0f}°, pitch {row.pose.pitch:.0f}°, roll {row.pose.roll:.0f}°"
    facts = [
        f"Head pose: {pose}.",
        f"Detection: {UNKNOWN if row.detection is None else f'{row.detection:.2f}'}.",
    ]
    if row.valence is not None or row.arousal is not None:
        facts.append(f"Valence {_signed(row.valence)}, arousal {_signed(row.arousal)} (-1 to 1).")
    if row.model:
        facts.append(f"Model: {row.model}.")
    return facts


def _signed(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:+.2f}"
