"""Weights: the shipped ones are whole, damage is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien import weights
from mien.weights import WeightsError, verify, weights_dir, write_manifest


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(weights, "ROOT", tmp_path)
    monkeypatch.setattr(weights, "_verified", set())
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"12345")
    (folder / "CARD.md").write_text("card")
    write_manifest("toy")
    return folder


def test_shipped() -> None:
    folder = verify("face_landmarker")
    assert {f.name for f in folder.iterdir()} >= {"face_landmarker.task", "LICENSE", "CARD.md"}


def test_installed_or_not(made: Path) -> None:
    assert weights.installed("toy")
    (made / "a.bin").unlink()
    assert weights.installed("toy")  # damaged is installed, too
    assert not weights.installed("other")


def test_damage(made: Path) -> None:
    assert verify("toy") == made
    weights._verified.clear()
    (made / "CARD.md").write_text("texts may change")
    verify("toy")
    for damage, words in ((b"12346", "SHA-256"), (b"123", "3 bytes, not 5"), (None, "missing")):
        weights._verified.clear()
        (made / "a.bin").unlink()
        if damage is not None:
            (made / "a.bin").write_bytes(damage)
        else:
            (made / "other").touch()
        with pytest.raises(WeightsError, match=words) as caught:
            verify("toy")
        assert "a.bin" in str(caught.value)
        assert "reinstall" in str(caught.value)


def test_names(made: Path) -> None:
    with pytest.raises(WeightsError, match="known: toy"):
        verify("nano")
    for name in ("", "../toy", "a/b", "__pycache__"):
        with pytest.raises(WeightsError, match="not a name"):
            weights_dir(name)
    (made / "a.bin").unlink()
    with pytest.raises(WeightsError, match="no weights files"):
        write_manifest("toy")
    (made.parent / "manifest.json").write_text("{")
    weights._verified.clear()
    with pytest.raises(WeightsError, match="no JSON"):
        verify("toy")
