"""Sets that must share nobody and no picture with what is built."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.data.build.exclude_overlap import find_shared, label_of
from mien.data.build.settings import BuildError
from mien.data.build.shards import Folder
from mien.data.build.sources import parse_source


def _face(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC)


def _table(root: Path, rows: dict[int, str], split: str, dataset: str = "mine") -> Path:
    """Faces by number, each with a person."""
    root.mkdir()
    lines = ["image,subject,split,expression,dataset"]
    for number, person in rows.items():
        _face(number).save(root / f"{number}.png")
        lines.append(f"{number}.png,{person},{split},anger,{dataset}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def test_people_and_near_pictures_of_another_set_are_left_out(tmp_path: Path) -> None:
    train = _table(tmp_path / "train", {1: "ann", 2: "bob", 3: "", 4: "cem", 5: ""}, "train")
    bench = _table(tmp_path / "bench", {7: "bob", 8: ""}, "test")
    other = _table(tmp_path / "other", {9: "ann"}, "test", dataset="another")
    _face(3).resize((64, 64)).save(bench / "8.png", quality=60)  # the same picture, scaled
    arguments = ["--source", f"csv={train}", "--out", str(tmp_path / "out"), "--processes", "1"]
    sets = ["--against", f"csv={bench}@test", "--against", f"csv={other}"]
    done = CliRunner().invoke(app, ["data", "build", *arguments, *sets])
    assert done.exit_code == 0, done.output
    rows = list(Folder.open(tmp_path / "out").rows())
    assert {row["sample"] for row in rows} == {"1.png", "4.png", "5.png"}
    assert json.loads((tmp_path / "out/report.json").read_text())["left_out"] == {
        "csv": {"person also in csv@test": 1, "picture also in csv@test": 1}
    }
    card = (tmp_path / "out/README.md").read_text()
    assert "person also in csv@test 1, picture also in csv@test 1" in card
    assert "1 sample of csv left out: picture also in csv@test" in done.output
    again = CliRunner().invoke(app, ["data", "build", *arguments])
    assert again.exit_code == 2
    assert "against is" in again.output


def test_what_cannot_be_compared_is_counted(tmp_path: Path) -> None:
    train = _table(tmp_path / "train", {1: "", 2: ""}, "train")
    bench = _table(tmp_path / "bench", {3: ""}, "test")
    (bench / "3.png").write_bytes(b"broken")
    found = find_shared([f"csv={bench}"], [parse_source(f"csv={train}")], "train")
    assert len(found.unreadable) == 1
    assert not found.pictures
    with pytest.raises(BuildError, match="unknown dataset 'cvs'"):
        find_shared([f"cvs={bench}"], [parse_source(f"csv={train}")], "train")


def test_labels_of_sets_name_no_folder(tmp_path: Path) -> None:
    assert label_of(f"rafdb={tmp_path}@test") == "rafdb@test"
    assert label_of(f"csv={tmp_path}") == "csv"
    assert label_of(str(tmp_path / "bench")) == "bench"
