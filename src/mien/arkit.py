"""ARKit facial actions and the FACS action units that they show: both directions, one table.

ARKit describes a face by 52 coefficients between 0 (neutral) and 1 (most). Face models take them
under several spellings (`browDownLeft`, ICT-FaceKit's `browDown_L`), and `canonical` brings these
to one. Left is the person's left. Intensities of units lie in [0, 5] (FACS A to E are 1 to 5).

Two units stand apart. AU25 (lips part) has no action: it is what the lips do when the jaw drops,
the upper lip rises or the lower lip sinks, and it has to be measured as the gap between the lips.
AU26 (jaw drop) is driven by `jawOpen`, but how far that opens the mouth differs from model to
model, so its intensity is measured from the jaw of the posed mesh, not read off the weight.

Sources:
    Apple: `ARFaceAnchor.BlendShapeLocation`, Apple Developer Documentation (what an action moves).
    FACS: Ekman, Friesen & Hager, *Facial Action Coding System*, 2002 (what a unit moves).
    Neither names the other: which action shows which unit is mien's reading of the two. Tables of
    others differ (for `mouthPress` and `mouthShrugLower` above all), as Ozel, *ARKit to FACS Cheat
    Sheet* (melindaozel.com), points out of such tables; no row is taken from one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.schema import Side

PAIRED: tuple[str, ...] = (
    "eyeBlink",
    "eyeLookDown",
    "eyeLookIn",
    "eyeLookOut",
    "eyeLookUp",
    "eyeSquint",
    "eyeWide",
    "mouthSmile",
    "mouthFrown",
    "mouthDimple",
    "mouthStretch",
    "mouthPress",
    "mouthLowerDown",
    "mouthUpperUp",
    "browDown",
    "browOuterUp",
    "cheekSquint",
    "noseSneer",
)
"""Actions with a Left and a Right."""

UNPAIRED: tuple[str, ...] = (
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "browInnerUp",
    "cheekPuff",
    "tongueOut",
)
"""Actions without a side; in `jawLeft` and the like the word is a direction."""

ARKIT_ACTIONS: tuple[str, ...] = (
    *(base + side for base in PAIRED for side in ("Left", "Right")),
    *UNPAIRED,
)
"""The 52 names as ARKit has them."""

SPLIT: tuple[str, ...] = ("browInnerUp", "cheekPuff")
"""Actions without a side in ARKit that some models (ICT-FaceKit) give one per side."""

_CANONICAL: Mapping[str, str] = MappingProxyType(
    {name: name for name in UNPAIRED}
    | {
        base + ending: base + side
        for base in (*PAIRED, *SPLIT)
        for side in ("Left", "Right")
        for ending in (side, f"_{side[0]}")
    }
)


def canonical(name: str) -> str:
    """ARKit's name of an action, whatever the spelling: `browDown_L` gives `browDownLeft`.

    `browInnerUp` and `cheekPuff` stay as they are; their halves (`browInnerUp_L`), which ARKit does
    not have, get a side in the same manner (`browInnerUpLeft`).

    Raises:
        ValueError: if it is no ARKit action.
    """
    try:
        return _CANONICAL[name]
    except KeyError:
        raise ValueError(f"unknown facial action {name!r}; ARKit has 52, as browDownLeft") from None


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One facial action that shows a unit.

    Attributes:
        au: FACS number.
        action: base name, without a side.
        sided: True where the action is given per side; a unit without sides moves the midline.
        weight: of the action where the unit is at its most (E, 5), in (0, 1].
        source: what the pairing rests on; keys of this module's docstring.
        note: where the match is loose; empty where it is close.
    """

    au: int
    action: str
    sided: bool
    weight: float
    source: str
    note: str = ""


_BOTH_SOURCES = "Apple, FACS"

ACTION_ROWS: tuple[ActionRow, ...] = tuple(
    ActionRow(au, action, sided, weight, _BOTH_SOURCES, note)
    for au, action, sided, weight, note in (
        (
            1,
            "browInnerUp",
            True,
            1.0,
            "ARKit has no side here; given per side, for a model that has them to use.",
        ),
        (2, "browOuterUp", True, 1.0, ""),
        (
            4,
            "browDown",
            True,
            1.0,
            "Apple speaks of the outer brow only; AU4 also draws the brows together.",
        ),
        (5, "eyeWide", True, 1.0, ""),
        (6, "cheekSquint", True, 1.0, "The cheek alone: AU6 also narrows the eye from outside."),
        (
            7,
            "eyeSquint",
            True,
            1.0,
            "Often read as AU6 too: trackers raise it in smiles, as the cheek lifts the lower lid.",
        ),
        (9, "noseSneer", True, 1.0, "In some models it lifts the upper lip, which is AU10."),
        (10, "mouthUpperUp", True, 1.0, ""),
        (12, "mouthSmile", True, 1.0, "Some models bend the corner up as AU13 does."),
        (14, "mouthDimple", True, 1.0, ""),
        (15, "mouthFrown", True, 1.0, ""),
        (16, "mouthLowerDown", True, 1.0, ""),
        (
            17,
            "mouthShrugLower",
            False,
            1.0,
            "Apple: the lower lip moves outward, a part of AU17; the chin boss may not rise.",
        ),
        (18, "mouthPucker", False, 1.0, ""),
        (20, "mouthStretch", True, 1.0, "In some models the corner sinks too, towards AU15."),
        (22, "mouthFunnel", False, 1.0, ""),
        (
            24,
            "mouthPress",
            True,
            1.0,
            "Apple: the lower lip is pressed upward; AU23 (tightened lips) has no action.",
        ),
        (
            26,
            "jawOpen",
            False,
            0.6,
            "Beyond this weight the jaw is stretched (AU27), which the weight cannot tell apart.",
        ),
        (28, "mouthRollLower", False, 1.0, "The lower lip's half of AU28."),
        (28, "mouthRollUpper", False, 1.0, "The upper lip's half of AU28."),
        (43, "eyeBlink", True, 1.0, "AU45 (blink) is the same closure for an instant."),
    )
)
"""Which action shows which unit. No unit that mien knows: `mouthClose`, `cheekPuff` (AU34),
`jawForward` (AU29), `jawLeft` and `jawRight` (AU30), `mouthLeft`, `mouthRight`, `mouthShrugUpper`,
`tongueOut` (AU19) and the gaze."""

