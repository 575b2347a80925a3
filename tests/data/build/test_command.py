"""The command: from a dataset in its own layout to a set, stopped in every way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.data.build.pseudo import pseudo_labels
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.shards import Folder
from mien.data.build.sources import parse_sources
from mien.data.roots import read_roots
from mien.schema import ActionUnit, Analysis
from tests.data.build.made_up import MadeUp, sample, survey
from tests.engines.bad_server import Answer, bad_server


@pytest.fixture
def table(tmp_path: Path) -> Path:
    root = tmp_path / "table"
    root.mkdir()
    lines = ["image,subject,split,expression,AU6,AU12,AU4"]
    for number in range(400):
        expression = ("happiness", "anger", "")[number % 3]
        lines.append(f"{number}.png,p{number},train,{expression},1,{number % 2},0")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "0.png")
    return root


def _run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["data", "build", "--missing", "keep", *arguments])
    return done.exit_code, " ".join(done.output.split())


def test_a_table_becomes_a_set(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--source", f"csv={table}", "--out", str(out), "--processes", "1"]
    code, output = _run(*arguments, "--count", "300", "--per-sample", "2")
    assert code == 0, output
    assert "300 rows about" in output
    assert sum(1 for _ in Folder.open(out).rows()) == 300
    assert "A table of your own (csv): 400 samples" in (out / "NOTICE").read_text()
    assert read_roots(out) == {"csv": table}
    code, output = _run(*arguments, "--count", "301", "--per-sample", "2")
    assert code == 2
    assert "begun with other settings: count is 300 there and 301 here" in output


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_ended_from_outside_goes_on_to_the_same_bytes(
    table: Path, tmp_path: Path, how: signal.Signals
) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from mien.data.build.build_set import build, prepare\n"
        "from mien.data.build.settings import BuildSettings\n"
        "from mien.data.build.sources import Source\n"
        "source = [Source('csv', Path(sys.argv[1]))]\n"
        "settings, found = prepare(source, BuildSettings(per_shard=100), missing='keep')\n"
        "build(source, settings, found, Path(sys.argv[2]),"
        " each=lambda rows: time.sleep(float(sys.argv[3])))\n"
    )
    command = [sys.executable, "-c", script, str(table)]
    process = subprocess.Popen([*command, str(tmp_path / "stopped"), "0.2"], stderr=subprocess.PIPE)
    try:
        shard = tmp_path / "stopped" / "data" / "train-00002.jsonl"
        end = time.monotonic() + 60
        while not shard.exists() and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(how)
    finally:
        process.wait(timeout=60)
    assert process.returncode != 0
    assert not (tmp_path / "stopped" / "report.json").exists()
    for name in ("stopped", "whole"):
        subprocess.run([*command, str(tmp_path / name), "0"], check=True, env=dict(os.environ))
    files = sorted(p for p in (tmp_path / "whole").rglob("*") if p.is_file())
    assert len(files) > 15
    for file in files:
        other = tmp_path / "stopped" / file.relative_to(tmp_path / "whole")
        assert other.read_bytes() == file.read_bytes(), file.name


def test_wrong_sources_are_named(table: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    code, output = _run("--source", "rafdb", "--out", out)
    assert (code, "is not NAME=DIR" in output) == (2, True)
    code, output = _run("--source", "rabdb=x", "--out", out)
    assert code == 2
    assert "unknown dataset 'rabdb'; mien reads rafdb" in output
    code, output = _run("--source", f"rafdb={table}", "--out", out)
    assert code == 1
    assert "no labels of the basic part. Looked for" in output
    (table / "labels.csv").write_text("image,expression\na.png,hungry\n")
    code, output = _run("--source", f"csv={table}", "--out", out)
    assert code == 1
    assert "hungry" in output
    assert "labels.csv" in output
    assert not Path(out).exists()
    for wrong, words in (("images=none", "option images is 'none'"), ("x=1", "no option 'x'")):
        code, output = _run("--source", f"rafdb={table},{wrong}", "--out", out)
        assert (code, words in output) == (2, True)
    with pytest.raises(BuildError, match=r"'csv' is given twice; .* --source left:csv=DIR"):
        parse_sources([f"csv={table}", f"csv={table}"])


def test_a_remote_teacher_needs_permission(table: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    remote = ["--teacher", "openai:m@https://api.example.com/v1"]
    code, output = _run("--source", f"csv={table}", "--out", out, *remote)
    assert code == 2
    assert "would send pictures to api.example.com" in output
    assert "--yes" in output
    code, output = _run("--source", f"csv={table}", "--out", out, *remote, "--estimate")
    assert code == 0
    assert "requests, about" in output
    assert not Path(out).exists()


def test_a_teacher_of_whom_nothing_is_kept_is_a_failure(table: Path, tmp_path: Path) -> None:
    (table / "labels.csv").write_text("image,expression\n0.png,anger\n")
    refuses = Answer(200, {"choices": [{"message": {"content": "I cannot help with that."}}]})
    with bad_server(lambda seen: refuses) as server:
        teacher = ["--teacher", f"openai:m@{server.url}", "--tasks", "expression_description"]
        code, output = _run("--source", f"csv={table}", "--out", str(tmp_path / "out"), *teacher)
    assert code == 1
    assert "error: no row was kept" in output
    assert "report.html" in output


def test_pseudo_labels_fill_gaps_only_and_are_marked(tmp_path: Path) -> None:
    units = (ActionUnit(12, present=True, probability=0.9), ActionUnit(4, present=False))
    rows = [
        Analysis("faces/0.png", face=0, action_units=units),
        Analysis("faces/1.png", face=0, action_units=units),
        Analysis(str(tmp_path / "faces/2.png"), face=0, action_units=units),
        Analysis("faces/3.png", status="no_face"),
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(row.to_json() for row in rows) + "\n")
    change = pseudo_labels(file)
    made = [sample(0), sample(1, units={6: True}), sample(2), sample(3)]
    changed = [change(one, tmp_path) for one in made]
    assert [one.pseudo for one in changed] == [True, False, True, False]
    assert changed[0].action_units == units
    assert changed[1] == made[1]
    source = [MadeUp(made, folder=tmp_path)]
    assert survey(source, BuildSettings(), change).tasks["reasoning"] == 3
    file.write_text("{}\n")
    with pytest.raises(BuildError, match="line 1: no row of `mien analyze --format jsonl`"):
        pseudo_labels(file)
