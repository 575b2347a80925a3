"""What the report says of one face, as plain values for its template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mien import facs
from mien.draw import colour_of
from mien.notation import STATUS_WORDS, expression_words, face_number
from mien.page import Picture
from mien.schema import ActionUnit, Analysis


def face_card(row: Analysis, index: int, *, picture: Picture | None = None) -> dict[str, Any]:
    """Everything that is known of one face.

    Args:
        row: the face.
        index: its place among the faces of its picture.
        picture: the face enlarged, if there is one.
    """
    kind = {"track": "Track", "clip": "Clip"}.get(row.kind, "Face")
    scores = (row.expression and row.expression.scores) or {}
    return {
        "row": row,
        "status": "" if row.status == "ok" else STATUS_WORDS[row.status].capitalize(),
        "name": f"{kind} {face_number(row, index)}",
        "colour": colour_of(row),
        "lead": expression_words(row),
        "picture": picture,
        "scores": sorted(scores.items(), key=lambda item: -item[1]),  # the likeliest first
        "regions": list(_regions(row.action_units or ())),
    }


def _regions(units: Sequence[ActionUnit]) -> Iterator[tuple[str, list[tuple[ActionUnit, str]]]]:
    """The action units, each with its intensity letter, by region of the face."""
    for region in facs.REGIONS:
        inside = [u for u in units if facs.au_info(u.au).region == region]
        if inside:
            ordered = sorted(inside, key=lambda u: (u.au, u.side))
            yield region, [(u, _letter(u.intensity)) for u in ordered]


def _letter(intensity: float | None) -> str:
    return "" if intensity is None else facs.intensity_letter(intensity) or ""