WITHOUT_ACTION: frozenset[int] = frozenset({25})
"""Units that come out of other actions and have none of their own."""

_ROWS_OF: Mapping[int, tuple[ActionRow, ...]] = MappingProxyType(
    {r.au: tuple(s for s in ACTION_ROWS if s.au == r.au) for r in ACTION_ROWS}
)


def _per_side(units: Mapping[tuple[int, Side], float]) -> Iterator[tuple[int, float, float]]:
    """(au, left, right) of each unit."""
    sides: dict[int, dict[Side, float]] = {}
    for (au, side), intensity in units.items():
        if not 0 <= intensity <= 5:
            raise ValueError(f"AU{au} {side} has intensity {intensity}, outside [0, 5]")
        sides.setdefault(au, {})[side] = intensity
    for au, values in sides.items():
        if "both" in values and len(values) > 1:
            raise ValueError(f"AU{au} is given for both sides and for one side as well")
        both = values.get("both", 0.0)
        yield au, values.get("left", both), values.get("right", both)


def action_weights(units: Mapping[tuple[int, Side], float]) -> dict[str, float]:
    """Weights of the facial actions that show some units.

    Args:
        units: (au, side) to intensity in [0, 5]. A side that is not named is at rest. AU25 is
            passed over: it has no action.

    Returns:
        ARKit's name with Left or Right to weight in [0, 1], without those that are 0. AU1 gives
        `browInnerUpLeft` and `browInnerUpRight`, for a model without sides to average. For an
        action of the midline the two sides of the unit are averaged.

    Raises:
        ValueError: if an intensity is out of range, a unit has no row in the table, or is given for
            both sides and one of them.
    """
    weights: dict[str, float] = {}
    for au, left, right in _per_side(units):
        if au in WITHOUT_ACTION:
            continue
        if au not in _ROWS_OF:
            known = ", ".join(str(n) for n in _ROWS_OF)
            raise ValueError(f"AU{au} has no facial action; these have: {known}")
        for row in _ROWS_OF[au]:
            if row.sided:
                weights[row.action + "Left"] = row.weight * left / 5
                weights[row.action + "Right"] = row.weight * right / 5
            else:
                weights[row.action] = row.weight * (left + right) / 10
    return {name: weight for name, weight in weights.items() if weight > 0}


def units_of_actions(weights: Mapping[str, float]) -> dict[int, dict[Side, float]]:
    """The units that facial actions show: the inverse of `action_weights`.

    What a weight says of a picture's intensities is only as good as the tracker or the model that
    it comes from. A unit of several actions gets their mean.

    Args:
        weights: action in any spelling to weight in [0, 1]; actions without a unit are passed over.

    Returns:
        au to side to intensity in (0, 5]: "both" where the sides are alike, else the sides that
        move. A unit without sides has "both" only.

    Raises:
        ValueError: if a name is no ARKit action or a weight is out of range.
    """
    given: dict[str, float] = {}
    for name, weight in weights.items():
        if not 0 <= weight <= 1:
            raise ValueError(f"{name} has weight {weight}, outside [0, 1]")
        given[canonical(name)] = weight
    units: dict[int, dict[Side, float]] = {}
    for au, rows in _ROWS_OF.items():
        left = right = 0.0
        for row in rows:
            middle = given.get(row.action, 0.0)
            scale = 5 / row.weight / len(rows)
            left += scale * (given.get(row.action + "Left", middle) if row.sided else middle)
            right += scale * (given.get(row.action + "Right", middle) if row.sided else middle)
        left, right = min(left, 5.0), min(right, 5.0)
        if left == right > 0:
            units[au] = {"both": left}
        elif left != right:
            named: tuple[tuple[Side, float], ...] = (("left", left), ("right", right))
            units[au] = {side: value for side, value in named if value > 0}
    return units
