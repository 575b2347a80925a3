"""Rows name files of their own dataset, or are set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from mien.data.build.build_set import build, prepare
from mien.data.build.embed import encoded_path
from mien.data.build.missing_media import Missing
from mien.data.build.settings import BuildSettings
from mien.data.build.sources import Source
from mien.data.check import check_dataset
from mien.data.inside import OutsideError, is_there, located
from mien.data.pictures import open_frames, open_path
from mien.data.roots import read_roots, write_roots
from mien.media import MediaError
from mien.sample import Sample


def picture(path: Path, grey: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), (grey, grey, grey)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture(tmp_path / "set" / "sub" / "a.png")
    picture(tmp_path / "other" / "b.png")
    (tmp_path / "other" / "greys.txt").write_text(" ".join(["7"] * 2304))
    (tmp_path / "set" / "link.png").symlink_to(tmp_path / "other" / "b.png")
    (tmp_path / "set" / "own.png").symlink_to(tmp_path / "set" / "sub" / "a.png")
    (tmp_path / "set" / "folder").symlink_to(tmp_path / "other")
    return tmp_path / "set"


INSIDE = ["sub/a.png", "own.png", "sub/../sub/a.png", "./sub/a.png"]
OUTSIDE = [
    *("../other/b.png", "link.png", "folder/b.png", "sub/../../other/b.png"),
    *("/etc/passwd", "C:\\a.png", "\\\\host\\a.png", "http://host/a.png", "file:///etc/passwd"),
    *("..", "../other/greys.txt#byte=0"),
]


@pytest.mark.parametrize("name", INSIDE)
def test_files_inside_are_found(folder: Path, name: str) -> None:
    assert is_there(name, folder)
    assert open_path(name, folder).shape == (40, 40, 3)


@pytest.mark.parametrize("name", OUTSIDE)
def test_files_elsewhere_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(OutsideError):
        located(name.partition("#")[0], folder)
    with pytest.raises(OutsideError):
        open_path(name, folder)
    with pytest.raises(OutsideError):
        encoded_path(name, folder)
    with pytest.raises(OutsideError):
        open_frames(Sample("x", "d", video=name.partition("#")[0]), folder, 2)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b.png", "x/" * 3000])
def test_names_that_no_file_can_have_are_not_there(folder: Path, name: str) -> None:
    assert not is_there(name, folder)


def test_what_is_embedded_is_a_picture(folder: Path) -> None:
    (folder / "notes.txt").write_text("not for others")
    with pytest.raises(MediaError):
        encoded_path("notes.txt", folder)


def test_check_and_build_set_such_rows_aside(folder: Path, tmp_path: Path) -> None:
    rows = ["sub/a.png,happiness", *(f"{n},sadness" for n in ("../other/b.png", "link.png"))]
    (folder / "labels.csv").write_text("\n".join(["image,expression", *rows]) + "\n")
    report = check_dataset("csv", folder)
    assert report.bad_rows.count == 2
    assert report.missing.count == 0
    out = tmp_path / "built"
    missing: Missing
    for missing in ("stop", "keep"):
        sources = [Source("csv", folder)]
        settings = BuildSettings(format="parquet", embed_images=missing == "stop")
        settings, found = prepare(sources, settings, missing=missing)
        built = build(sources, settings, found, out / missing, processes=1)
        assert built.report.left_out == {"csv": {"picture outside of the dataset's folder": 2}}
        files = (out / missing / "data").glob("*.parquet")
        samples = {row["sample"] for f in files for row in pq.read_table(f).to_pylist()}
        assert samples == {"sub/a.png"}


def test_a_built_set_finds_its_sources_pictures(folder: Path, tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.mkdir()
    (built / "build.json").write_text("{}")
    with pytest.raises(OutsideError):
        located("../other/b.png", built)
    other = tmp_path / "again"
    other.mkdir()
    (other / "build.json").write_text("{}")
    write_roots(other, {"other": tmp_path / "other"})
    assert is_there("../other/b.png", other)
    with pytest.raises(OutsideError):
        located("../set/sub/a.png", other)


def test_roots_that_this_user_did_not_write_widen_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "private" / "b.png")
    places = {"x": str(tmp_path / "private")}
    write_roots(tmp_path, {"x": tmp_path / "private"})
    assert read_roots(tmp_path) == {"x": tmp_path / "private"}
    sealed = json.loads((tmp_path / "roots.json").read_text())
    for forged in (
        places,
        {"sources": places},
        {"sources": places, "seal": None},
        {"sources": places, "seal": "none"},
        {"sources": {**places, "y": "/"}, "seal": sealed["seal"]},
        [],
        {"sources": places, "seal": "None"},
    ):
        downloaded = tmp_path / f"set{len(list(tmp_path.iterdir()))}"
        downloaded.mkdir()
        (downloaded / "build.json").write_text("{}")
        (downloaded / "roots.json").write_text(json.dumps(forged))
        assert read_roots(downloaded) == {}
        with pytest.raises(OutsideError):
            located("../private/b.png", downloaded)
    for home in ("another", "build.json"):  # another user, and one who can keep nothing
        (tmp_path / "build.json").write_text("{}")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / home))
        assert read_roots(tmp_path) == read_roots(downloaded) == {}
    write_roots(tmp_path, {"x": tmp_path / "private"})
    assert read_roots(tmp_path) == {}
