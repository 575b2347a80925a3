"""What the checks ask for, and what they say of a text that fails."""

from __future__ import annotations

from dataclasses import dataclass

RULES: tuple[str, ...] = (
    "no_answer",
    "json",
    "refusal",
    "length",
    "language",
    "identity",
    "attributes",
    "unparsed",
    "expression",
    "absent_unit",
    "unknown_unit",
    "denied_unit",
    "missing_unit",
    "intensity",
    "reasons",
    "duplicate",
)
"""Names of all rules, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class CheckRules:
    """What texts are held to.

    Attributes:
        unknown_units: whether a text may name units that the labels say nothing about.
        attributes: whether it may speak of age, gender and descent.
        similar: two texts of one task whose sets of three-word pieces overlap by this share
            (Jaccard) are near-duplicates; above 1 nothing is.
        intensity_slack: FACS levels that a stated intensity may be off.
    """

    unknown_units: bool = False
    attributes: bool = False
    similar: float = 0.9
    intensity_slack: float = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text is not kept.

    Attributes:
        rule: one of `RULES`.
        reason: in words that a teacher can act on.
    """

    rule: str
    reason: str
