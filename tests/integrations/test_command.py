"""`python -m mien.bench.harness` on the benchmark that comes with mien, and on a user's disk."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mien.bench.harness.__main__ import main
from mien.synth.feabench import load_feabench
from tests.integrations.conftest import picture

SUITE = """\
name = "mine"
version = 1
title = "Mine"
label_set = "basic7"
[source]
reader = "csv"
[[tasks]]
kind = "expression"
prompt = "Which expression?"
"""


def test_feabench_synth_for_lmms_eval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lmms-eval", "feabench-synth", "--out", str(tmp_path), "--limit", "5"]) == 0
    assert "mien_feabench_synth" in capsys.readouterr().out
    rows = pq.read_table(tmp_path / "feabench-synth.parquet").to_pylist()
    assert len(rows) == 5
    benchmark = load_feabench()
    place = {sample.id: index for index, sample in enumerate(benchmark.samples)}
    assert all(row["image"]["bytes"] == benchmark.encoded(place[row["id"]]) for row in rows)
    assert all(row["au_detection"] is not None for row in rows)


def test_feabench_synth_for_vlmevalkit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vlmevalkit", "feabench-synth", "--out", str(tmp_path), "--limit", "5"]) == 0
    assert "5 questions of mien_feabench_synth_au_detection" in capsys.readouterr().out
    assert (tmp_path / "mien_feabench_synth_au_detection.tsv").is_file()


def test_a_dataset_on_the_disk_keeps_its_files(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SUITE)
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.png").write_bytes(picture(7))
    (data / "labels.csv").write_text("image,expression\na.png,happy\n")
    arguments = ["lmms-eval", str(tmp_path / "mine.toml"), "--data", str(data / "labels.csv")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    (row,) = pq.read_table(tmp_path / "out" / "mine.parquet").to_pylist()
    assert row["image"]["bytes"] == picture(7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lmms-eval", "no-suite"], "there is no suite 'no-suite'"),
        (["vlmevalkit", "rafdb"], "say where it is with --data DIR"),
        (["vlmevalkit", "rafdb", "--data", "nowhere"], "no such file or folder"),
    ],
)
def test_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
