"""Whether an answer is true to the labels of its face, read back by `mien.language.parse`."""

from __future__ import annotations

from collections.abc import Sequence

from mien.data.build.face_labels import Labels
from mien.data.checks.rules import RULES, CheckRules, Fault
from mien.data.checks.wording import check_wording
from mien.language import check_reasons, parse
from mien.language.labels import level
from mien.language.parse import Parsed
from mien.language.reasons import NOTHING_MOVES, says_still

_STATES_EXPRESSION = frozenset(
    {"category", "expression", "expression_description", "reasoning", "analysis"}
)
_NAMES_ALL_UNITS = frozenset({"au_detection", "au_description", "analysis"})
_SILENT = ("no label found", "a refusal")
"""What `parse` says of an answer that states no label, as a turn of a conversation may."""


def check_turns(
    answers: Sequence[str], task: str, labels: Labels, rules: CheckRules
) -> list[Fault]:
    """All faults of the answers to one task, the first to be mended first.

    Args:
        answers: one, or those of the turns of a conversation.
        task: one of `tasks.TASKS`.
        labels: of the face.
        rules: what they are held to.
    """
    if labels.compound is not None and task in _STATES_EXPRESSION:
        return _of_compound(answers, task, labels.compound, rules)
    faults: dict[Fault, None] = {}
    stated = 0
    for answer in answers:
        found = check_wording(answer, task, attributes=rules.attributes)
        parsed = parse(answer)
        silent = parsed.status == "unparsed" and parsed.reason in _SILENT
        stated += parsed.status == "ok"
        if parsed.status == "unparsed" and not (task == "conversation" and silent):
            found.append(Fault("unparsed", f"its labels cannot be read: {parsed.reason}"))
        elif not silent:
            found += _against_labels(parsed, task, labels, rules)
            found += _reasons(answer, labels, rules)
        elif labels.present and says_still(answer):
            found.append(Fault("reasons", NOTHING_MOVES))
        faults.update(dict.fromkeys(found))
    if not stated and not faults:
        faults[Fault("unparsed", "no turn says anything that the labels hold")] = None
    return sorted(faults, key=lambda fault: RULES.index(fault.rule))


def _of_compound(
    answers: Sequence[str], task: str, compound: str, rules: CheckRules
) -> list[Fault]:
    """Faults of answers about two expressions in one, which `parse` takes for a contradiction."""
    faults = [f for a in answers for f in check_wording(a, task, attributes=rules.attributes)]
    if not any(compound in answer.lower() for answer in answers):
        faults.append(Fault("expression", f"it does not say the expression, {compound}"))
    return faults


def _against_labels(parsed: Parsed, task: str, labels: Labels, rules: CheckRules) -> list[Fault]:
    faults = []
    if parsed.expression is not None and parsed.expression != labels.expression:
        known = labels.expression or "not labelled"
        faults.append(Fault("expression", f"it says {parsed.expression}; the label is {known}"))
    elif parsed.expression is None and task in _STATES_EXPRESSION and labels.expression:
        faults.append(Fault("expression", f"it does not say the expression, {labels.expression}"))
    present = labels.present or {}
    if wrong := sorted(set(parsed.units) & labels.absent):
        faults.append(Fault("absent_unit", f"{_list(wrong)} labelled as absent"))
    if not rules.unknown_units and (wrong := sorted(set(parsed.units) & labels.unknown)):
        faults.append(Fault("unknown_unit", f"{_list(wrong)} not labelled"))
    if wrong := sorted(parsed.absent & set(present)):
        faults.append(Fault("denied_unit", f"{_list(wrong)} labelled as present"))
    if task in _NAMES_ALL_UNITS and (wrong := sorted(set(present) - set(parsed.units))):
        faults.append(Fault("missing_unit", f"{_list(wrong)} present and not named"))
    for au, intensity in parsed.units.items():
        known_level = present.get(au)
        if intensity is None or known_level is None:
            continue
        if abs(intensity - level(known_level)) > rules.intensity_slack:
            faults.append(
                Fault("intensity", f"AU{au} has level {level(known_level)}, not {intensity:g}")
            )
    return faults


def _reasons(answer: str, labels: Labels, rules: CheckRules) -> list[Fault]:
    there = set(labels.present or ())
    # Where no unit is labelled, plain words may say what moves: that is what a description is.
    # Units by number or name are then still held to be unknown.
    if rules.unknown_units or labels.present is None:
        there |= labels.unknown
    remarks = check_reasons(answer, labels.expression, there)
    unknown = {f"AU{unit} is absent": f"AU{unit} is not labelled" for unit in labels.unknown}
    # units that may be present are no reason why nothing may be said to move
    return [
        Fault("reasons", unknown.get(r, r)) for r in remarks if labels.present or r != NOTHING_MOVES
    ]


def _list(units: Sequence[int]) -> str:
    names = ", ".join(f"AU{unit}" for unit in units)
    return f"{names} {'is' if len(units) == 1 else 'are'}"
