"""`mien data check` on copies that are not whole: no fragment passes for a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.data.check import check_dataset
from mien.data.published import Published
from mien.data.readers import LayoutError, RowError, read
from tests.data import layouts
from tests.data.layouts import LAYOUTS

run = CliRunner().invoke
OWN = ("csv", "synth")


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in OWN])
def test_no_miniature_copy_passes_for_a_whole_one(layout: str, tmp_path: Path) -> None:
    name, write = LAYOUTS[layout]
    write(tmp_path)
    report = check_dataset(name, tmp_path)
    assert report.ok is (name == "affwild2_static")
    assert report.compared is not name.startswith("affwild2")


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    layouts.ferplus_folders(tmp_path)
    report = check_dataset("ferplus", tmp_path)
    assert "split 'train' is missing altogether" in report.differences
    assert "split 'validation' is missing altogether" in report.differences
    assert not any("'test'" in line for line in report.differences)
    only = check_dataset("ferplus", tmp_path, split="test")
    assert not any("altogether" in line for line in only.differences)


def test_nothing_at_all_is_a_finding(tmp_path: Path) -> None:
    layouts.text(tmp_path / "labels.csv", "image,expression\n")
    assert check_dataset("csv", tmp_path).differences == ["no sample was read"]
    layouts.table(tmp_path)
    report = check_dataset("csv", tmp_path, split="dev")
    assert report.differences == ["no sample is in split 'dev'"]


@pytest.mark.parametrize(("number", "ok"), [(2, True), (3, False)])
def test_a_reported_number_that_is_missed_by_far(
    number: int, ok: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.rafdb(tmp_path)
    counts = Published({"train": number, "test": 1}, "a test", "reported", least=0.7)
    monkeypatch.setattr("mien.data.published.PUBLISHED", {"rafdb": (counts,)})
    report = check_dataset("rafdb", tmp_path)
    assert report.ok is ok
    if not ok:
        line = "train: 2 samples, published are 3: far too few (a test)"
        assert report.differences == [line]


def test_without_published_counts_nobody_says_that_nothing_is_wrong(tmp_path: Path) -> None:
    layouts.table(tmp_path)
    done = run(app, ["data", "check", "csv", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "Nothing is wrong" not in done.output
    assert "no published counts" in done.output


def test_labelled_frames_without_a_picture(tmp_path: Path) -> None:
    layouts.affwild2(tmp_path)
    report = check_dataset("affwild2", tmp_path)
    assert report.differences == ["split 'validation' is missing altogether"]
    assert not any("no picture" in line for line in report.remarks)
    for frame in (1, 3):
        (tmp_path / f"cropped_aligned/v1/{frame:05d}.jpg").unlink()
    report = check_dataset("affwild2", tmp_path)
    words = "2 of 3 labelled frames have no picture, most of them in v1 (2)"
    assert report.differences[-1] == words
    assert check_dataset("affwild2", tmp_path, split="mixed").ok


@pytest.mark.parametrize(
    ("name", "folder", "part"),
    [("bp4d", "2D+3D/F001", "F001 T1"), ("disfa", "Videos_LeftCamera/*SN001*", "SN001")],
)
def test_parts_that_were_not_copied_are_listed_and_the_rest_is_counted(
    name: str, folder: str, part: str, tmp_path: Path
) -> None:
    LAYOUTS[name][1](tmp_path)
    (place,) = tmp_path.glob(folder)
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    report = check_dataset(name, tmp_path)
    assert report.splits["(no split)"].samples == 2
    (found,) = report.bad_rows.examples
    assert f"no frames of {part}" in found
    known = {"bp4d": 41, "disfa": 27}[name]
    assert report.missing_subjects.count == known - 1
    with pytest.raises(RowError, match=f"no frames of {part}"):
        list(read(name, tmp_path))


def test_a_person_of_no_published_fold_is_a_finding(tmp_path: Path) -> None:
    layouts.bp4d(tmp_path)
    codes = tmp_path / "AUCoding/AU_OCC"
    shutil.copy(codes / "F001_T1.csv", codes / "F099_T1.csv")
    report = check_dataset("bp4d", tmp_path, fold=1)
    assert "F099 is in none of the published folds" in report.bad_rows.examples[0]


def test_a_list_that_is_missing_ends_the_reading_but_not_the_report(tmp_path: Path) -> None:
    layouts.dfew(tmp_path)
    (tmp_path / "EmoLabel_DataSplit/test(single-labeled)/set_1.csv").unlink()
    report = check_dataset("dfew", tmp_path)
    assert report.splits["train"].samples == 1
    assert any("no list of fold 1, test" in line for line in report.differences)
    (tmp_path / "EmoLabel_DataSplit/train(single-labeled)/set_1.csv").unlink()
    with pytest.raises(LayoutError, match="no list of fold 1, train"):
        check_dataset("dfew", tmp_path)


def test_the_published_counts_are_those_of_the_layout(tmp_path: Path) -> None:
    grey = " ".join(["7"] * 48 * 48)
    layouts.text(tmp_path / "a/fer2013.csv", f"emotion,pixels,Usage\n3,{grey},PrivateTest\n")
    report = check_dataset("fer2013", tmp_path / "a", split="test")
    assert any("published are 3,589" in line for line in report.differences)
    layouts.picture(tmp_path / "b/test/happy/1.png")
    report = check_dataset("fer2013", tmp_path / "b", split="test")
    assert any("published are 7,178" in line for line in report.differences)


def test_a_picture_with_contradictory_labels(tmp_path: Path) -> None:
    layouts.text(
        tmp_path / "labels.csv",
        "id,image,expression,AU12,AU4,x0,y0,x1,y1\n"
        "1,a.png,happy,1,,,,,\n"
        "2,a.png,sad,1,,,,,\n"  # another expression
        "3,a.png,,0,,,,,\n"  # AU12 denied
        "4,a.png,happy,,1,,,,\n"  # says more, and nothing else
        "5,b.png,happy,,,0,0,4,4\n"
        "6,b.png,sad,,,4,4,8,8\n",  # another face of the picture
    )
    layouts.picture(tmp_path / "a.png")
    layouts.picture(tmp_path / "b.png")
    report = check_dataset("csv", tmp_path)
    assert not report.ok
    assert report.contradictions.examples == ["a.png as 2", "a.png as 3"]
