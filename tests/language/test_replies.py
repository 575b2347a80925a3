import random

import pytest

from mien import facs
from mien.language.questions import read_question
from mien.language.replies import Known, reply

SMILE = Known(
    "happiness",
    {"happiness": 0.62, "surprise": 0.3, "neutral": 0.05},
    {12: 3.2, 25: 2.0, 1: 1.0},
    frozenset({2, 4, 5, 9, 10, 14, 15, 26}),
)


def told(question: str, known: Known = SMILE) -> str:
    return reply(read_question(question), known, random.Random(0))


def test_contrast_says_what_is_missing_of_the_other_expression():
    text = told("Why not surprise?")
    assert text.startswith("Happiness. Surprise ")
    needed, _, missing = text.rpartition(". AU")
    assert "AU1)" in needed  # the nearest of surprise's combinations: 1, 2, 25 and 26
    assert f"AU{missing}" == "AU2 and AU26 are absent."


def test_contrast_tells_absent_from_not_read():
    assert told("Why not fear?").endswith("AU4 is absent and AU20 is not read by the model.")


def test_contrast_where_nothing_is_missing_weighs_the_scores():
    known = Known("surprise", {"surprise": 0.5, "fear": 0.3}, {1: 3.0, 2: 2.0, 4: 1.0, 5: 2.0})
    assert told("Why not fear?", known).endswith("has the higher score (50 % against 30 %).")


def test_contrast_to_neutral_names_what_moves():
    text = told("Why isn't it neutral?")
    assert "at rest" in text
    assert "AU12, AU25 and AU1 are present (62 % against 5 %)" in text


@pytest.mark.parametrize("question", ["Why not happiness?", "What speaks against it?"])
def test_what_speaks_against_the_label_itself(question):
    assert "(AU1)" in told(question)


def test_without_units_nothing_is_claimed():
    assert "AU" not in told("Why not anger?", Known("happiness"))


@pytest.mark.parametrize("name", sorted(set(facs.LABEL_SETS["basic8"]) - {"neutral"}))
def test_contrast_is_true_to_the_numbers(name):
    """Every unit that it calls absent is, and no unit that is there is among them."""
    rng = random.Random(name)
    units = [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26]
    for _ in range(100):
        present = {u: rng.uniform(1, 5) for u in rng.sample(units, rng.randrange(8))}
        known = Known("neutral", None, present, frozenset(units) - set(present))
        text = told(f"Why not {name}?", known)
        head, _, tail = text.partition(". ")[2].partition(". ")
        wanted = {int(u) for u in facs_numbers(head)}
        missing = {int(u) for u in facs_numbers(tail)}
        assert wanted in [p.units for p in facs.prototypes_of(name)]
        assert missing == wanted - set(present)


def facs_numbers(text: str) -> list[str]:
    return [part.split(")")[0].split()[0].strip(".,") for part in text.split("AU")[1:]]
