"""The folder of a set: what is in it stays whole, what others put there stays theirs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mien.data.build.budget import Budget, Prices
from mien.data.build.build_set import WorkerLostError, build
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.shards import Folder, own
from mien.data.build.teacher import Teacher
from mien.data.build.teacher_replies import REPLIES, Replies
from mien.partfile import write_whole
from mien.train.rows import RowsError, _files
from tests.data.build.made_up import MadeUp, prepare, sample, samples

SETTINGS = BuildSettings(per_shard=20)


def _build(out: Path, made: list | None = None, **more: object) -> Folder:
    sources = [MadeUp(made or samples(20))]
    whole, found = prepare(sources, SETTINGS)
    build(sources, whole, found, out, **more)  # type: ignore[arg-type]
    return Folder.open(out)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_replies_are_opened_by_the_run_that_owns_the_folder(tmp_path: Path) -> None:
    (tmp_path / REPLIES).write_bytes(b'{"torn')
    opened = []

    @contextmanager
    def writer() -> Iterator[Teacher]:
        opened.append(1)
        with Replies(tmp_path / REPLIES) as replies:
            yield Teacher(None, replies, SETTINGS, {}, budget=Budget(Prices(), None))  # type: ignore[arg-type]

    with own(tmp_path), pytest.raises(BuildError, match="another run is writing"):
        _build(tmp_path, writer=writer)
    assert not opened
    assert (tmp_path / REPLIES).read_bytes() == b'{"torn'


@pytest.mark.parametrize("name", ["README.md", "NOTICE", "report.html", "data/mine.txt"])
def test_files_of_others_are_not_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(BuildError, match=r"no build\.json is beside it.*choose another --out"):
        _build(tmp_path)
    assert _bytes(tmp_path) == {path.name: b"mine"}


def test_a_folder_with_other_files_is_taken(tmp_path: Path) -> None:
    (tmp_path / "todo.txt").write_text("mine")
    _build(tmp_path)
    (tmp_path / "README.md").write_text("changed by hand")
    (tmp_path / "report.html").unlink()
    _build(tmp_path)
    assert (tmp_path / "README.md").read_text().startswith("---")
    assert (tmp_path / "todo.txt").read_text() == "mine"


@pytest.mark.parametrize("how", ["cut", "changed"])
def test_a_damaged_shard_is_made_again(tmp_path: Path, how: str) -> None:
    folder = _build(tmp_path)
    wanted = _bytes(tmp_path)
    path = folder.file(folder.shards[2].name)
    data = path.read_bytes()
    path.write_bytes(data[:-9] if how == "cut" else data.replace(b"happiness", b"harpiness"))
    if how == "cut":
        with pytest.raises(BuildError, match=r"00002\.jsonl is damaged: it has .* run the same"):
            list(Folder.open(tmp_path).rows())
        with pytest.raises(RowsError, match=r"00002\.jsonl is damaged"):
            _files(tmp_path)
    _build(tmp_path)
    assert _bytes(tmp_path) == wanted


def test_folders_without_sizes_are_read_and_gone_on_with(tmp_path: Path) -> None:
    _build(tmp_path)
    wanted = _bytes(tmp_path)
    manifest = json.loads((tmp_path / "build.json").read_text())
    for shard in manifest["shards"]:
        del shard["size"]
    (tmp_path / "build.json").write_text(json.dumps(manifest))
    assert len(list(Folder.open(tmp_path).rows())) == manifest["rows"]
    (tmp_path / "data" / "train-00001.jsonl").write_bytes(b"")
    _build(tmp_path)
    assert {k: v for k, v in _bytes(tmp_path).items() if k != "build.json"} == {
        k: v for k, v in wanted.items() if k != "build.json"
    }


def test_settings_that_an_older_mien_did_not_know_are_as_by_default(tmp_path: Path) -> None:
    _build(tmp_path)
    manifest = json.loads((tmp_path / "build.json").read_text())
    assert set(manifest["settings"]["sources"]["rafdb"]) == {"options", "hash"}
    del manifest["settings"]["against"], manifest["left_out"]
    (tmp_path / "build.json").write_text(json.dumps(manifest))
    shards = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").iterdir()}
    _build(tmp_path)
    assert shards == {p: p.stat().st_mtime_ns for p in (tmp_path / "data").iterdir()}


def test_a_finished_set_is_not_written_to(tmp_path: Path) -> None:
    _build(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != "roots.json"}
    _build(tmp_path)
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != "roots.json"}
    del before[tmp_path / "data"], after[tmp_path / "data"]
    assert before == after


class _Deadly(str):
    """Ends the process that unpickles it, as a lack of memory does."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (1,)


def test_a_killed_process_is_one_clear_error(tmp_path: Path) -> None:
    made = [sample(n, licence=_Deadly("mine") if n == 9 else "mine") for n in range(20)]
    with pytest.raises(WorkerLostError, match="Give --processes 1 and the same command goes on"):
        _build(tmp_path, made, processes=2)
    _build(tmp_path, made)


def test_ctrl_c_leaves_no_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.partfile.os.fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "build.json", b"{}")
    assert not list(tmp_path.iterdir())
