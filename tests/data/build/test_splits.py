"""Splits of what is built: every row is published in its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from mien.data.build.build_set import build
from mien.data.build.settings import BuildSettings
from mien.data.build.shards import Folder
from tests.data.build.made_up import MadeUp, prepare, sample

SPLITS = ("train", "val", "test")
SETTINGS = BuildSettings(split="all", per_shard=16, format="parquet")


def _build(out: Path, settings: BuildSettings = SETTINGS, **more: object) -> Folder:
    sources = [MadeUp([sample(n, split=SPLITS[n % 3]) for n in range(30)])]
    whole, found = prepare(sources, settings)
    build(sources, whole, found, out, **more)  # type: ignore[arg-type]
    return Folder.open(out)


def _files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_shards_and_card_name_the_splits_of_their_rows(tmp_path: Path) -> None:
    folder = _build(tmp_path)
    assert Counter(shard.split for shard in folder.shards) == Counter(
        {"train": 3, "validation": 3, "test": 3}
    )
    for shard in folder.shards:
        own = {row["split"] for row in folder.rows_of(shard)}
        assert own == {{"validation": "val"}.get(shard.split, shard.split)}
    card = (tmp_path / "README.md").read_text()
    assert (
        "  - split: train\n    path: data/train-*.parquet\n"
        "  - split: validation\n    path: data/validation-*.parquet\n"
        "  - split: test\n    path: data/test-*.parquet\n---"
    ) in card
    assert "| splits | train 40, validation 40, test 40 |" in card


def test_hugging_face_reads_the_true_splits(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    _build(tmp_path / "set")
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    found = {name: set(part["split"]) for name, part in loaded.items()}
    assert found == {"train": {"train"}, "validation": {"val"}, "test": {"test"}}


def test_interleaved_splits_are_the_same_however_they_were_built(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def each(rows: int) -> None:
        if rows >= 60:
            raise KilledError

    _build(tmp_path / "whole")
    _build(tmp_path / "two", processes=2)
    with pytest.raises(KilledError):
        _build(tmp_path / "stopped", each=each)
    _build(tmp_path / "stopped")
    wanted = _files(tmp_path / "whole")
    assert _files(tmp_path / "two") == wanted
    assert _files(tmp_path / "stopped") == wanted


def test_a_count_is_exact_over_all_splits(tmp_path: Path) -> None:
    folder = _build(tmp_path, BuildSettings(split="all", per_shard=16, count=37))
    assert sum(1 for _ in folder.rows()) == 37
    assert {shard.split for shard in folder.shards} == {"train", "validation", "test"}


def test_shards_of_an_older_mien_are_made_again_under_their_split(tmp_path: Path) -> None:
    _build(tmp_path / "new")
    _build(tmp_path / "old")
    manifest = json.loads((tmp_path / "old/build.json").read_text())
    for shard in manifest["shards"]:
        name = shard["name"].replace(shard["name"].split("-")[0], "all")
        (tmp_path / "old/data" / shard["name"]).rename(tmp_path / "old/data" / name)
        shard["name"] = name
    (tmp_path / "old/build.json").write_text(json.dumps(manifest))
    _build(tmp_path / "old")
    assert _files(tmp_path / "old") == _files(tmp_path / "new")
