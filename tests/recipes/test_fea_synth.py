"""FEA-Synth, made of a few pictures in the layout of `mien synth`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from recipes.fea_synth.__main__ import make
from recipes.fea_synth.page import page

from mien.data.build.shards import Folder
from mien.sample import Sample
from mien.schema import ActionUnit, Expression


def _faces(folder: Path, count: int) -> None:
    folder.mkdir()
    lines = []
    for number in range(count):
        shown = number % 2 == 0
        picture = Image.fromarray(np.full((8, 8, 3), 10 * number, np.uint8))
        picture.save(folder / f"{number}.png")
        units = (ActionUnit(6, present=shown), ActionUnit(12, present=shown, intensity=3 * shown))
        label = "happiness" if shown else "neutral"
        sample = Sample(
            id=f"{number}",
            dataset="synth",
            image=f"{number}.png",
            subject=f"p{number}",
            split="train",
            expression=Expression(label, "basic8"),
            action_units=units,
            licence="CC0-1.0 (Anny)",
        )
        lines.append(sample.to_json() + "\n")
    (folder / "samples.jsonl").write_text("".join(lines))


def test_recipe_makes_a_set_and_its_page(tmp_path: Path) -> None:
    _faces(tmp_path / "faces", 10)
    built = make(tmp_path / "faces", tmp_path / "set", 30)
    folder = Folder.open(tmp_path / "set")
    rows = list(folder.rows(pictures=True))
    assert len(rows) == built.rows == 30
    first = np.asarray(Image.open(io.BytesIO(rows[0]["images"][0]["bytes"])))
    assert first[0, 0, 0] == 10 * int(rows[0]["sample"])
    assert built.report.checks["read_back"] == 30
    assert (tmp_path / "set" / "README.md").read_text().startswith("---\nlicense: cc0-1.0\n")
    text = page(built.report, faces=10)
    assert "small run of 10 faces" in text
    assert f"| AU12 | {built.report.units['AU12']['present']} |" in text
    happy = built.report.links["happiness"]
    assert f"| happiness | {happy['rows']} | 100 | 100 |" in text
