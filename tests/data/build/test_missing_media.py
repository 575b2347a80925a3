"""Copies of datasets that lack files, and files that cannot be read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.data.build import plan
from mien.data.build.build_set import build
from mien.data.build.missing_media import AbsentError
from mien.data.build.settings import BuildSettings
from mien.data.build.shards import Folder
from tests.data import layouts
from tests.data.build.made_up import MadeUp, prepare, sample


def _run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["data", "build", *arguments, "--processes", "1"])
    return done.exit_code, " ".join(done.output.split())


def test_missing_pictures_stop_the_build_before_it_begins(tmp_path: Path) -> None:
    root, out = tmp_path / "raf", tmp_path / "out"
    layouts.rafdb(root)
    lost = root / "basic/Image/aligned/train_00002_aligned.jpg"
    lost.unlink()
    arguments = ["--source", f"rafdb={root}", "--out", str(out)]
    code, output = _run(*arguments)
    assert code == 1
    assert "the pictures of 1 of 2 samples are missing" in output
    assert f"mien data check rafdb {root}" in output
    assert str(lost) in output
    assert not out.exists()
    code, output = _run(*arguments, "--missing", "leave-out")
    assert code == 0, output
    assert "1 sample of rafdb left out: picture missing" in output
    assert {row["sample"] for row in Folder.open(out).rows()} == {"train_00001"}
    assert json.loads((out / "report.json").read_text())["left_out"] == {
        "rafdb": {"picture missing": 1}
    }
    assert "| samples of rafdb left out | picture missing 1 |" in (out / "README.md").read_text()
    assert "<h2>Left out</h2>" in (out / "report.html").read_text()
    code, output = _run("--source", f"rafdb={root}", "--out", f"{out}2", "--missing", "keep")
    assert code == 0
    assert len({row["sample"] for row in Folder.open(Path(f"{out}2")).rows()}) == 2


def test_frames_and_videos_count_as_pictures(tmp_path: Path) -> None:
    layouts.picture(tmp_path / "clip/1.png")
    (tmp_path / "table.csv").write_text("")
    made = [
        sample(0, image=None, frames=("clip/1.png", "clip/2.png")),
        sample(1, image=None, video="clips/1.mp4"),
        sample(2, image="table.csv#byte=7"),
        sample(3, image="other.parquet#row=1"),
        sample(4, expression=None, image="nobody/asks.png"),
    ]
    source = MadeUp(made, folder=tmp_path)
    with pytest.raises(AbsentError, match=r"3 of 5 samples are missing.* clip/2\.png|clip/2\.png"):
        plan.survey([source], BuildSettings())
    found = plan.survey([source], BuildSettings(), missing="leave-out")
    assert found.left_out["rafdb"] == {"picture missing": 3}
    kept = list(plan.items([source], BuildSettings(), found))
    assert [item.sample.id for item in kept] == ["face2"]


def _pictures(root: Path, count: int) -> None:
    for number in range(count):
        layouts.picture(root / f"faces/{number}.png", number)


def test_an_unreadable_picture_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    _pictures(root, 6)
    whole = (root / "faces/2.png").read_bytes()
    (root / "faces/2.png").write_bytes(whole[:40])
    (root / "faces/4.png").unlink()
    settings = BuildSettings(per_shard=10, format="parquet", embed_images=True)
    sources = [MadeUp([sample(n) for n in range(6)], folder=root)]
    prepared, found = prepare(sources, settings)
    build(sources, prepared, found, out)
    folder = Folder.open(out)
    aside = list(folder.set_aside())
    assert Counter(row["id"].split("/")[1] for row in aside) == {"face2": 4, "face4": 4}
    assert {row["rule"] for row in aside} == {"unreadable"}
    assert all(row["reason"].startswith("rafdb/faces/") for row in aside)
    assert {row["sample"] for row in folder.rows()} == {"face0", "face1", "face3", "face5"}
    assert json.loads((out / "report.json").read_text())["checks"]["set_aside"] == {"unreadable": 8}
    for name in ("2", "4"):
        (root / f"faces/{name}.png").write_bytes(whole)
    build(sources, prepared, found, out)  # mended: the same command makes up for it
    assert {row["sample"] for row in Folder.open(out).rows()} == {f"face{n}" for n in range(6)}
    assert not (out / "set_aside.jsonl").exists()
