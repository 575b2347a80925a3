"""The page to read on, and agreement over the marks that it saves."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.data.build.build_set import build
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.review.reviewer_agreement import agreement, read_marks
from tests.data import layouts
from tests.data.build.made_up import MadeUp, prepare, sample, samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root" / "faces").mkdir(parents=True)
    for number in range(5):  # the sixth is missing
        picture = Image.fromarray(np.full((9, 9, 3), 40 * number, np.uint8))
        picture.save(tmp_path / "root" / "faces" / f"{number}.png")
    sources = [MadeUp(samples(6), folder=tmp_path / "root")]
    settings, found = prepare(sources, BuildSettings())
    build(sources, settings, found, tmp_path / "set")
    return tmp_path / "set"


def test_page_has_pictures_labels_texts_and_marks(folder: Path) -> None:
    done = CliRunner().invoke(app, ["data", "review", str(folder), "--count", "500"])
    assert done.exit_code == 0, done.output
    page = (folder / "review.html").read_text()
    assert page.count("<article") == sum(1 for _ in (folder / "data" / "train-00000.jsonl").open())
    assert "data:image/jpeg;base64," in page
    assert "faces/5.png: no such file" in page.replace("\n", " ")
    assert not re.search(r"(?:src|href)=.https?:", page)
    assert page.count('value="wrong AU"') == page.count("<article")


def test_clips_are_shown_by_frames(tmp_path: Path) -> None:
    layouts.video(tmp_path / "root/films/1.mkv", [0, 50, 100, 150, 200, 250])
    made = [sample(n, image=None, video=f"films/{n}.mkv") for n in (1, 2)]
    sources = [MadeUp(made, folder=tmp_path / "root")]
    settings, found = prepare(sources, BuildSettings(tasks=("category",)))
    build(sources, settings, found, tmp_path / "set")
    done = CliRunner().invoke(app, ["data", "review", str(tmp_path / "set")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "set/review.html").read_text()
    codes = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    greys = [np.asarray(Image.open(io.BytesIO(base64.b64decode(c))))[0, 0, 0] for c in codes]
    assert greys == pytest.approx([50, 150, 250], abs=2)
    assert "frames of rafdb/films/1.mkv" in page
    assert "films/2.mkv: no such file" in page


def test_a_seed_draws_the_same_rows(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        arguments = ["--count", "5", "--seed", seed, "--out", str(tmp_path / name)]
        assert CliRunner().invoke(app, ["data", "review", str(folder), *arguments]).exit_code == 0
    drawn = [_ids((tmp_path / n).read_text()) for n in "abc"]
    assert len(drawn[0]) == 5
    assert drawn[0] == drawn[1] != drawn[2]


def _ids(page: str) -> list[str]:
    return json.loads(re.findall('id="rows">(.+?)</script>', page)[0])["ids"]


def test_only_the_script_of_the_page_may_run_and_gets_the_true_ids(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>\u202e\x1b"
    made = [sample(1, id=hostile)]
    settings, found = prepare([MadeUp(made)], BuildSettings())
    build([MadeUp(made)], settings, found, tmp_path)
    assert CliRunner().invoke(app, ["data", "review", str(tmp_path)]).exit_code == 0
    page = (tmp_path / "review.html").read_text()
    _, script = re.findall("<script[^>]*>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in page
    assert all(hostile in name for name in _ids(page))
    assert "\x1b" not in page


def _marks(path: Path, marks: dict[str, str]) -> Path:
    lines = [json.dumps({"id": i, "mark": m, "note": "", "rater": "x"}) for i, m in marks.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_agreement_of_two_by_hand(tmp_path: Path) -> None:
    one = _marks(tmp_path / "1.jsonl", {"a": "good", "b": "good", "c": "wrong AU", "x": "good"})
    two = _marks(tmp_path / "2.jsonl", {"a": "good", "b": "wrong AU", "c": "wrong AU"})
    found = agreement([one, two])
    assert (found.shared, found.same) == (3, 2)
    assert found.differing == {"b": ("good", "wrong AU")}
    # observed 2/3, expected (2 * 1 + 1 * 2) / 9
    assert found.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))
    done = CliRunner().invoke(app, ["data", "review", "--agreement", str(one), str(two)])
    assert done.exit_code == 0
    assert "Cohen's kappa 0.400" in done.output


def test_from_the_page_to_the_agreement_of_two_raters(folder: Path, tmp_path: Path) -> None:
    """Two people mark the rows of the same page; what it saves is a line for each mark."""
    assert CliRunner().invoke(app, ["data", "review", str(folder), "--count", "10"]).exit_code == 0
    page = (folder / "review.html").read_text()
    names = _ids(page)
    good, wrong, bad = list(dict.fromkeys(re.findall('type="radio"[^>]* value="([^"]+)"', page)))[
        :3
    ]
    assert len(set(names)) == 10
    one = dict.fromkeys(names[:8], good) | {names[8]: wrong, names[9]: bad}
    two = dict.fromkeys(names[:7], good) | {names[7]: wrong, names[8]: wrong}  # the last is open
    files = [
        str(_marks(tmp_path / f"marks-{rater}.jsonl", marks))
        for rater, marks in (("ann", one), ("ben", two))
    ]
    done = CliRunner().invoke(app, ["data", "review", "--agreement", *files])
    assert done.exit_code == 0, done.output
    assert "marks-ann.jsonl: 10 marks (good 8, wrong expression 1, wrong AU 1)" in done.output
    assert "marks-ben.jsonl: 9 marks (good 7, wrong expression 2)" in done.output
    assert "9 rows marked by two or more; all agree on 88.9 %" in done.output
    # observed 8/9; expected (8 * 7 + 1 * 2) / 81
    kappa = (8 / 9 - 58 / 81) / (1 - 58 / 81)
    assert f"Cohen's kappa {kappa:.3f}" in done.output
    assert f"{names[7]}: good / wrong expression" in done.output


def test_more_than_two_have_alpha_alone(tmp_path: Path) -> None:
    files = [_marks(tmp_path / f"{n}.jsonl", {"a": "good", "b": "wrong AU"}) for n in range(3)]
    found = agreement(files)
    assert found.kappa is None
    assert found.alpha == 1


def test_raters_who_give_one_mark_throughout_have_no_kappa(tmp_path: Path) -> None:
    files = [str(_marks(tmp_path / f"{n}.jsonl", {"a": "good", "b": "good"})) for n in range(2)]
    done = CliRunner().invoke(app, ["data", "review", "--agreement", *files])
    assert done.exit_code == 0
    assert "all agree on 100.0 %" in done.output
    assert "Cohen's kappa undefined: all marks are the same" in done.output
    assert "Krippendorff's alpha undefined: all marks are the same" in done.output
    assert "nan" not in done.output


def test_bad_marks_are_named(tmp_path: Path) -> None:
    bad = _marks(tmp_path / "1.jsonl", {"a": "fine"})
    with pytest.raises(BuildError, match="line 1: unknown mark 'fine'; good, wrong expression"):
        read_marks(bad)
    one = _marks(tmp_path / "1.jsonl", {"a": "good"})
    two = _marks(tmp_path / "2.jsonl", {"b": "good"})
    with pytest.raises(BuildError, match="no row was marked by two raters"):
        agreement([one, two])
    assert CliRunner().invoke(app, ["data", "review", str(tmp_path)]).exit_code == 2
