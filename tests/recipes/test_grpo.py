"""GRPO by TRL on tiny models: a FEALLM, a LLaVA, and an EMO-LLaMA that TRL cannot train."""

from __future__ import annotations

import json

import pytest
import torch

pytest.importorskip("trl")

from recipes.grpo import __main__ as recipe

from mien.faces import CropSpec
from mien.train.merge import merge
from tests.engines.tiny_chat import save_llava
from tests.train.test_objective import emo_processor
from tests.train.tiny import tiny_emo_llama
from tests.train.toy_rows import write_rows, write_start

SPEC = CropSpec(size=32, scale=1.0)


@pytest.fixture
def rows(tmp_path):
    return write_rows(tmp_path / "data", count=6)


def arguments(tmp_path, model, **changes):
    fields = {
        "model": model, "rows": tmp_path / "data" / "rows.jsonl",
        "root": tmp_path / "data" / "pictures", "faces": "given", "lora_rank": 2,
        "output_dir": tmp_path / "out", "max_steps": 2, "num_generations": 2,
        "per_device_train_batch_size": 4, "max_completion_length": 4, "beta": 0.04,
        "learning_rate": 0.01, "bf16": "false", "use_cpu": "true", "logging_steps": 1,
        "report_to": "none", "disable_tqdm": "true", "save_steps": 1, **changes,
    }  # fmt: skip
    return [part for name, value in fields.items() for part in (f"--{name}", str(value))]


def logged(tmp_path):
    state = (tmp_path / "out" / "checkpoint-2" / "trainer_state.json").read_text()
    return [step for step in json.loads(state)["log_history"] if "reward" in step]


def reward_the_longer(completions, **_):
    """Something that tells random answers apart."""
    return [float(len(message[0]["content"])) for message in completions]


@pytest.mark.slow
def test_a_feallm_learns_and_its_adapters_fold_in(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(recipe, "REWARDS", (*recipe.REWARDS, reward_the_longer))
    start = write_start(tmp_path / "start")
    recipe.main(arguments(tmp_path, start))
    first, second = logged(tmp_path)
    assert first["kl"] == pytest.approx(0, abs=1e-5)  # the adapters are new
    assert second["kl"] > 0
    assert 0 <= first["rewards/expression_reward/mean"] <= 1
    before, _, _ = recipe.load(str(start), bf16=False)
    after = merge(tmp_path / "out").model
    moved = {
        name.split(".")[1]
        for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True)
        if not torch.equal(old, new)
    }
    assert moved == {*before.own_modules, "language_model"}


@pytest.mark.slow
def test_another_vision_language_model_learns(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(recipe, "REWARDS", (*recipe.REWARDS, reward_the_longer))
    save_llava(tmp_path / "llava")
    recipe.main(arguments(tmp_path, tmp_path / "llava"))
    first, second = logged(tmp_path)
    assert first["kl"] == pytest.approx(0, abs=1e-5)
    assert second["kl"] > 0
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_what_trl_would_drop_is_refused(tmp_path, rows):
    model = tiny_emo_llama()
    model.save_pretrained(tmp_path / "emo")
    emo_processor(model).save_pretrained(tmp_path / "emo")
    with pytest.raises(SystemExit, match="qformer_input_ids"):
        recipe.main(arguments(tmp_path, tmp_path / "emo"))


def test_questions_show_their_face_and_leave_out_what_no_reward_checks(tmp_path, rows):
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    lines[0]["labels"] = {"expression": None, "label_set": None, "action_units": None}
    lines[1]["videos"], lines[1]["images"] = ["toy/clip.mp4"], []
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    root = tmp_path / "data" / "pictures"
    found = recipe.questions(rows, root, SPEC, faces="given")
    assert [found[place]["row"] for place in range(len(found))] == [2, 3, 4, 5]
    assert found[0]["image"].size == (32, 32)
    assert found[0]["prompt"] == [{"role": "user", "content": "what is the expression ?"}]
    assert (found[0]["expression"], found[0]["present"], found[1]["absent"]) == (
        "neutral",
        [12],
        [12],
    )
    with pytest.raises(SystemExit, match="no row"):  # noise shows no face
        recipe.questions(rows, root, SPEC, faces="find")
