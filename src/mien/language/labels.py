"""Labels as one line, which models are trained to write first and `parse` reads back."""

from __future__ import annotations

from collections.abc import Mapping

from mien import facs
from mien.language.words import capital

NO_UNITS = "No action units."


def level(intensity: float) -> int:
    """FACS level 1 to 5 of a present unit; a unit that is present is at least a trace.

    Raises:
        ValueError: if the intensity is outside (0, 5].
    """
    if not 0 < intensity <= 5:
        raise ValueError(f"intensity {intensity} of a present unit is outside (0, 5]")
    return max(1, int(intensity + 0.5))


def checked(units: Mapping[int, float | None]) -> dict[int, float | None]:
    """The units in ascending order.

    Raises:
        ValueError: if a unit is unknown or an intensity out of range.
    """
    for unit, intensity in units.items():
        facs.au_info(unit)
        if intensity is not None:
            level(intensity)
    return {unit: units[unit] for unit in sorted(units)}


def label_line(expression: str | None, units: Mapping[int, float | None] | None) -> str:
    """Expression and present units as one line: "Happiness. AU6 (B), AU12 (D), AU25."

    Args:
        expression: any word that names an expression; None where unknown, and then left out.
        units: the present units with their intensity in (0, 5], or None ungraded. An empty mapping
            says that there are none; None says that they are unknown, and leaves them out.

    Raises:
        ValueError: if the expression or a unit is unknown or an intensity out of range.
    """
    parts = []
    if expression is not None:
        parts.append(capital(facs.canonical_expression(expression)) + ".")
    if units is not None:
        graded = [
            f"AU{unit}"
            if intensity is None
            else f"AU{unit} ({facs.INTENSITIES[level(intensity) - 1]})"
            for unit, intensity in checked(units).items()
        ]
        parts.append(", ".join(graded) + "." if graded else NO_UNITS)
    return " ".join(parts)
