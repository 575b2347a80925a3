"""The models of the package are those that `from_pretrained` loads."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForImageTextToText

from mien.engines.embedded import embedded_model
from mien.weights import verify


@pytest.mark.parametrize("name", ["nano", "nano_video"])
def test_it_is_the_model_that_transformers_loads(name: str) -> None:
    folder = verify(name)
    quick = embedded_model(folder, torch.float32)
    whole = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    for part in (dict.items(whole.state_dict()), whole.named_buffers()):
        own = {**quick.state_dict(), **dict(quick.named_buffers())}
        assert all(torch.equal(own[key], value) for key, value in part)
    assert quick.state_dict().keys() == whole.state_dict().keys()
    assert quick.config.to_dict() == whole.config.to_dict()
    assert quick.generation_config.to_dict() == whole.generation_config.to_dict()
    assert not quick.training
    head, table = quick.get_output_embeddings(), quick.get_input_embeddings()
    assert head.weight is table.weight


def test_a_file_of_another_model_is_refused(tmp_path) -> None:
    folder = verify("nano")
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").symlink_to(verify("nano_video") / "model.safetensors")
    with pytest.raises(RuntimeError, match="state_dict"):
        embedded_model(tmp_path, torch.float32)
