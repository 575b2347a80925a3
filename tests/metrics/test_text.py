import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.metrics import corpus_bleu, emola_rouge_l, rouge_l, wording
from mien.metrics.bleu import bleu_of, bleu_sums, bleu_tokens
from mien.metrics.text import words


def plain_lcs(a, b):
    """The textbook table."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
            )
    return table[-1][-1]


def test_rouge_l_by_hand():
    assert words("The cheeks are RAISED (AU6); it's clear.") == (
        ["the", "cheeks", "are", "raised", "au6", "it", "s", "clear"]
    )
    # common: the brows are; 3 of 4 and 3 of 5 words
    assert rouge_l("The brows are raised.", "the brows are drawn down") == pytest.approx(6 / 9)
    assert rouge_l("a b c d", "a c b d") == pytest.approx(3 / 4)  # order counts
    assert rouge_l("Raised, BROWS!", "raised brows") == 1


def test_rouge_l_of_empty_texts():
    assert rouge_l("", "raised brows") == 0
    assert rouge_l("...!", "raised brows") == 0
    assert math.isnan(rouge_l("raised brows", ""))
    assert math.isnan(rouge_l("raised brows", ". - !"))


@given(*[st.lists(st.sampled_from("abcd"), max_size=80)] * 2)
def test_rouge_l_is_the_textbook_subsequence(a, b):
    if b:
        expected = 2 * plain_lcs(a, b) / (len(a) + len(b))
        assert rouge_l(" ".join(a), " ".join(b)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        # values of rouge 1.0.1, Rouge().get_scores(answer, reference)[0]["rouge-l"]["f"]
        ("the cat sat on the mat", "the cat sat on the mat", 0.999999995),
        ("a b c d", "a c b d", 0.749999995),
        ("Happy face.", "happy face.", 0.4999999950000001),
        ("A b c. D e f.", "A c. b e f g.", 0.8333333283333335),
        ("the the the the", "the cat the", 0.6666666622222223),
        ("one two three. two four", "two three one. four two one three", 0.749999995),
        ("a..b", "a. b", 0.999999995),
        (" .", "a b", 0.0),
        (
            "The mouth corners are pulled up. The cheeks are raised.",
            "The cheeks are raised and the mouth corners are pulled up.",
            0.8888888839506174,
        ),
    ],
)
def test_emola_rouge_l_is_that_of_the_package(answer, reference, score):
    assert emola_rouge_l(answer, reference) == pytest.approx(score, abs=1e-12)


def test_emola_rouge_l_is_undefined_where_the_package_raises():
    for text in ("", ".", "..."):
        assert math.isnan(emola_rouge_l(text, "a b"))
        assert math.isnan(emola_rouge_l("a b", text))


def test_the_two_definitions_differ_on_one_pair():
    answer = "The brows are lowered. The lips are pressed together."
    reference = "The lips are pressed and the brows are lowered, a sign of anger."
    # longest common: the lips are pressed, 4 words of 9 and 13
    assert rouge_l(answer, reference) == pytest.approx(8 / 22)
    # "The brows are lowered" against the reference: {brows, are} ("lowered," keeps its comma);
    # "The lips are pressed together": {The, lips, are, pressed}; 5 of 7 and of 12 words
    assert emola_rouge_l(answer, reference) == pytest.approx(2 * 5 / (7 + 12), abs=1e-7)


def test_bleu_tokens():
    text = "AU12 (Lip corner), 3.5 of 1,000; it's half-open 5-6."
    expected = "au12 ( lip corner ) , 3.5 of 1,000 ; it's half-open 5 - 6 ."
    assert " ".join(bleu_tokens(text)) == expected


def test_bleu_by_hand():
    answer, reference = "the cat sat on the mat today", "the cat sat on the mat yesterday"
    expected = (6 / 7 * 5 / 6 * 4 / 5 * 3 / 4) ** 0.25
    assert corpus_bleu([answer], [reference]) == pytest.approx(expected)
    assert expected == pytest.approx(0.8091067115702207)  # sacreBLEU, lower case, no smoothing
    # a repeated word matches only as often as the reference has it; short answers are punished
    clipped = corpus_bleu(["the cat sat on the mat"], [reference])
    assert clipped == pytest.approx(math.exp(1 - 7 / 6))
    longer = corpus_bleu([reference + " indeed"], [reference])
    assert longer == pytest.approx((7 / 8 * 6 / 7 * 5 / 6 * 4 / 5) ** 0.25)


def test_bleu_sums_over_the_corpus_before_it_divides():
    answers = ["the cat sat on the mat", "a dog"]
    references = ["the cat sat on the mat", "one dog"]
    expected = (7 / 8 * 5 / 6 * 4 / 4 * 3 / 3) ** 0.25
    assert corpus_bleu(answers, references) == pytest.approx(expected)
    assert bleu_sums(answers, references).sum(axis=0).tolist() == [7, 5, 4, 3, 8, 6, 4, 3, 8, 8]


def test_bleu_of_empty_texts():
    assert corpus_bleu(["a b c"], ["a b c"]) == 0  # no word of four: no smoothing
    assert corpus_bleu([""], ["a b c d"]) == 0
    assert math.isnan(corpus_bleu(["a b c d"], [""]))
    assert math.isnan(corpus_bleu([], []))
    with pytest.raises(ValueError, match="1 answers, but 2"):
        corpus_bleu(["a"], ["a", "b"])
    assert bleu_of([[0] * 10]).shape == (1,)


def test_wording():
    found = wording(["the face is happy", "the face", "", "!"])
    assert found.distinct_1 == pytest.approx(4 / 6)
    assert found.distinct_2 == pytest.approx(3 / 4)
    assert found.mean_words == pytest.approx(6 / 4)
    assert found.empty == 2
    empty = wording([])
    assert math.isnan(empty.distinct_1)
    assert math.isnan(empty.mean_words)
    assert math.isnan(wording(["one"]).distinct_2)
