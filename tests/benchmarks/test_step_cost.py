"""The account of a step: against PyTorch's own measure of a real one, and by hand."""

import json
from pathlib import Path

import pytest
import torch
from benchmarks.step_cost import LiveBytes, account, account_stage, main, picture_step
from torch import nn
from torch.profiler import ProfilerActivity, profile

from mien.train.recipe import LoraSpec, Stage
from mien.train.stages import PartCount, prepare_stage
from tests.train.tiny import tiny_feallm

STAGE = Stage(
    name="lora",
    train=("face", "lora"),
    lora=LoraSpec(rank=2, alpha=4, dropout=0.0),
    max_steps=1,
    learning_rate=1e-4,
    batch_size=2,
    precision="float32",
)

RECIPE = """\
name: tiny
start: {start}
data:
  train: [{{rows: {rows}}}]
stages:
  - {{name: align, train: [face], max_steps: 1, learning_rate: 1.0e-3, batch_size: 2}}
"""


def test_operations_and_bytes_of_two_layers_by_hand():
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.Linear(16, 4, bias=False))
    model[0].requires_grad_(False)
    x = torch.randn(5, 8)
    found = account(model, lambda: model(x).sum(), parts={"all": PartCount(64, 128)})
    assert found.forward == 2 * 5 * (8 * 16 + 16 * 4)
    assert found.step == found.forward + 2 * 5 * 16 * 4  # the frozen layer has no backward pass
    assert found.weights == 4 * (8 * 16 + 16 * 4)
    assert found.gradients == 4 * 64
    assert found.optimizer == 8 * 64
    assert found.trained == 64
    assert found.parameters == 192


def test_bytes_come_and_go():
    with LiveBytes() as live:
        a = torch.zeros(100)
        b = a + 1
        c = b[:10]  # a view holds what it looks at
        assert live.now == 800
        del a, b
        assert live.now == 400
        del c
    assert live.now == 0
    assert live.peak == 800


def test_a_stage_without_weights_costs_what_a_real_step_costs():
    model = tiny_feallm()
    counted = account_stage(model.config, STAGE, text_tokens=64)
    network = prepare_stage(model, STAGE).train()
    run = picture_step(network, batch=2, text_tokens=64, half=torch.float32)
    real = account(network, run)
    assert counted.parts == real.parts
    assert counted.step == real.step
    assert counted.weights == real.weights
    assert counted.activations == pytest.approx(real.activations, rel=0.05)
    run().backward()  # what is made once, such as buffers, is not measured
    network.zero_grad(set_to_none=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as measured:
        run().backward()
    now = peak = 0
    for event in sorted(measured.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    assert counted.activations + counted.gradients == pytest.approx(peak, rel=0.15)


def test_a_recipe_is_counted_from_the_configuration_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_feallm()
    start = tmp_path / "start"
    start.mkdir()
    (start / "config.json").write_text(model.config.to_json_string())
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({}))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(start=start, rows=rows))
    assert main([str(recipe)]) == 0
    told = capsys.readouterr().out
    total = sum(p.numel() for p in model.parameters()) / 1e6
    assert f"align: {total:,.1f} M parameters" in told
    assert "GB = 0.00 weights + 0.00 gradients" in told
    (start / "config.json").unlink()
    assert main([str(recipe)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
