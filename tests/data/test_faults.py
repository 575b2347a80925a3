"""No reader is brought down by what stands in place of its files: one error each, or findings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.data.check import check_dataset
from mien.data.readers import READERS, DataError, LayoutError, RowError, read
from mien.sample import Sample
from tests.data import layouts
from tests.data.layouts import LAYOUTS

NOISE = bytes(range(128, 256)) * 8
"""No text in UTF-8, nor a line of anything."""


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS: dict[str, Callable[[Path], object]] = {
    "binary": lambda path: path.write_bytes(NOISE + b"\n" + NOISE),
    "zeros": lambda path: path.write_bytes(bytes(300)),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": _folder,
}
LISTS = {".csv", ".txt", ".json", ".jsonl", ".npy", ".parquet"}


def _survives(name: str, root: Path) -> None:
    """Reading ends in an error of one line or in a report that finds something."""
    try:
        report = check_dataset(name, root, open_pictures=True)
    except DataError as error:
        told = str(error)
    else:
        assert not report.ok
        return
    assert "\n" not in told
    assert str(root) in told


@pytest.mark.parametrize("name", READERS)
def test_a_file_in_place_of_the_folder(name: str, tmp_path: Path) -> None:
    for suffix in ("png", "csv", "txt", "parquet"):
        file = tmp_path / f"some.{suffix}"
        file.write_bytes(NOISE)
        with pytest.raises(DataError, match="some") as caught:
            list(read(name, file))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_an_empty_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found nothing"):
        list(read(name, tmp_path))


def fer2013_parquet(root: Path) -> None:
    root.mkdir(parents=True)
    pq.write_table(pa.table({"image": [b""], "label": ["happy"]}), root / "test.parquet")


def synth_lines(root: Path) -> None:
    layouts.text(root / "samples.jsonl", Sample("1", "synth", "a.png").to_json() + "\n")


MORE = {"fer2013_parquet": ("fer2013", fer2013_parquet), "synth": ("synth", synth_lines)}
ALL = {**LAYOUTS, **MORE}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("layout", ALL)
def test_something_else_in_place_of_each_list(layout: str, fault: str, tmp_path: Path) -> None:
    name, write = ALL[layout]
    write(tmp_path / "whole")
    lists = [p for p in sorted((tmp_path / "whole").rglob("*")) if p.suffix in LISTS]
    assert lists
    for number, path in enumerate(lists[:8]):
        root = tmp_path / str(number)
        write(root)
        FAULTS[fault](root / path.relative_to(tmp_path / "whole"))
        _survives(name, root)


@pytest.mark.parametrize("value", ["5", "null", '"words"', "[1]", '{"a": 1}'])
@pytest.mark.parametrize("layout", ["faba", "fea20k", "ferbench", "synth"])
def test_json_with_other_values_than_expected(layout: str, value: str, tmp_path: Path) -> None:
    name, write = ALL[layout]
    write(tmp_path)
    path = min(p for p in tmp_path.rglob("*") if p.suffix in LISTS)
    row = json.loads(path.read_text().splitlines()[0])
    listed = isinstance(row, list)
    row = row[0] if listed else row
    for key in row:
        changed = {**row, key: json.loads(value)}
        path.write_text(json.dumps([changed] if listed else changed) + "\n")
        _survives(name, tmp_path)


@pytest.mark.parametrize("layout", ["csv", "fer2013", "fer2013_parquet", "fea20k", "ferplus"])
def test_a_pipe_in_place_of_a_list_is_not_waited_for(layout: str, tmp_path: Path) -> None:
    name, write = ALL[layout]
    tmp_path = tmp_path / "set"
    write(tmp_path)
    for path in [p for p in tmp_path.rglob("*") if p.suffix in LISTS]:
        path.unlink()
        os.mkfifo(path)
    _survives(name, tmp_path)


def test_a_row_of_grey_values_without_end(tmp_path: Path) -> None:
    layouts.fer2013(tmp_path)
    with (tmp_path / "fer2013.csv").open("a") as table:
        table.write("0," + "7 " * 300_000 + ",Training\n")
    _survives("fer2013", tmp_path)


def test_votes_beside_the_folders_of_ferplus(tmp_path: Path) -> None:
    """The owners' repository has both; a copy of the grey values is then not needed."""
    layouts.ferplus(tmp_path)
    (tmp_path / "fer2013.csv").unlink()
    with pytest.raises(LayoutError, match="grey values"):
        list(read("ferplus", tmp_path))
    layouts.ferplus_folders(tmp_path)
    assert [s.image for s in read("ferplus", tmp_path)] == ["data/FER2013Test/fer0032298.png"]


def test_a_label_file_that_lies_about_its_length(tmp_path: Path) -> None:
    layouts.affectnet_2021(tmp_path)
    path = next((tmp_path / "train_set/annotations").glob("*_exp.npy"))
    head = path.read_bytes().replace(b"'shape': ()", b"'shape': (99999999999,)")
    path.write_bytes(head)
    with pytest.raises(RowError, match="cannot be read"):
        list(read("affectnet8", tmp_path))
