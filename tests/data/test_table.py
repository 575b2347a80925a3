"""Tables of one's own, rendered faces, and the votes of FERPlus."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import facs
from mien.data.readers import LayoutError, read
from mien.data.readers.ferplus import NO_FACE, UNKNOWN, decide
from mien.data.readers.table import sample_of
from mien.sample import Sample
from mien.schema import Expression
from tests.data import layouts

unknown = st.sampled_from(["", "nan", "None", " unknown "])
words = st.sampled_from(sorted(facs.EXPRESSIONS))


@given(
    word=words | unknown,
    present=st.sampled_from(["0", "1", "1.0"]) | unknown,
    intensity=st.floats(0, 5).map(repr) | unknown,
    valence=st.floats(-1, 1).map(repr) | unknown,
    subject=st.text("abcxyz,\"'é", min_size=1).filter(lambda s: s not in ("nan", "none")),
)
def test_what_a_row_says_is_in_the_sample_and_the_rest_is_none(
    word: str, present: str, intensity: str, valence: str, subject: str
) -> None:
    names = ["image", "expression", "AU06", "AU6_r", "valence", "subject"]
    text = io.StringIO()
    csv.writer(text).writerows([names, ["a.png", word, present, intensity, valence, subject]])
    (row,) = csv.DictReader(io.StringIO(text.getvalue()))
    sample = sample_of(row)

    def said(cell: str) -> str | None:
        return None if cell.strip().lower() in ("", "nan", "none", "unknown") else cell

    label = sample.expression.label if sample.expression else None
    assert label == said(word)
    assert sample.valence == (float(valence) if said(valence) else None)
    assert sample.subject == subject
    if said(present) is None and said(intensity) is None:
        assert sample.action_units is None
    else:
        (unit,) = sample.action_units or ()
        assert unit.au == 6
        assert unit.present == (None if said(present) is None else float(present) == 1)
        assert unit.intensity == (float(intensity) if said(intensity) else None)


def test_table(tmp_path: Path) -> None:
    layouts.table(tmp_path)
    first, second = read("csv", tmp_path)
    assert first.expression == Expression("happiness", "basic7")
    assert [(u.au, u.present, u.intensity) for u in first.action_units or ()] == [(12, True, 3.5)]
    assert (first.subject, first.split, first.attributes) == ("anna", "train", {"age": 31.0})
    assert [(u.au, u.present) for u in second.action_units or ()] == [(4, True), (12, False)]
    assert second.expression is None
    assert [s.subject for s in read("csv", tmp_path, split="test")] == ["ben"]


def test_one_label_set_for_a_table(tmp_path: Path) -> None:
    layouts.text(tmp_path / "labels.csv", "image,expression\na.png,joy\nb.png,contempt\n")
    sets = {s.expression.label_set for s in read("csv", tmp_path) if s.expression}
    assert sets == {"basic8"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,expression\n", "no column image or video in expression, picture"),
        ("image,AU3\na.png,1\n", "AU3 is no unit that mien knows"),
        ("", "labels.csv: empty; copy or download it again"),
    ],
)
def test_tables_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    layouts.text(tmp_path / "labels.csv", text)
    with pytest.raises(LayoutError, match=message):
        list(read("csv", tmp_path))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"AU1": "9"}, "AU1 is 9, not 0 or 1"),
        ({"AU1_r": "7"}, "intensity is 7"),
        ({"expression": "moody"}, "unknown expression 'moody'"),
        ({"x0": "1", "y0": "2"}, "a box needs x0, y0, x1 and y1"),
    ],
)
def test_cells_that_do_not_fit(cells: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample_of({"image": "a.png", **cells})


def test_lists_of_samples(tmp_path: Path) -> None:
    rows = [
        Sample("1", "synth", "images/1.webp", split="train"),
        Sample("2", "synth", video="clips/2.mp4", split="test"),
    ]
    layouts.text(tmp_path / "samples.jsonl", "".join(r.to_json() + "\n" for r in rows))
    assert list(read("synth", tmp_path)) == rows
    assert list(read("synth", tmp_path, split="test")) == rows[1:]


def test_the_benchmark_that_ships_with_mien_reads_as_parquet() -> None:
    from mien.data.pictures import open_image
    from mien.synth.feabench import benchmark

    path = benchmark.FOLDER / "v1.parquet"
    whole = benchmark.load_feabench()
    sample = next(itertools.islice(read("synth", path), 700, None))
    assert sample.id == whole.samples[700].id
    assert sample.action_units == whole.samples[700].action_units
    assert (open_image(sample, path) == whole[700][1]).all()


# neutral happiness surprise sadness anger disgust fear contempt | unknown, no face
VOTES = {
    "clear": ((8, 1, 1, 0, 0, 0, 0, 0, 0, 0), "neutral", "neutral", "neutral"),
    "two": ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), UNKNOWN, "neutral", "neutral"),
    "single votes count for nothing": (
        (2, 1, 1, 1, 1, 1, 1, 1, 1, 0), "neutral", "neutral", "neutral",
    ),
    "unknown first": ((0, 3, 0, 0, 0, 0, 0, 0, 6, 0), UNKNOWN, UNKNOWN, UNKNOWN),
    "no face": ((0, 0, 0, 0, 0, 0, 0, 0, 1, 9), NO_FACE, NO_FACE, NO_FACE),
    "four ways": ((2, 2, 2, 2, 0, 0, 0, 0, 0, 0), UNKNOWN, UNKNOWN, "neutral"),
    "nothing": ((0,) * 10, UNKNOWN, UNKNOWN, UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("case", VOTES)
def test_votes(case: str) -> None:
    votes, *wanted = VOTES[case]
    for rule, expected in zip(("majority", "probability", "argmax"), wanted, strict=True):
        found = decide(votes, rule)
        assert (found if isinstance(found, str) else found.label) == expected, rule


def test_probability_keeps_shares_of_the_largest_classes() -> None:
    found = decide((0, 4, 3, 2, 1, 0, 0, 0, 0, 0), "probability")
    assert isinstance(found, Expression)
    assert found.scores is not None
    # 4 + 3 of the 9 votes that are left make up three quarters
    assert found.scores["happiness"] == pytest.approx(4 / 7)
    assert found.scores["surprise"] == pytest.approx(3 / 7)
    assert found.scores["sadness"] == 0
