"""Each restated rule shows its fault, and the page holds the numbers that the code gives."""

from __future__ import annotations

import numpy as np
import pytest

from mien.language import parse
from tests.audit import published_rules as rules
from tests.audit import table


def test_emola_takes_nose_for_a_negation_and_nothing_for_happiness() -> None:
    assert rules.emola_keeps("The nose is wrinkled. The lips part.") == ["The lips part."]
    assert rules.emola_emotion("I cannot tell.") == "happiness"
    assert rules.emola_emotion("The person looks sad.") == "happiness"
    assert rules.emola_emotion("I notice tears. The face shows sadness.") == "sadness"
    assert rules.emola_emotion("Calm. It may be fear.") == "neutral"
    assert parse("I cannot tell.").status == "unparsed"


def test_emola_reads_units_by_their_letters() -> None:
    units = (1, 2, 4, 17)
    assert rules.emola_units("AU1, 2 and 4", units) == {1}
    assert rules.emola_units("AU01, AU 17", units) == set()
    assert rules.emola_units("AU4 is not present.", units) == {4}
    assert parse("AU4 is not present.").absent == {4}


def test_emola_forgets_a_unit_that_never_occurs() -> None:
    truth = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0]])
    called = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0]])
    assert rules.emola_unit_f1(truth, called) == pytest.approx([1, 2 / 3])
    assert rules.emola_rouge_after_resume([0.4, 0.2, 0.6, np.nan], 2) == pytest.approx(0.6 / 3)


def test_emotion_llama_gives_neutral_for_free() -> None:
    assert rules.emotion_llama("The person is happy") == "happy"
    for text in ("Happy", "The person is happy.", "surprised", "I cannot say", ""):
        assert rules.emotion_llama(text) == "neutral"


def test_unifer_takes_the_first_candidate_inside() -> None:
    assert rules.unifer("anger, not sadness", ("sadness", "anger")) == "sadness"
    assert rules.unifer("She is unhappy.", ("sadness", "anger")) == "happiness"
    assert rules.unifer("A man outdoors.", ("sadness",)) == "unknown"


def test_affectgpt_takes_the_first_number() -> None:
    assert rules.affectgpt("Of 10 points I give 7.5") == 10
    assert rules.affectgpt("On a scale of 1 to 10: 8") == 1
    assert rules.affectgpt("Score 7.5") == 7.5
    with pytest.raises(AttributeError):
        rules.affectgpt("")


def test_openface_swaps_two_names_alone() -> None:
    names = [rules.openface3_readme(i) for i in range(8)]
    assert (names[5], names[6]) == ("anger", "disgust")
    assert len(set(names)) == 8


def test_vlmevalkit_matches_one_option_in_a_short_answer() -> None:
    options = ("happiness", "sadness")
    assert rules.vlmevalkit_without_judge("Sadness.", options) == "sadness"
    assert rules.vlmevalkit_without_judge("sad", options) is None
    assert rules.vlmevalkit_without_judge("sadness or happiness", options) is None
    assert (
        rules.vlmevalkit_without_judge("The expression is sadness, I would say.", options) is None
    )


def test_pyfeat_on_two_scales_and_on_nothing() -> None:
    levels = np.arange(6.0)
    assert rules.pyfeat_icc(levels, levels / 5) == pytest.approx(0.4 / 1.04)
    assert rules.pyfeat_icc(np.zeros(3), np.zeros(3)) == 0
    assert rules.pyfeat_f1(np.zeros(3), np.zeros(3)) == 0
    assert rules.pyfeat_f1(np.array([1, 1, 0]), np.array([1, 0, 0])) == pytest.approx(2 / 3)


def test_the_page_holds_these_numbers() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    written = page.partition(table.BEGIN)[2].partition(table.END)[0].strip()
    assert written == table.table(), "run python -m tests.audit.table"


def test_counts_on_the_page() -> None:
    page = " ".join(table.PAGE.read_text(encoding="utf-8").split())
    sizes = {k: len(table.answers(k)) for k in ("prose", "short", "units", "judge")}
    assert sizes == {"prose": 34, "short": 20, "units": 24, "judge": 8}
    for count in (f"are {sum(sizes.values())} sentences", *map(str, sizes.values())):
        assert count in page
    assert f"first {table.CACHED} of {sizes['prose']}" in page
    assert sum(row["answer"] is None for row in table.answers("prose")) == 2
    assert table.texts("prose").count("") == 3


def test_numbers_counted_by_hand() -> None:
    lines = {
        (line.fault, line.number): line for line in (*table.emola_lines(), *table.other_lines())
    }
    # 22 of 34 descriptions and 15 of 20 short answers name the label
    rule = lines["EmoLA `description2emotion`", "accuracy, %"]
    assert (rule.published, rule.mien) == pytest.approx((100 * 17 / 34, 100 * 22 / 34))
    rule = lines["Emotion-LLaMA last word, else neutral", "accuracy, %"]
    assert (rule.published, rule.mien) == pytest.approx((100 * 9 / 20, 100 * 15 / 20))
    rule = lines["UniFER substrings, failed samples skipped", "accuracy, %"]
    assert rule.published == pytest.approx(100 * 19 / 32)
    rule = lines["AffectGPT first number of the judge", "mean score, 1 to 10"]
    assert (rule.published, rule.mien) == pytest.approx((40 / 7, 50 / 7))
    rule = lines["py-feat ICC of 0 to 5 with 0 to 1", "ICC(3,1) of perfect answers"]
    assert (rule.published, rule.mien) == pytest.approx((0.4 / 1.04, 1))


def test_mien_reads_expressions_as_a_reader_does() -> None:
    for kind in ("prose", "short"):
        assert table.read(kind) == table.said(kind)
    differing = [
        row["answer"]
        for row in table.answers("units")
        if (sorted(parse(row["answer"]).units) or None) != (row["says"] or None)
    ]
    assert differing == ["AU12 is present; AU17 is possibly there."]
