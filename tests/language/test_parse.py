"""Text of any model to labels: every form once, and the faults of published scorers."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mien import facs
from mien.language import parse


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("AU04", [4]),
        ("AU 4", [4]),
        ("AU-4", [4]),
        ("au4 and AU_12", [4, 12]),
        ("Action Unit 4", [4]),
        ("The action units 1, 2 and 4 are present.", [1, 2, 4]),
        ("AU6+12", [6, 12]),
        ("AU6 + AU12", [6, 12]),
        ("AUs 1-2", [1, 2]),
        ("AU1-2", [1, 2]),
        ("AU1-AU2", [1, 2]),
        ("AUs 1 2 4", [1, 2, 4]),
        ("AUs 4-7", [4, 5, 6, 7]),
        ("AU4 to AU7", [4, 5, 6, 7]),
        ("AU1, 2, 4", [1, 2, 4]),
        ("AUs: 1, 2, and 4.", [1, 2, 4]),
        ("Action units (AUs): 6, 12, 25", [6, 12, 25]),
        ("[AU6, AU12]", [6, 12]),
        ("AU6, L12 and R14", [6, 12, 14]),
        ("The Lip Corner Puller is active.", [12]),
        ("brow lowerer, cheek raisers, lips parted", [4, 6, 25]),
        ("There is brow lowering and nose wrinkling.", [4, 9]),
        ("lip corner tightener", [14]),
        ("Lip tightener", [23]),
        ("AU6 (cheek raiser) and lip corner puller (AU12)", [6, 12]),
        ("**AU6**, `AU12`", [6, 12]),
        ("AU12 and 2 others", [12]),
        ("AU6\u201312 is not it; AU6 and AU12\u2026", None),
        ("- AU6: Cheek Raiser\n- AU12: Lip Corner Puller", [6, 12]),
        ("1. AU1\n2. AU2", [1, 2]),
    ],
)
def test_forms_of_units(text: str, units: list[int] | None) -> None:
    parsed = parse(text)
    if units is None:
        assert parsed.status == "unparsed"
        return
    assert parsed.status == "ok", parsed.reason
    assert sorted(parsed.units) == units
    assert parsed.absent == frozenset()
    assert set(parsed.units.values()) == {None}


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("AU12 (D)", {12: 4}),
        ("AU12D", {12: 4}),
        ("AU6B+12D", {6: 2, 12: 4}),
        ("AU12: 3.4/5", {12: 3.4}),
        ("AU12 = 3", {12: 3}),
        ("AU12 (3.4)", {12: 3.4}),
        ("AU12 (4 out of 5)", {12: 4}),
        ("AU12 at intensity C", {12: 3}),
        ("AU12 with an intensity of 2.5", {12: 2.5}),
        ("AU12 (intensity: C), AU6", {12: 3, 6: None}),
        ("AU12 (lip corner puller, intensity B)", {12: 2}),
        ("AU4 - brow lowerer - C", {4: 3}),
        ("AU12 (slight)", {12: 2}),
        ("A trace of AU12 and marked AU6", {12: 1, 6: 3}),
        ("AU12 with severe intensity", {12: 4}),
        ("AU12: maximum", {12: 5}),
        ("AUs 6 (B), 12 (D), 25", {6: 2, 12: 4, 25: None}),
        ("AU12: 1, AU4: 0", {12: None}),
        ("AU12: 1, AU6: 3, AU4: 0", {12: 1, 6: 3}),
        ("AU25 is present with intensity 2", {25: 2}),
        ("AU12's intensity is 3", {12: 3}),
        ("AU1: 0.0, AU2: 0.4, AU12: 2.4", {12: 2.4}),
        ("AU6: 0.97, AU12: 3.2", {6: 1, 12: 3.2}),
        ("AU12 (97% confidence)", {12: None}),
        ("AU14L, R12B", {12: 2, 14: None}),
        ("AU6 A smile pulls AU12.", {6: None, 12: None}),
    ],
)
def test_intensities(text: str, units: dict[int, float | None]) -> None:
    parsed = parse(text)
    assert parsed.status == "ok", parsed.reason
    assert parsed.units == units


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("AU6 is present. AU4 is not present.", [6], [4]),
        ("AU6, no AU4", [6], [4]),
        ("AU12 without brow lowering.", [12], [4]),
        ("AU9 is absent", [], [9]),
        ("Neither AU1 nor AU2 is visible, but AU12 is.", [12], [1, 2]),
        ("AU1, AU2 and AU4 are not present, while AU12 is present.", [12], [1, 2, 4]),
        ("AU6 and AU12 are present and AU4 is absent.", [6, 12], [4]),
        ("AU4: absent, AU12: present", [12], [4]),
        ("AU4: no\nAU12: yes", [12], [4]),
        ("Absent: AU4, AU9. Present: AU12.", [12], [4, 9]),
        ("Not present: AU4 and AU9", [], [4, 9]),
        ("I do not see AU4 or AU9, but AU6 is clear.", [6], [4, 9]),
        ("There isn't any AU4.", [], [4]),
        ("No sign of AU4, and AU12 is active.", [12], [4]),
        ("Without AU4, the face shows AU6.", [6], [4]),
        ("AU6 lacks AU12.", [6], [12]),
        ("Not only AU6 but also AU12 is present.", [6, 12], []),
        ("No doubt AU12 is there.", [12], []),
        ("The nose is normal; notice AU9, another known sign.", [9], []),
        ("The nose wrinkler notably shows.", [9], []),
        ("AU4 does not fit happiness.", [4], []),
        ("| AU | Present |\n| AU6 | yes |\n| AU4 | no |", [6], [4]),
        ("AU6 \u2713, AU4 \u2717", [6], [4]),
        ("AU2: E, AU1: absent, AU5", [2, 5], [1]),
        ("AU2 (E), AU1 is absent", [2], [1]),
        ("AU6, AU4 (absent)", [6], [4]),
        ("AU1, AU2 are absent", [], [1, 2]),
        ("AU1, AU2 and AU4: absent", [], [1, 2, 4]),
        ("The face does not show AU9.", [], [9]),
        ("The face never shows AU9 or AU10.", [], [9, 10]),
        ("I can't see any AU4, yet AU6 is visible.", [6], [4]),
        ("AU6 is present; AU4 may be present.", [6], []),
        ("No AU1, AU2, or AU4.", [], [1, 2, 4]),
        ("AU1: inner brow raiser (absent)\nAU12: lip corner puller (present)", [12], [1]),
    ],
)
def test_negation_is_scoped(text: str, present: list[int], absent: list[int]) -> None:
    parsed = parse(text)
    assert parsed.status == "ok", parsed.reason
    assert (sorted(parsed.units), sorted(parsed.absent)) == (present, absent)


@pytest.mark.parametrize(
    "text", ["No action units.", "No AUs are present.", "There are no visible action units."]
)
def test_no_units_at_all(text: str) -> None:
    parsed = parse(text)
    assert (parsed.status, parsed.units) == ("ok", {})
    assert parsed.absent == frozenset(facs.ACTION_UNITS)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("Happiness.", "happiness"),
        ("happy", "happiness"),
        ("HAPPINESS", "happiness"),
        ("The face looks joyful.", "happiness"),
        ("The person is not happy but sad.", "sadness"),
        ("She is unhappy.", "sadness"),
        ("The expression is anger.", "anger"),
        ("**Expression:** Fear", "fear"),
        ("Emotion: surprise\nThe raised brows might also fit fear.", "surprise"),
        ("Disgust. It may be taken for anger.", "disgust"),
        ("Angry rather than sad.", "anger"),
        ("The face has no expression.", "neutral"),
        ("Choose one of: happiness, sadness, anger.\nAnswer: sadness", "sadness"),
        ("Of happiness, sadness, anger and fear I would say: anger", "anger"),
        ("Final answer: (contempt)", "contempt"),
        ("<think>Is it fear? Or anger?</think>Surprise", "surprise"),
        ("I cannot tell who this is, but the face looks sad.", "sadness"),
        ("Other.", "other"),
        ("A happy face; the other eye is hidden.", "happiness"),
    ],
)
def test_expressions(text: str, expression: str) -> None:
    parsed = parse(text)
    assert (parsed.status, parsed.expression) == ("ok", expression), parsed.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "I'm sorry, but I can't help with identifying emotions such as happiness.",
        "As an AI, I cannot judge whether this face is happy.",
        "The face could be happy or sad.",
        "The person looks happy. However, the person is sad.",
        "Happiness and surprise.",
        "happiness, surprise",
        "Expression: fear. Expression: anger.",
        "Not happy.",
        "happiness, sadness, surprise, fear, disgust, anger, neutral",
        "Choose one of: happiness, sadness.",
        "The face is surprisingly bland, with joystick and madness.",
        "AU99",
        "AU3 and AU12",
        "AU4 is present. AU4 is not present.",
        "AU6 (B) and AU6 (D)",
        "AU6-12",
        "AU1-AU5",
        "AU6, AU4: absent",
        "No AU4, AU6 is present.",
        "AU4 might be present.",
        "AU4 (cheek raiser)",
        "AU12: 0.03",
        "AU12: 97%",
        "No action units. AU4 is present.",
        "The picture shows a person outdoors.",
        "12",
    ],
)
def test_ambiguity_is_unparsed(text: str) -> None:
    parsed = parse(text)
    assert parsed.status == "unparsed", parsed
    assert parsed.reason
    assert (parsed.expression, parsed.units, parsed.absent) == (None, {}, frozenset())


SMILE = {6: None, 12: None}


@pytest.mark.parametrize(
    ("text", "expression", "units", "absent"),
    [
        ('{"expression": "happiness", "action_units": [6, 12]}', "happiness", SMILE, []),
        ('{"expression": "happiness", "action_units": "6, 12"}', "happiness", SMILE, []),
        ('```json\n{"emotion": "Sad", "AUs": ["AU15 (C)"]}\n```', "sadness", {15: 3}, []),
        ("{'expression': 'fear', 'aus': {'AU1': 'D', 'AU4': False}}", "fear", {1: 4}, [4]),
        ('{"au": [{"au": 12, "intensity": 3.4}]}', None, {12: 3.4}, []),
        ('{"au": [{"au": 4, "present": false}, {"au": 6}]}', None, {6: None}, [4]),
        ('{"AU12_c": 1, "AU04_c": 0, "AU12_r": 2.5}', None, {12: 2.5}, [4]),
        ('Here it is: {"expression": "anger", "action_units": []}', "anger", {}, None),
        ('{"expression": "fear", "action_units": [1, 4', "fear", {1: None, 4: None}, []),
        ('[{"au": 12, "intensity": "D"}, {"au": 6}]', None, {6: None, 12: 4}, []),
        ('{"au": 4, "present": false}', None, {}, [4]),
        ('{"expression": null, "action_units": [9]}', None, {9: None}, []),
    ],
)
def test_json(
    text: str, expression: str | None, units: dict[int, float | None], absent: list[int] | None
) -> None:
    parsed = parse(text)
    assert parsed.status == "ok", parsed.reason
    assert (parsed.expression, parsed.units) == (expression, units)
    assert sorted(parsed.absent) == (sorted(facs.ACTION_UNITS) if absent is None else absent)


def test_the_rest_is_absent() -> None:
    for text in ("AU6 is present; all other AUs are absent.", "AU6. No other action units."):
        parsed = parse(text)
        assert set(parsed.units) == {6}
        assert parsed.absent == frozenset(facs.ACTION_UNITS) - {6}


def test_every_facs_name_is_read_and_denied() -> None:
    for unit, info in facs.ACTION_UNITS.items():
        for name in (info.name, *info.aliases):
            assert parse(f"{name}.").units == {unit: None}, name
            assert parse(f"{name.title()} ({'AU'}{unit})").units == {unit: None}, name
            assert parse(f"There is no {name}.").absent == {unit}, name


def test_every_expression_word_is_read() -> None:
    for word, name in facs.expression_words().items():
        assert parse(f"{word.capitalize()}.").expression == name, word


@pytest.mark.parametrize(
    "text", ["{", "}{", "{'a': [}", "AU", "AU12 (", "<0> {1}", "(" * 500, "[" * 5000, "\x00"]
)
def test_odd_text_never_raises(text: str) -> None:
    assert parse(text).status in ("ok", "unparsed")


_PIECES = [
    "AU",
    "4",
    "12",
    " ",
    ", ",
    "-",
    "(",
    ")",
    ":",
    "no ",
    "not ",
    "happy",
    "fear",
    "present",
]
_PIECES += [
    "{",
    "}",
    '"',
    "[",
    "]",
    "D",
    "0",
    "1.5",
    "%",
    "/5",
    ".",
    "\n",
    "cheek raiser",
    "absent",
]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(_PIECES), max_size=20).map("".join))
@example("{{}}")  # a set of a dict, which Python cannot make
def test_any_text_never_raises(text: str) -> None:
    parsed = parse(text)
    assert (parsed.status == "ok") == (parsed.reason is None)
    assert not set(parsed.units) & parsed.absent
    assert set(parsed.units) | parsed.absent <= set(facs.ACTION_UNITS)
    assert all(v is None or 1 <= v <= 5 for v in parsed.units.values())


@pytest.mark.parametrize("piece", ["not ", "AU1, ", "( ", "is very ", "a "])
def test_long_text_is_read_in_time(piece: str) -> None:
    """No pattern backtracks without bound on long or repetitive text.

    Twice the text may cost up to eight times the processor's time, which leaves room for noise, and
    what costs next to nothing may cost anything.
    """

    def cost(times: int) -> float:
        start = time.process_time()
        parse(piece * times + "0")
        return time.process_time() - start

    assert cost(6000) < max(8 * cost(3000), 2.0)
