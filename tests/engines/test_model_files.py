"""Folders of models that are damaged or do not fit together are errors that name the file."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mien.engines.base import EngineError
from mien.engines.hugging_face import HuggingFaceResponder
from mien.engines.load import load_responder, own_folder
from mien.engines.local_model import LocalModel
from mien.engines.model_files import check_folder
from mien.weights import verify

WEIGHTS = "model.safetensors"
CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(verify("nano"), tmp_path / "copy"))


def load(folder: Path) -> LocalModel:
    return LocalModel.from_folder(folder, name=str(folder), device=CPU)


def configured(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def deeper(folder: Path, key: str, value: int) -> None:
    def put(node: Any) -> None:
        for name, inner in node.items():
            if name == key:
                node[name] = value
            elif isinstance(inner, dict):
                put(inner)

    config = json.loads((folder / "config.json").read_text())
    put(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_a_sound_copy_passes(folder: Path) -> None:
    check_folder(folder, own=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"native_size": 0},
        {"native_size": 10**6},
        {"image_size": float("nan")},
        {"action_units": "abc"},
        {"action_units": [999]},
        {"action_units": [12, 12]},
        {"expressions": []},
        {"expressions": ["happiness", "joyful"]},
        {"calibration": "x"},
        {"calibration": {"units": {"12": "x"}}},
        {"calibration": {"expression": 0}},
        {"calibration": {"absence": {"12": float("nan")}}},
        {"crop_spec": "x"},
        {"vision_config": 5},
    ],
)
def test_fields_of_the_configuration(folder: Path, fields: dict[str, Any]) -> None:
    configured(folder, **fields)
    with pytest.raises(EngineError, match=rf"config\.json: {next(iter(fields))}.* must be "):
        check_folder(folder, own=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", -1),
        ("hidden_size", 0),
        ("hidden_size", 10**7),
        ("vocab_size", 10**12),
    ],
)
def test_sizes_that_the_weights_do_not_have(folder: Path, key: str, value: int) -> None:
    deeper(folder, key, value)
    for own in (True, False):
        if own or value > 0:
            with pytest.raises(EngineError, match=rf"config\.json: {key} is {value}"):
                check_folder(folder, own=own)


def test_sizes_that_do_not_fit_together(folder: Path) -> None:
    deeper(folder, "num_attention_heads", 7)
    with pytest.raises(EngineError, match="attention heads") as caught:
        load_responder(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, "\0", ""])
def test_a_configuration_that_is_none(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    for look in (lambda: check_folder(folder, own=True), lambda: own_folder(str(folder))):
        with pytest.raises(EngineError, match=r"config\.json.*copy"):
            look()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "change",
    [cut, lambda b: b[:5], lambda b: b + b"\0" * 9, lambda b: b"\xff" * 7 + b"\x7f" + b[8:]],
)
def test_weights_that_are_cut_or_no_weights(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / WEIGHTS
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(EngineError, match=r"model\.safetensors: .*; copy the folder again"):
        check_folder(folder, own=True)


def test_pickled_weights_are_refused_and_not_opened(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "marker",))

    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(EngineError, match=r"pytorch_model\.bin: pickled"):
        load(folder)
    with pytest.raises(EngineError, match="pickled"):
        HuggingFaceResponder.load(str(folder), name="x", device=CPU)
    assert not (tmp_path / "marker").exists()


def without(tensors: dict[str, torch.Tensor], name: str) -> None:
    del tensors[name]


def turned(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name] = tensors[name].t().contiguous()


def emptied(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name][0, 0] = float("nan")


def more(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors["other"] = tensors[name].clone()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (without, "missing"),
        (turned, "shape|size"),
        (emptied, "no numbers"),
        (more, "no part of this model"),
    ],
)
def test_tensors_are_those_of_the_model(
    folder: Path, change: Callable[[dict[str, torch.Tensor], str], None], cause: str
) -> None:
    tensors = load_file(folder / WEIGHTS)
    name = next(n for n, t in tensors.items() if n.endswith("gate_proj.weight"))
    change(tensors, name)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(EngineError, match=cause):
        load(folder)


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    path = folder / "tokenizer.json"
    layout = json.loads(path.read_text())
    for token in layout["added_tokens"]:
        token["id"] += 5
    vocab = layout["model"]["vocab"]
    layout["model"]["vocab"] = {word: number + 5 for word, number in vocab.items()}
    path.write_text(json.dumps(layout))
    with pytest.raises(EngineError, match="tokenizer"):
        load(folder)
