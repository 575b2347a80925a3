"""The shipped model on a real photograph, from start to end."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import mien
from mien.cli import app
from mien.language import parse
from mien.weights import WeightsError, verify

pytestmark = pytest.mark.slow
PHOTO = "examples/astronaut.jpg"


@pytest.fixture(scope="module")
def analyzer():
    return mien.load(device="cpu")


@pytest.fixture(scope="module")
def row(analyzer):
    (row,) = analyzer.analyze(PHOTO)
    return row


def test_smiling_astronaut(row):
    assert row.status == "ok"
    assert row.expression.label == "happiness"
    assert row.unit(12).present
    assert not row.unit(15).present
    assert row.box[0] < 225 < row.box[2]
    assert row.box[1] < 120 < row.box[3]


def test_words_agree_with_numbers(row):
    parsed = parse(row.text)
    assert parsed.status == "ok"
    assert parsed.expression == row.expression.label
    assert set(parsed.units) == {u.au for u in row.action_units if u.present}
    assert row.warnings == ()
    assert len(row.text.splitlines()[1].split()) > 4  # a reason, not only the label line


def test_same_answer_again_and_in_a_batch(analyzer, row):
    again = analyzer.analyze([PHOTO, PHOTO])
    for other in again:
        assert other.text == row.text
        for name, score in row.expression.scores.items():
            assert other.expression.scores[name] == pytest.approx(score, abs=1e-4)


def test_numbers_alone_are_the_numbers_with_text(analyzer, row):
    (quick,) = analyzer.analyze(PHOTO, numbers=True)
    assert quick.text is None
    assert quick.expression.label == row.expression.label
    assert [u.present for u in quick.action_units] == [u.present for u in row.action_units]


def test_brightness_and_scale_do_not_change_the_label(analyzer, tmp_path):
    photo = Image.open(PHOTO)
    darker = photo.point(lambda v: int(v * 0.7))
    smaller = photo.resize((256, 256))
    for i, picture in enumerate((darker, smaller)):
        picture.save(tmp_path / f"{i}.png")
    rows = analyzer.analyze(tmp_path, numbers=True)
    assert [r.expression.label for r in rows] == ["happiness", "happiness"]


def test_two_people_are_two_rows(analyzer, tmp_path):
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    both = np.concatenate([photo, photo[:, ::-1]], axis=1)
    Image.fromarray(both).save(tmp_path / "both.png")
    rows = analyzer.analyze(tmp_path / "both.png", numbers=True)
    assert [r.face for r in rows] == [0, 1]
    assert {r.expression.label for r in rows} == {"happiness"}


def test_models_command_gives_figures():
    result = CliRunner().invoke(app, ["models", "--json"])
    nano, video = json.loads(result.stdout)
    assert (nano["state"], video["state"]) == ("ok", "ok")
    assert video["headline"]["UAR, rendered clips"] > 0.5
    assert nano["bytes"] < 25e6
    assert nano["headline"]["parse rate"] == 1.0
    assert nano["headline"]["FERPlus validation WAR"] > 0.8


def test_damaged_weights_are_told_by_checksum(monkeypatch, tmp_path):
    import shutil

    import mien.weights as weights

    shutil.copytree(weights.ROOT, tmp_path / "weights")
    file = tmp_path / "weights" / "nano" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    monkeypatch.setattr(weights, "ROOT", tmp_path / "weights")
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        verify("nano")
    result = CliRunner().invoke(app, ["analyze", PHOTO])
    assert result.exit_code == 2
    assert "reinstall" in result.output


FORKED = """
import os, sys
import mien
analyzer = mien.load(device="cpu")
analyzer.analyze("examples/astronaut.jpg", numbers=True)
child = os.fork()
if child == 0:
    try:
        analyzer.analyze("examples/astronaut.jpg", numbers=True)
    except mien.engines.EngineError as error:
        print(error, flush=True)
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_an_analyzer_in_a_forked_process_says_so_and_ends():
    run = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120, check=True
    )
    said, code = run.stdout.splitlines()
    assert "mien.load()" in said
    assert code == "7"
