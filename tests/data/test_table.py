"""Tables of one's own, rendered faces, and the votes of FERPlus."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mien import facs
from mien.data.build.build_set import build
from mien.data.build.face_labels import labels_of
from mien.data.build.settings import BuildSettings
from mien.data.pictures import open_frames, open_image
from mien.data.readers import LayoutError, read
from mien.data.readers.ferplus import NO_FACE, UNKNOWN, decide
from mien.data.readers.table import sample_of
from mien.data.readers.table_columns import canonical
from mien.sample import Sample
from mien.schema import Expression
from tests.data import layouts
from tests.data.build import made_up

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
    sample = sample_of({new: row[name] for name, new in canonical(names).items()})

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
        ("face,expression\n", "no column image or video in face, expression"),
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
        ({"AU1_c": "9"}, "AU1_c is 9, not 0 or 1"),
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
    from mien.synth.feabench import benchmark

    path = benchmark.FOLDER / "v1.parquet"
    whole = benchmark.load_feabench()
    sample = next(itertools.islice(read("synth", path), 700, None))
    assert sample.id == whole.samples[700].id
    assert sample.action_units == whole.samples[700].action_units
    assert (open_image(sample, path) == whole[700][1]).all()


def png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (grey,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


COLUMNS = {
    "expression": ["Happy", None],
    "AU12": [1, 0],
    "AU12_r": [3.5, float("nan")],
    "split": ["train", "test"],
    "age": [31, None],
    "landmarks": [[1.0, 2.0], []],
}


@pytest.mark.parametrize("name", ["csv", "synth"])
@pytest.mark.parametrize("image", ["path", "struct", "bytes", "large bytes"])
def test_parquet_with_the_columns_of_a_table(name: str, image: str, tmp_path: Path) -> None:
    for number in (0, 1):
        (tmp_path / f"{number}.png").write_bytes(png(50 * number))
    images = {
        "path": ["0.png", "1.png"],
        "struct": [{"bytes": png(0), "path": None}, {"bytes": png(50), "path": "b.png"}],
        "bytes": [png(0), png(50)],
        "large bytes": pa.array([png(0), png(50)], pa.large_binary()),
    }[image]
    pq.write_table(pa.table({"image": images, **COLUMNS}), tmp_path / "labels.parquet")
    first, second = read(name, tmp_path)
    assert first.expression == Expression("happiness", "basic7")
    assert [(u.au, u.present, u.intensity) for u in first.action_units or ()] == [(12, True, 3.5)]
    assert [(u.present, u.intensity) for u in second.action_units or ()] == [(False, None)]
    assert (first.attributes, second.attributes) == ({"age": 31.0}, {})
    assert (second.expression, second.split) == (None, "test")
    assert [s.split for s in read(name, tmp_path, split="test")] == ["test"]
    assert open_image(second, tmp_path)[0, 0, 0] == 50
    assert [s.image for s in read(name, tmp_path / "labels.parquet")] == [first.image, second.image]


def test_parquet_of_other_columns_says_which_are_wanted(tmp_path: Path) -> None:
    pq.write_table(pa.table({"face": ["a.png"]}), tmp_path / "a.parquet")
    with pytest.raises(LayoutError, match="no table with a column image or video"):
        list(read("synth", tmp_path))
    with pytest.raises(LayoutError, match="no column image or video in face"):
        list(read("csv", tmp_path, file="a.parquet"))


@pytest.mark.parametrize(
    ("form", "embedded"), [("jsonl", False), ("parquet", False), ("parquet", True)]
)
def test_a_built_set_is_read_face_by_face(form: str, embedded: bool, tmp_path: Path) -> None:
    made = made_up.samples(4)
    for number in range(4):
        layouts.picture(tmp_path / f"root/faces/{number}.png", 40 * number)
    if not embedded:
        layouts.video(tmp_path / "root/films/4.mkv", [200])
        made.append(made_up.sample(4, image=None, video="films/4.mkv"))
    sources = [made_up.MadeUp(made, folder=tmp_path / "root")]
    settings = BuildSettings(format=form, embed_images=embedded, tasks=("category", "au_detection"))
    settings, found = made_up.prepare(sources, settings)
    build(sources, settings, found, tmp_path / "set")
    faces = list(read("synth", tmp_path / "set"))
    assert [face.id for face in faces] == [f"rafdb/{s.id}" for s in made]
    for face, one in zip(faces, made, strict=True):
        assert labels_of(face) == labels_of(one)
        assert (face.dataset, face.subject, face.split) == (one.dataset, one.subject, one.split)
        grey = 200 if one.video else 40 * int(one.id[-1])
        assert open_frames(face, tmp_path / "set", 1)[0][0, 0, 0] == grey
    if form == "parquet":
        (file,) = (tmp_path / "set/data").glob("*.parquet")
        again = list(read("synth", file))
        assert [face.id for face in again] == [face.id for face in faces]
        assert open_frames(again[1], file, 1)[0][0, 0, 0] == 40


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
