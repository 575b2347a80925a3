"""Rows in mapped memory, and what is said where they cannot be used."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.data.build.embed import png
from mien.data.build.instruction_row import parquet_schema
from mien.train.rows import InstructionRows, RowsError

from .made_rows import made_row, picture, write_rows


def test_rows_of_both_formats_are_those_that_were_written(tmp_path):
    rows = [made_row(n, task) for n in range(3) for task in ("analysis", "expression")]
    write_rows(tmp_path, 3, ("analysis", "expression"))
    pq.write_table(pa.Table.from_pylist(rows, parquet_schema(False)), tmp_path / "rows.parquet")
    for name in ("rows.jsonl", "rows.parquet"):
        found = InstructionRows(tmp_path / name, root=tmp_path)
        assert [found[i] for i in range(len(found))] == rows
        assert found.faces().tolist() == [0, 0, 1, 1, 2, 2]
        assert found.pictures.tolist() == [1] * 6
        words = "what is the expression ?" + "Happiness . raised lips"
        assert found.characters[0] == len(words)
        labels = list(found.labels(np.array([4, 0])))
        assert [each["expression"] for each in labels] == ["happiness", "neutral"]


def test_pictures_by_path_and_inside_of_rows(tmp_path):
    write_rows(tmp_path, 2)
    embedded = [{**made_row(1), "images": [{"bytes": png(picture(1)), "path": "made/1.png"}]}]
    pq.write_table(pa.Table.from_pylist(embedded, parquet_schema(True)), tmp_path / "in.parquet")
    beside = InstructionRows(tmp_path / "rows.jsonl", root=tmp_path)
    of_source = InstructionRows(tmp_path / "rows.jsonl", root=tmp_path / "made")
    inside = InstructionRows(tmp_path / "in.parquet")
    for rows, number in ((beside, 3), (of_source, 3), (inside, 0)):
        (found,) = rows.open_pictures(rows[number], 8)
        assert np.array_equal(found, picture(1))


def test_rows_that_are_read_only_are_kept_elsewhere(tmp_path, monkeypatch):
    rows = write_rows(tmp_path / "data", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, m: Path(p) != tmp_path / "data" and real(p, m))
    assert len(InstructionRows(rows)) == 6
    assert not (tmp_path / "data" / ".mien").exists()
    assert len(list((tmp_path / "cache" / "mien").glob("*/rows/*.arrow"))) == 1


def test_several_chunks_and_another_process(tmp_path):
    rows = [made_row(n) for n in range(2500)]
    table = pa.Table.from_pylist(rows, parquet_schema(False))
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=700)
    found = InstructionRows(tmp_path / "rows.parquet")
    again = pickle.loads(pickle.dumps(found))
    assert len(again) == 2500
    assert [again[i]["id"] for i in (0, 999, 1000, 2499)] == [
        rows[i]["id"] for i in (0, 999, 1000, 2499)
    ]
    assert len(list(again.labels(np.array([5, 1700])))) == 2
    assert len(list((tmp_path / ".mien" / "rows").glob("*.arrow"))) == 1
    with pytest.raises(IndexError, match="row 2500 of 2500"):
        found[2500]


def refuse(match, place, row=None, **options):
    def use():
        rows = InstructionRows(place, **options)
        rows.open_pictures(rows[0] if row is None else row, 8)

    with pytest.raises(RowsError, match=match):
        use()


def test_what_cannot_be_used_is_named_with_its_remedy(tmp_path):
    path = write_rows(tmp_path / "a", 1)
    refuse("no such file or folder", tmp_path / "nothing")
    refuse("where the pictures of source 'made' are is not known; give the `root`", path)
    refuse(
        r"rows.jsonl, row 'made/face0/analysis'.*no such file.*mien data check", path, root=tmp_path
    )
    rows = InstructionRows(path, root=tmp_path / "a")
    refuse("has no picture", path, {**rows[0], "images": []}, root=tmp_path)
    refuse("2 pictures and 1 videos", path, {**rows[0], "images": ["a", "b"], "videos": ["c"]})
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "no row"}) + "\n")
    refuse("b.jsonl, line 1: no instruction row", tmp_path / "b.jsonl")
    (tmp_path / "c.parquet").write_bytes(b"no parquet")
    refuse("c.parquet: damaged", tmp_path / "c.parquet")
    pq.write_table(pa.table({"image": [1]}), tmp_path / "d.parquet")
    refuse("d.parquet: has no column 'id'", tmp_path / "d.parquet")
    (tmp_path / "empty").mkdir()
    refuse("holds no Parquet or JSON-lines", tmp_path / "empty")
    assert not list((tmp_path / ".mien" / "rows").glob("*"))
