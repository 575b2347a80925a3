"""`mien train RECIPE --account`."""

import json

from typer.testing import CliRunner

from mien.cli import app
from tests.train.tiny import tiny_feallm

RECIPE = """\
name: tiny
start: {start}
data:
  train: [{{rows: {rows}}}]
stages:
  - {{name: align, train: [face], max_steps: 1, learning_rate: 1.0e-3, batch_size: 2}}
"""


def test_a_stage_is_counted_from_the_configuration_alone(tmp_path):
    model = tiny_feallm()
    start = tmp_path / "start"
    start.mkdir()
    (start / "config.json").write_text(model.config.to_json_string())
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({}))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(start=start, rows=rows))
    result = CliRunner().invoke(app, ["train", str(recipe), "--account"])
    assert result.exit_code == 0, result.output
    total = sum(p.numel() for p in model.parameters()) / 1e6
    assert f"align: {total:,.1f} M parameters" in result.output
    assert "GB = 0.00 weights + 0.00 gradients" in result.output
    (start / "config.json").unlink()
    missing = CliRunner().invoke(app, ["train", str(recipe), "--account"])
    assert missing.exit_code == 2
    assert missing.output.startswith("error: ")
