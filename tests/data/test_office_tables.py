"""Tables as spreadsheets of an office write them: read, or refused with the true cause."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mien.data.readers import LayoutError, RowError, read
from mien.data.readers.table_columns import canonical
from mien.sample import Sample

TABLE = 'image,Expression,AU_12,au 6 intensity,Subject,Age\na.png,joy,1,"3,5",Zoë,31\n'


def samples(
    folder: Path, text: str, encoding: str = "utf-8", name: str = "labels.csv"
) -> list[Sample]:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))
    return list(read("csv", folder))


def facts(sample: Sample) -> tuple[object, ...]:
    units = [(u.au, u.present, u.intensity) for u in sample.action_units or ()]
    label = sample.expression.label if sample.expression else None
    return sample.image, label, units, sample.subject, dict(sample.attributes)


WANTED = ("a.png", "happiness", [(6, None, 3.5), (12, True, None)], "Zoë", {"Age": 31.0})


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["labels.csv", "Labels.CSV", "labels.tsv"])
def test_every_form_of_one_table_reads_the_same(
    tmp_path: Path, encoding: str, delimiter: str, name: str
) -> None:
    text = TABLE.replace('"3,5"', '"3;5"').replace(",", delimiter).replace('"3;5"', '"3,5"')
    assert [facts(s) for s in samples(tmp_path, text, encoding, name)] == [WANTED]
    excel = f"sep={delimiter}\r\n" + text.replace("\n", "\r\n")
    assert [facts(s) for s in samples(tmp_path, excel, encoding, name)] == [WANTED]


def test_decimal_commas_of_attributes_and_boxes(tmp_path: Path) -> None:
    (sample,) = samples(tmp_path, "image;xmin;ymin;xmax;ymax;age\na.png;1,5;2;30,25;40;23,5\n")
    assert sample.box == (1.5, 2, 30.25, 40)
    assert sample.attributes == {"age": 23.5}
    with pytest.raises(RowError, match="thousands"):
        samples(tmp_path, 'image,x0,y0,x1,y1\na.png,0,0,"1,024",9\n')
    (sample,) = samples(tmp_path, 'image,units\na.png,"1,2"\n')
    assert sample.attributes == {"units": "1,2"}


def test_a_decimal_comma_without_quotes_does_not_shift_the_labels(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="more cells than columns"):
        samples(tmp_path, "image,AU12_r,AU12_c\na.png,3,1,0\n")
    assert len(samples(tmp_path, "image,AU12_r,AU12_c\na.png,3,1,,\n")) == 1


def test_backslashes_are_paths_of_windows(tmp_path: Path) -> None:
    assert [s.image for s in samples(tmp_path, "image\nsub\\a.png\n")] == ["sub/a.png"]
    Image.new("L", (4, 4)).save(tmp_path / "odd\\b.png")
    assert [s.image for s in samples(tmp_path, "image\nodd\\b.png\n")] == ["odd\\b.png"]


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ("image,AU12_prob", "AU12_prob looks like an action unit"),
        ("image,AU12L", "AU12L looks like an action unit"),
        ("image,AU12_p", "AU12_p holds probabilities"),
        ("image,AU" + "9" * 5000, r"AU9{34,}\.\.\. looks like"),
        ("image,AU3", "AU3 is no unit"),
        ("image,AU6,AU06_c", "AU6 and AU06_c both say AU6_c"),
        ("image,image", "image and image both say image"),
        ("image,emotion,label", "emotion and label both say expression"),
        ("image,expresion", "expresion looks like expression"),
        ("image,bbox", "bbox looks like x0, y0, x1, y1"),
        ("pictures,AU12", "pictures|no column image"),
        ("a,b", "no column image or video in a, b"),
    ],
)
def test_columns_that_look_like_known_ones_are_not_lost(
    tmp_path: Path, header: str, cause: str
) -> None:
    with pytest.raises(LayoutError, match=cause):
        samples(tmp_path, f"{header}\nx{',1' * header.count(',')}\n")


def test_what_is_named_itself_keeps_synonyms_as_attributes() -> None:
    names = ["image", "path", "Expression", "label", "AU12_c", "AU12_p", "frame", "pose_yaw"]
    found = canonical(names)
    assert found == {n: n for n in names} | {"Expression": "expression", "AU12_c": "AU12_c"}


@pytest.mark.parametrize(
    "data", ["标签,图像\n".encode("gb18030"), "ひょう,a\n".encode("shift-jis")]
)
def test_other_encodings_are_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "labels.csv").write_bytes(b"image,subject\na.png," + data)
    with pytest.raises(LayoutError, match="save it as CSV UTF-8"):
        list(read("csv", tmp_path))


@pytest.mark.parametrize("first", ["image," + "c" * 200_000, ",".join(["image"] * 100_000)])
def test_a_first_line_without_end_is_one_error(tmp_path: Path, first: str) -> None:
    with pytest.raises(LayoutError) as caught:
        samples(tmp_path, f"{first}\na.png\n")
    assert len(str(caught.value)) < 500 + len(str(tmp_path))
    assert "labels.csv" in str(caught.value)


@pytest.mark.parametrize("broken", [b"\x00\xd8\n\x00", b"\x00"], ids=["half a pair", "odd"])
@pytest.mark.parametrize("start", ["image,expression\na.png,", "ima"])
def test_broken_utf_16_is_one_error(tmp_path: Path, broken: bytes, start: str) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe" + start.encode("utf-16-le") + broken)
    with pytest.raises(LayoutError, match=r"labels\.csv"):
        list(read("csv", tmp_path))


def test_a_spreadsheet_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(LayoutError, match="Save the spreadsheet as CSV"):
        list(read("csv", tmp_path))


def test_parquet_has_the_same_names(tmp_path: Path) -> None:
    table = pa.table({"Filename": ["a.png"], "Emotion": ["joy"], "au_12": [True]})
    pq.write_table(table, tmp_path / "labels.parquet")
    (sample,) = read("csv", tmp_path)
    assert facts(sample)[:3] == ("a.png", "happiness", [(12, True, None)])
