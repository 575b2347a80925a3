"""What a model that was not trained on mien's prompts is told beside them (`instructions.json`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mien import facs
from mien.language.words import load

CONSIDERED: tuple[int, ...] = (
    *(1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 43),
)
"""Units that the instruction names: those that the common datasets code."""


def instruction(
    *,
    words: bool = True,
    expressions: Sequence[str] = facs.LABEL_SETS["basic7"],
    units: Sequence[int] = CONSIDERED,
) -> str:
    """System text for an analysis.

    Args:
        words: whether an explanation is asked for.
        expressions: canonical names to choose from.
        units: FACS numbers to consider.
    """
    file = load("instructions.json")
    named = ", ".join(f"AU{unit} {facs.au_info(unit).name}" for unit in units)
    return " ".join(
        (
            file["task"],
            file["expression"].format(expressions=", ".join(expressions)),
            file["units"].format(units=named),
            file["words" if words else "numbers"].format(),
        )
    )


def answer_schema(
    *,
    words: bool = True,
    expressions: Sequence[str] = facs.LABEL_SETS["basic7"],
    units: Sequence[int] = CONSIDERED,
) -> dict[str, Any]:
    """JSON schema of the answer to `instruction`; `parse` reads what follows it."""
    unit = {
        "type": "object",
        "properties": {
            "au": {"type": "integer", "enum": list(units)},
            "intensity": {"type": "string", "enum": list(facs.INTENSITIES)},
        },
        "required": ["au", "intensity"],
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {
        "expression": {"type": "string", "enum": list(expressions)},
        "action_units": {"type": "array", "items": unit},
    }
    if words:
        properties["explanation"] = {"type": "string"}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
