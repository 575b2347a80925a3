"""Each rule refuses what it is for, and lets true texts pass."""

from __future__ import annotations

import pytest

from mien.data.build.face_labels import Labels
from mien.data.checks.label_agreement import check_turns
from mien.data.checks.rules import CheckRules
from mien.data.checks.wording import check_wording

BOTH = Labels("happiness", "basic7", {6: None, 12: 3.0}, frozenset({4, 9}))
UNITS = Labels(present={12: None}, absent=frozenset({4}))
FACE = Labels("anger", "basic7")
GOOD = "Happiness. The raised cheeks (AU6) and the raised mouth corners (AU12) speak for happiness."


def rules_of(text: str | list[str], task: str, labels: Labels, **rules: object) -> list[str]:
    answers = [text] if isinstance(text, str) else text
    return [f.rule for f in check_turns(answers, task, labels, CheckRules(**rules))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "task", "labels"),
    [
        (GOOD, "reasoning", BOTH),
        ("happiness", "category", BOTH),
        ("AU6, AU12 (C).", "au_detection", BOTH),
        ("AU6, AU12 (D).", "au_detection", BOTH),  # one level off is within the slack
        ("AU12. The mouth corners are raised (AU12).", "au_description", UNITS),
        # where no unit is labelled, plain words may say what moves
        (
            "Happiness. The mouth corners are raised, and the eyes are narrowed by the cheeks.",
            "expression_description",
            Labels("happiness", "basic7"),
        ),
        (["Anger.", "A face alone cannot tell the cause."], "conversation", FACE),
    ],
)
def test_true_texts_pass(text: str, task: str, labels: Labels) -> None:
    assert rules_of(text, task, labels) == []


@pytest.mark.parametrize(
    ("text", "task", "labels", "rule"),
    [
        ("Anger. The face looks angry.", "expression_description", BOTH, "expression"),
        ("The corners of the mouth are up and it shows: AU12.", "reasoning", BOTH, "expression"),
        ("Happiness. AU12, AU25 and AU6.", "analysis", BOTH, "unknown_unit"),
        ("AU4, AU6, AU12.", "au_detection", BOTH, "absent_unit"),
        ("AU12.", "au_detection", BOTH, "missing_unit"),
        ("AU6. AU12 is not present.", "au_detection", BOTH, "denied_unit"),
        ("AU6, AU12 (E).", "au_detection", BOTH, "intensity"),
        ("AU12. This person shows anger.", "au_description", UNITS, "expression"),
        ("Happiness. The raised cheeks (AU6) speak against it.", "reasoning", BOTH, "reasons"),
        ("It is either anger or fear in this face.", "expression_description", FACE, "unparsed"),
        ("Nothing can be seen in here today.", "expression_description", FACE, "unparsed"),
        ("I'm sorry, I cannot help with that. Anger.", "expression_description", FACE, "refusal"),
        ("Anger.", "expression_description", FACE, "length"),
        ("Anger. Der Mensch zieht die Brauen zusammen und presst dabei beide Lippen fest "
         "aufeinander.", "expression_description", FACE, "language"),
        ("Anger. \u041b\u0438\u0446\u043e \u0437\u043b\u043e\u0435 \u0438 \u0434\u0430.",
         "expression_description", FACE, "language"),
        ("Anger. This is Robert Miller, and the brows are low.", "expression_description", FACE,
         "identity"),
        ("Anger. The man looks angry and tense.", "expression_description", FACE, "attributes"),
    ],
)  # fmt: skip
def test_each_rule_refuses_its_fault(text: str, task: str, labels: Labels, rule: str) -> None:
    assert rules_of(text, task, labels)[0] == rule


def test_rules_can_be_loosened() -> None:
    text = "Anger. The lowered brows (AU4) and the man's tight lids (AU7) show it, with AU24."
    strict = rules_of(text, "expression_description", FACE)
    assert {"attributes", "unknown_unit"} <= set(strict)
    loose = rules_of(
        "Anger. AU4 and AU7 and AU24 show in the man.",
        "expression_description",
        FACE,
        unknown_units=True,
        attributes=True,
    )
    assert "attributes" not in loose
    assert "unknown_unit" not in loose


def test_words_about_units_without_a_label_are_refused_by_their_own_reason() -> None:
    words = "AU12. The raised mouth corners and the lowered brows show in this face."
    labelled = Labels(present={12: None}, absent=frozenset({9}))
    (fault,) = check_turns([words], "au_description", labelled, CheckRules())
    assert (fault.rule, fault.reason) == ("reasons", "AU4 is not labelled")
    (fault,) = check_turns([words], "au_description", UNITS, CheckRules())
    assert fault.reason == "AU4 is absent"


def test_a_conversation_must_say_something_that_is_labelled() -> None:
    assert rules_of(["A face alone cannot tell the cause."], "conversation", FACE) == ["unparsed"]
    assert rules_of(["Anger.", "No, this is fear."], "conversation", FACE)[0] == "expression"


def test_words_that_only_look_like_faults_pass() -> None:
    text = "The hero of this face is the brow; the upper lip is highest. AU12 here, other there."
    assert check_wording(text, "au_description", attributes=False) == []
