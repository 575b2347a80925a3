"""`mien init` and `mien merge` as commands."""

import json

import pytest
from typer.testing import CliRunner

from mien.cli import app
from tests.train.tiny_bases import save_llava

SETTINGS = ("conv_channels=[4, 8]", "crop_size=16", "lca_num_heads=2", "mpp_num_heads=2")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    save_llava(folder)
    return folder


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def init(base, out, *more):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return run("init", "--arch", "feallm", "--base", base, "--out", out, *settings, *more)


def test_a_start_model_its_adapters_and_the_whole(base, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from mien.models.multimodal import LORA_TARGETS

    start = tmp_path / "start"
    made = init(base, start, "--keep-base", "--dtype", "bfloat16")
    assert made.exit_code == 0, made.output
    assert "before training, answers about pictures are the base's own" in made.output
    config = json.loads((start / "config.json").read_text())
    assert config["mpp_first_residual"]
    assert config["conv_channels"] == [4, 8]
    assert not (tmp_path / "start.part").exists()
    again = init(base, start)
    assert again.exit_code == 1
    assert "there is something already" in again.output

    model = AutoModelForImageTextToText.from_pretrained(start)
    assert model.dtype == torch.bfloat16
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=LORA_TARGETS))
    wrapped.peft_config["default"].base_model_name_or_path = str(start)
    wrapped.save_pretrained(tmp_path / "run" / "model", save_embedding_layers=False)
    whole = tmp_path / "whole"
    merged = run("merge", tmp_path / "run", "--out", whole)
    assert merged.exit_code == 0, merged.output
    assert "| start model | start |" in (whole / "README.md").read_text()
    AutoModelForImageTextToText.from_pretrained(whole)
    AutoProcessor.from_pretrained(whole)

    (whole / "README.md").unlink()
    carded = run("merge", whole, "--card-only", "--licence", "mit")
    assert carded.exit_code == 0, carded.output
    assert "license: mit" in (whole / "README.md").read_text()


def test_mistakes_end_with_one_line(base, tmp_path):
    for words, expected in (
        (("--set", "no_equals"), "write field=value"),
        (("--set", "crop_siz=3"), "crop_siz is no field; did you mean crop_size?"),
        (("--set", "lora_rank=3"), "lora_rank is no field"),
        (("--set", "crop_size=abc"), "crop_size is 'abc'; give a whole number"),
        (("--set", "conv_channels=[4, x]"), "conv_channels[1] is 'x'; give a whole number"),
        (("--set", "conv_channels=[4"), "--set conv_channels=[4"),
        (("--set", "action_units=[99]"), "action_units: 99 is unknown to mien"),
        (("--set", "expressions=[joyful]"), "'joyful' is unknown to mien; it knows neutral"),
        (("--vision", base), "give a base, or else both"),
        (("--template", "no-such"), "none of vicuna, chatml"),
        (("--base", "/no/such/folder"), "'/no/such/folder' cannot be loaded"),
    ):
        result = init(base, tmp_path / "out", *words)
        assert result.exit_code == 2
        assert expected in result.output
        assert result.output.count("error:") == 1
    result = run("merge", tmp_path)
    assert result.exit_code == 2
    assert "--out" in result.output
    result = run("merge", tmp_path, "--out", tmp_path / "x")
    assert result.exit_code == 2
    assert "has no adapter_config.json" in result.output
    assert not (tmp_path / "out").exists()
