"""Which checkpoints are whole, and what is said where one cannot be written."""

import errno
import json
import shutil
from pathlib import Path

import pytest
import torch

from mien.train import trainer
from mien.train.checkpoints import CheckpointError, checkpoints, last_checkpoint
from mien.train.manifest import MANIFEST, damage, seal

from .toy import run

WHOLE = {
    "one process": ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"),
    "DDP": ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state_1.pth"),
    "FSDP, full": ("pytorch_model_fsdp.bin", "optimizer.bin", "scheduler.pt", "rng_state_0.pth"),
    "FSDP, sharded": (
        "pytorch_model_fsdp_0/__0_0.distcp",
        "optimizer_0/__0_0.distcp",
        "scheduler.pt",
        "rng_state_0.pth",
    ),
    "DeepSpeed": ("global_step3/mp_rank_00_model_states.pt", "rng_state_0.pth"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    run(out, max_steps=3)
    return last_checkpoint(out)


def copy(good, place):
    shutil.copytree(good, place)
    return place


def test_a_checkpoint_notes_its_files(good):
    noted = json.loads((good / MANIFEST).read_text())["files"]
    assert set(noted) == {p.name for p in good.iterdir()} - {MANIFEST}
    assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"} < set(noted)
    assert damage(good) is None


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_what_was_cut_off_is_passed_over(good, tmp_path, caplog, name):
    copy(good, tmp_path / "checkpoint-2")
    file = copy(good, tmp_path / "checkpoint-9") / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert last_checkpoint(tmp_path).name == "checkpoint-2"
    assert f"checkpoint-9 is passed over: {name} " in caplog.text
    (file.parent / MANIFEST).unlink()
    assert name in damage(file.parent)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_what_is_missing_is_passed_over(good, tmp_path, caplog, name):
    (copy(good, tmp_path / "checkpoint-9") / name).unlink()
    assert last_checkpoint(tmp_path) is None
    assert "checkpoint-9 is passed over: it has no" in caplog.text
    (tmp_path / "checkpoint-9" / MANIFEST).unlink()
    assert damage(tmp_path / "checkpoint-9")


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", MANIFEST])
def test_a_few_bytes_overwritten_are_told(good, tmp_path, name):
    folder = copy(good, tmp_path / "checkpoint-9")
    with (folder / name).open("r+b") as file:
        file.seek(file.seek(0, 2) // 2)
        file.write(b"\0" * 64)
    assert damage(folder).startswith(name)


def test_a_checkpoint_of_the_older_form_is_read(good, tmp_path):
    folder = copy(good, tmp_path / "checkpoint-9")
    (folder / MANIFEST).unlink()
    assert damage(folder) is None


@pytest.mark.parametrize("kind", WHOLE)
def test_each_kind_needs_all_that_it_goes_on_with(tmp_path, kind):
    folder = tmp_path / "checkpoint-3"
    for name in (*WHOLE[kind], "trainer_state.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"global_step": 3}')
    seal(folder)
    assert damage(folder) is None
    for name in WHOLE[kind]:
        gone = folder / name.partition("/")[0]
        gone.rename(tmp_path / "aside")
        assert "it has no" in damage(folder)
        (tmp_path / "aside").rename(gone)


def fails(monkeypatch, error):
    """Has the optimiser's state of checkpoint 6 written by half."""
    real = torch.save

    def full(value, place, *rest, **more):
        if "checkpoint-6" in str(place) and "optimizer" in str(place):
            Path(place).write_bytes(b"half")
            raise error
        return real(value, place, *rest, **more)

    monkeypatch.setattr(torch, "save", full)


FULL = OSError(errno.ENOSPC, "No space left on device")
MUTE = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")


@pytest.mark.parametrize("error", [FULL, MUTE], ids=["named", "mute"])
def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, error):
    fails(monkeypatch, error)
    # Room comes back as soon as the part that was written is removed.
    part = tmp_path / ".part"
    monkeypatch.setattr(trainer, "free_space", lambda _: 1000 if part.exists() else 1 << 40)
    with pytest.raises(CheckpointError, match=r"checkpoint-6: the disk is full; .*checkpoint-3"):
        run(tmp_path)
    assert [p.name for p in checkpoints(tmp_path)] == ["checkpoint-3"]
    assert not part.exists()


def test_another_failure_is_not_called_a_full_disk(tmp_path, monkeypatch):
    fails(monkeypatch, MUTE)
    monkeypatch.setattr(trainer, "free_space", lambda _: 1 << 40)
    with pytest.raises(CheckpointError, match="unexpected pos 64 vs 0; mend that"):
        run(tmp_path)
