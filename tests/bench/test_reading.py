import math

import numpy as np
import pytest

from mien.bench.score.reading import Pair, overlap, read_all, read_text, read_valence_arousal
from mien.metrics import emola_rouge_l, rouge_l
from mien.metrics.bleu import bleu_sums


def test_labels_of_a_text():
    reading = read_text("Happiness. The raised cheeks (AU6) and no AU4.")
    assert (reading.expression, reading.units) == ("happiness", frozenset({6}))
    assert read_text("Anger.").units is None  # it says nothing about units
    assert read_text("No action units.").units == frozenset()
    assert read_text("").reason == "empty text"


def test_the_first_sentence_alone():
    text = "Fear. Some would say: surprise is the expression. AU12."
    assert read_text(text, first=True).expression == "fear"
    assert read_text("AU1 (1.5 of 5), AU2\nAU12", first=True).units == frozenset({1, 2})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("valence: 0.2, arousal: -0.1", (0.2, -0.1)),
        ("Valence is -0.35 and arousal is .6.", (-0.35, 0.6)),
        ('{"valence": 0.5, "arousal": 0}', (0.5, 0.0)),
        ("valence: \u22120.4; arousal = 1", (-0.4, 1.0)),
        ("valence: 0.2", None),
        ("valence: 2, arousal: 0", None),
        ("valence: 20 %, arousal: 0", None),
        ("valence: 0.2 or valence: 0.4, arousal: 0", None),
        ("She looks pleased.", None),
    ],
)
def test_valence_and_arousal(text, found):
    assert read_valence_arousal(text) == found


def test_overlap_is_that_of_the_metrics():
    answer, reference = "The brows are raised (AU1).", "Fear. The brows are raised and drawn."
    found = overlap(answer, reference, emola=True)
    assert found.rouge == rouge_l(answer, reference)
    assert found.emola == emola_rouge_l(answer, reference)
    assert found.length == 5
    empty = overlap("", reference, emola=True)
    assert (empty.rouge, empty.length) == (0, 0)
    assert math.isnan(empty.emola)
    assert np.array_equal(found.bleu, bleu_sums([answer], [reference])[0])


def test_many_processes_read_what_one_reads():
    pairs = [Pair(f"AU{k % 30} and AU12, face {k}.", k % 2 == 0, "AU12.") for k in range(1200)]
    one, many = read_all(pairs, processes=1), read_all(pairs, processes=2)
    assert one[0] == many[0]
    assert all(
        (a.rouge, a.length, list(a.bleu)) == (b.rouge, b.length, list(b.bleu))
        for a, b in zip(one[1], many[1], strict=True)
    )


def test_one_text_with_two_references_is_scored_with_each():
    pairs = [Pair("Fear.", False, "Fear."), Pair("Fear.", False, "Anger."), Pair("Fear.", 0, None)]
    readings, overlaps = read_all(pairs)
    assert readings[0] == readings[1] == readings[2]
    assert [o.rouge for o in overlaps[:2]] == [1.0, 0.0]
    assert overlaps[2] is None
    assert np.array_equal(overlaps[0].bleu[:4], [2, 1, 0, 0])
