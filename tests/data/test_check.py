"""`mien data check` and `mien data list`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.data.check import check_dataset
from mien.data.published import PUBLISHED, Published
from mien.data.readers import READERS
from tests.data import layouts

run = CliRunner().invoke


@pytest.fixture
def small_rafdb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of three pictures that is whole, as far as the published counts say."""
    layouts.rafdb(tmp_path)
    classes = {"train": {"sadness": 1, "happiness": 1}}
    counts = Published({"train": 2, "test": 1}, "a test", classes=classes)
    monkeypatch.setattr("mien.data.published.PUBLISHED", {"rafdb": (counts,)})
    return tmp_path


def test_a_whole_copy(small_rafdb: Path) -> None:
    report = check_dataset("rafdb", small_rafdb, open_pictures=True)
    assert report.ok
    assert report.remarks == ["counts as published (a test)"]
    assert report.splits["train"].expressions == {"sadness": 1, "happiness": 1}


def test_everything_that_is_wrong_is_found(small_rafdb: Path) -> None:
    images = small_rafdb / "basic/Image/aligned"
    (images / "train_00001_aligned.jpg").unlink()
    (images / "test_0001_aligned.jpg").write_bytes(b"\xff\xd8 cut")
    labels = small_rafdb / "basic/EmoLabel/list_patition_label.txt"
    labels.write_text(labels.read_text() + "train_00002.jpg 4\ntrain_00003.jpg 8\n")
    report = check_dataset("rafdb", small_rafdb, open_pictures=True)
    assert not report.ok
    assert report.missing.examples == ["basic/Image/aligned/train_00001_aligned.jpg"]
    assert report.unreadable.count == 1
    assert "test_0001_aligned.jpg" in report.unreadable.examples[0]
    assert report.duplicates.examples == ["train_00002"]
    assert report.bad_rows.count == 1
    assert "class 8" in report.bad_rows.examples[0]
    assert report.differences == [
        "train: 3 samples, published are 2 (a test)",
        "train: 2 of happiness, published are 1 (a test)",
    ]
    assert len(report.remedies) == 5


def test_a_check_ends_where_nothing_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.data.check.MOST_FAULTS", 20)
    rows = "".join(f"{k}.png,happiness\n" for k in range(100))
    (tmp_path / "labels.csv").write_text("image,expression\n" + rows)
    report = check_dataset("csv", tmp_path)
    assert report.missing.count == 20
    assert not report.ok
    for k in range(60):  # most are there: the others are counted to the end
        (tmp_path / f"{k}.png").write_bytes(b"")
    assert check_dataset("csv", tmp_path).missing.count == 40


def test_people_in_two_splits(tmp_path: Path) -> None:
    layouts.text(
        tmp_path / "labels.csv",
        "image,subject,split\na.png,anna,train\nb.png,anna,test\nc.png,ben,test\n",
    )
    report = check_dataset("csv", tmp_path)
    assert report.shared_subjects.examples == ["anna in train and test"]
    assert report.missing.count == 3


def test_units_are_counted_with_unknown_ones(tmp_path: Path) -> None:
    layouts.bp4d(tmp_path)
    report = check_dataset("bp4d", tmp_path)
    (counts,) = report.splits.values()
    assert counts.units[6] == [2, 0, 2]  # present, absent, unknown
    assert counts.units[12] == [2, 2, 0]
    (line,) = report.differences
    assert line.startswith("all: 4 samples, published are 146,847: far too few")


def test_published_classes_add_up_to_their_splits() -> None:
    compared = 0
    for entries in PUBLISHED.values():
        for entry in entries:
            for split, classes in entry.classes.items():
                if split != "all":
                    assert sum(classes.values()) == entry.splits[split], entry
                    compared += 1
    assert compared > 10


def test_the_release_that_fits_best_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.affectnet_2021(tmp_path)
    old = Published({"train": 5, "val": 9}, "old")
    new = Published({"train": 2, "val": 3}, "new")
    monkeypatch.setattr("mien.data.published.PUBLISHED", {"affectnet8": (old, new)})
    report = check_dataset("affectnet8", tmp_path)
    assert report.differences == ["val: 1 samples, published are 3 (new)"]
    assert check_dataset("affectnet8", tmp_path, split="train").ok


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts_name_splits_and_options_that_exist(name: str) -> None:
    entry = READERS[name]
    for counts in PUBLISHED[name]:
        assert set(counts.splits) <= {*entry.splits, "all"}
        for option, value in counts.options.items():
            assert value in entry.options[option]


def test_command_check(small_rafdb: Path) -> None:
    done = run(app, ["data", "check", "rafdb", str(small_rafdb)])
    assert done.exit_code == 0, done.output
    assert "Nothing is wrong" in done.output
    (small_rafdb / "basic/Image/aligned/test_0001_aligned.jpg").unlink()
    done = run(app, ["data", "check", "rafdb", str(small_rafdb), "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert found["problems"]["missing files"]["count"] == 1
    assert found["splits"]["train"]["expressions"] == {"sadness": 1, "happiness": 1}


def test_command_check_of_a_wrong_folder(tmp_path: Path) -> None:
    done = run(app, ["data", "check", "dfew", str(tmp_path), "--option", "fold=2"])
    assert done.exit_code == 1
    assert "no folder of clips" in done.stderr
    assert "`mien data list dfew` shows the layout" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ["nope", "."],
        ["dfew", ".", "--option", "fold"],
        ["dfew", ".", "--option", "fold=6"],
        ["dfew", ".", "--option", "colour=red"],
        ["dfew", ".", "--split", "dev"],
        ["bp4d", ".", "--split", "test"],
    ],
)
def test_wrong_usage_is_told_from_a_wrong_copy(wrong: list[str]) -> None:
    assert run(app, ["data", "check", *wrong]).exit_code == 2


def test_command_list() -> None:
    done = run(app, ["data", "list", "--json"])
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert set(rows) == set(READERS)
    assert rows["dfew"]["options"]["fold"] == ["1", "2", "3", "4", "5"]
    done = run(app, ["data", "list"])
    assert "rafdb" in done.stdout
    done = run(app, ["data", "list", "dfew"])
    assert done.exit_code == 0
    assert "option fold: 1, 2, 3, 4, 5" in done.stdout
    assert "DIR/Clip/clip_224x224_16f/00001/*.jpg" in done.stdout  # the whole page
    done = run(app, ["data", "list", "dfew", "--json"])
    found = json.loads(done.stdout)
    assert {k: v for k, v in found.items() if k != "text"} == rows["dfew"]
    assert found["text"].startswith("# DFEW")
    assert run(app, ["data", "list", "nothing"]).exit_code == 2


def test_the_pages_go_into_the_wheel() -> None:
    root = Path(__file__).parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"docs/datasets": "mien/data/pages"}
