"""Finding out whether a machine can render."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.commands import doctor
from mien.synth.can_render import rendering
from mien.synth.produce import Maker
from mien.synth.renderer import RenderError


def test_rendering_names_the_driver(maker: Maker) -> None:
    assert rendering()


def test_doctor_shows_it_where_the_extra_is_installed(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "rendering" in CliRunner().invoke(app, ["doctor"]).output
    installed = doctor._installed
    monkeypatch.setattr(
        doctor, "_installed", lambda name: None if name == "moderngl" else installed(name)
    )
    result = CliRunner().invoke(app, ["doctor"])
    assert "rendering" not in result.output
    assert "mien[synth]" in result.output


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nothing() -> str:
        raise RenderError("no EGL: apt-get install x")

    monkeypatch.setattr("mien.synth.can_render.rendering", nothing)
    monkeypatch.setattr(doctor, "_installed", lambda name: "1")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "apt-get" in result.output


def test_doctor_names_releases_outside_of_what_was_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = doctor._installed
    inside = CliRunner().invoke(app, ["doctor"])
    monkeypatch.setattr(
        doctor, "_installed", lambda name: "99.0" if name == "transformers" else installed(name)
    )
    outside = CliRunner().invoke(app, ["doctor"])
    assert "not tested" not in inside.output
    assert "99.0, not tested" in outside.output
    assert "pip install 'transformers<" in outside.output
    assert outside.exit_code == inside.exit_code


def test_doctor_tells_each_package_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "peft>=1; extra == 'grpo'",
        "peft>=1; extra == 'train'",
        "torch>=2",
        "mien; extra == 'dev'",
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: lines)
    found = [(requirement.name, extra) for requirement, extra in doctor._requirements()]
    assert found == [("torch", None), ("peft", "train")]
