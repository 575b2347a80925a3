"""Building: the same bytes however it was stopped, by however many processes, and clear errors."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data.build.build_set import build
from mien.data.build.instruction_row import turns_of
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.shards import Folder
from mien.language import parse
from mien.partfile import PartFile, SinkError
from tests.data.build.made_up import MadeUp, prepare, samples

SETTINGS = BuildSettings(per_shard=20, check_share=1.0)


def _build(out: Path, settings: BuildSettings = SETTINGS, count: int = 20, **more: object) -> None:
    sources = [MadeUp(samples(count), folder=more.pop("folder", out))]  # type: ignore[arg-type]
    whole, found = prepare(sources, settings)
    build(sources, whole, found, out, **more)  # type: ignore[arg-type]


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "roots.json"
    }


def test_rows_are_whole_and_true(tmp_path: Path) -> None:
    _build(tmp_path)
    rows = list(Folder.open(tmp_path).rows())
    assert len({row["id"] for row in rows}) == len(rows) == 110  # 5 x (7 + 4 + 4 + 7)
    row = next(r for r in rows if r["id"] == "rafdb/face0/au_detection")
    assert row["images"] == ["rafdb/faces/0.png"]
    assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
    assert [part["type"] for part in row["messages"][0]["content"]] == ["image", "text"]
    assert (row["writer"], row["pseudo"], row["licence"]) == ("template", False, "research only")
    for row in rows:
        pictures = [p for m in row["messages"] for p in m["content"] if p["type"] == "image"]
        assert len(pictures) == len(row["images"]) == 1
        expression = row["labels"]["expression"]
        if row["task"] == "category":
            [(_, answer)] = turns_of(row)
            assert answer == expression
            assert parse(answer).expression == expression


def test_a_run_killed_at_any_shard_ends_with_the_same_bytes(tmp_path: Path) -> None:
    _build(tmp_path / "whole")
    wanted = _files(tmp_path / "whole")
    assert len([name for name in wanted if name.startswith("data/")]) == 6

    class KilledError(Exception):
        pass

    for stop in range(1, 6):
        out = tmp_path / f"stopped{stop}"

        def each(rows: int, stop: int = stop) -> None:
            if rows >= 20 * stop:
                raise KilledError

        with pytest.raises(KilledError):
            _build(out, each=each)
        assert not json.loads((out / "build.json").read_text())["complete"]
        # what a kill between the two writes leaves: a shard that is not in the list yet
        (out / "data" / "train-00005.jsonl").write_bytes(b"half")
        _build(out)
        assert _files(out) == wanted


def test_processes_do_not_change_a_byte(tmp_path: Path) -> None:
    _build(tmp_path / "one", count=12)
    _build(tmp_path / "two", count=12, processes=2)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_other_settings_and_other_labels_do_not_mix(tmp_path: Path) -> None:
    _build(tmp_path)
    with pytest.raises(BuildError, match=r"begun with other settings: seed is 0 there and 1 here"):
        _build(tmp_path, BuildSettings(per_shard=20, check_share=1.0, seed=1))
    with pytest.raises(BuildError, match="begun with other settings: sources is"):
        _build(tmp_path, count=21)


def test_a_seed_gives_other_words(tmp_path: Path) -> None:
    _build(tmp_path / "a")
    _build(tmp_path / "b", BuildSettings(per_shard=20, seed=1))
    assert (
        _files(tmp_path / "a")["data/train-00000.jsonl"]
        != (_files(tmp_path / "b")["data/train-00000.jsonl"])
    )


def test_too_large_a_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="count is 1,000, but the labels carry only 110 rows"):
        _build(tmp_path, BuildSettings(count=1000))
    assert not any(tmp_path.iterdir())


def test_parquet_has_the_same_rows(tmp_path: Path) -> None:
    _build(tmp_path / "lines")
    _build(tmp_path / "parquet", BuildSettings(per_shard=20, check_share=1.0, format="parquet"))
    lines = list(Folder.open(tmp_path / "lines").rows())
    table = list(Folder.open(tmp_path / "parquet").rows())
    assert [turns_of(row) for row in lines] == [turns_of(row) for row in table]
    for name in ("id", "images", "videos", "labels", "task", "subject", "licence"):
        assert [row[name] for row in lines] == [row[name] for row in table]


def test_embedded_pictures_are_the_files_themselves(tmp_path: Path) -> None:
    (tmp_path / "root" / "faces").mkdir(parents=True)
    for number in range(4):
        pixels = np.full((8, 8, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "root" / "faces" / f"{number}.png")
    settings = BuildSettings(format="parquet", embed_images=True)
    _build(tmp_path / "out", settings, count=4, folder=tmp_path / "root")
    folder = Folder.open(tmp_path / "out")
    row = next(r for r in folder.rows(pictures=True) if r["sample"] == "face3")
    [picture] = row["images"]
    assert picture["path"] == "rafdb/faces/3.png"
    assert np.asarray(Image.open(io.BytesIO(picture["bytes"])))[0, 0, 0] == 120
    assert next(folder.rows())["images"] == ["rafdb/faces/0.png"]


def test_card_and_notice_name_the_terms(tmp_path: Path) -> None:
    _build(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\nlicense: other\n")
    assert "  - split: train\n    path: data/train-*.jsonl\n---" in card
    assert "| rows, answers | 110," in card
    assert "research only 20" in (tmp_path / "NOTICE").read_text()


def test_report_counts_by_hand(tmp_path: Path) -> None:
    _build(tmp_path, count=4)
    report = json.loads((tmp_path / "report.json").read_text())
    rows = list(Folder.open(tmp_path).rows())
    assert report["rows"] == len(rows)
    assert report["samples"] == 4
    one = [r["labels"]["action_units"] for r in rows if r["labels"]["action_units"] is not None]
    shown = sum(u["present"] for units in one for u in units if u["au"] == 12)
    assert report["units"]["AU12"]["present"] == shown
    assert report["units"]["AU12"]["not labelled"] == len(rows) - len(one)
    assert report["lengths"]["category"] == {
        **{"fewest": 1, "median": 1, "mean": 1.0, "p95": 1, "most": 1}
    }
    assert report["checks"]["read_back"] == report["checks"]["kept"] == len(rows)
    both = report["links"]
    for expression, found in both.items():
        rows_of = [
            r["labels"]
            for r in rows
            if r["labels"]["expression"] == expression and r["labels"]["action_units"] is not None
        ]
        assert found["rows"] == len(rows_of)
    page = (tmp_path / "report.html").read_text()
    assert "Texts to read" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_full_disk_leaves_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mien.partfile

    written = []
    real = mien.partfile._write_all

    def full(file: io.FileIO, data: bytes) -> None:
        written.append(len(data))
        if sum(written) > 30_000:
            file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(mien.partfile, "_write_all", full)
        with pytest.raises(SinkError, match="the disk is full; free some space"):
            _build(tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.part"))
    listed = json.loads((tmp_path / "out" / "build.json").read_text())["shards"]
    assert len(listed) < 6
    _build(tmp_path / "out")
    _build(tmp_path / "fresh")
    assert _files(tmp_path / "out") == _files(tmp_path / "fresh")


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    def each(rows: int) -> None:
        with pytest.raises(BuildError, match="another run is writing"):
            _build(tmp_path)

    _build(tmp_path, count=3, each=each)


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SinkError, match=f"cannot write {file}/out"):
        _build(file / "out")


def test_a_missing_shard_says_how_to_get_it_back(tmp_path: Path) -> None:
    _build(tmp_path)
    wanted = _files(tmp_path)
    (tmp_path / "data" / "train-00001.jsonl").unlink()
    with pytest.raises(BuildError, match=r"train-00001\.jsonl is missing; run the same"):
        list(Folder.open(tmp_path).rows())
    _build(tmp_path)
    assert _files(tmp_path) == wanted
    assert PartFile(tmp_path / "report.json").path.is_file()
