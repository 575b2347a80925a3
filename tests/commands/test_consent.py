"""Faces leave the machine only where the user agreed, and the host is said before."""

import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.commands import consent
from mien.engines import endpoint_address
from tests.engines.bad_server import bad_server, said


@pytest.fixture
def data(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("image,expression\na.png,happiness\n")
    return tmp_path


def commands(data, url):
    model = ("--model", f"openai:m@{url}")
    return {
        "analyze": ("analyze", data / "a.png", "--faces", "whole", *model),
        "chat": ("chat", data / "a.png", "--faces", "whole", "--ask", "Why?", *model),
        "bench": ("bench", "csv", "--data", data, "--out", data / "out", *model, "--samples", 10),
    }


@pytest.mark.parametrize("command", ["analyze", "chat", "bench"])
def test_another_machine_needs_a_yes_and_this_one_does_not(command, data, monkeypatch):
    with bad_server(lambda seen: said("Happiness. AU12.")) as server:
        args = [str(arg) for arg in commands(data, server.url)[command]]
        here = CliRunner().invoke(app, args)
        asked = len(server.seen)
        assert f"{server.url[7:-3]} (this machine)" in here.stderr
        monkeypatch.setattr(endpoint_address, "is_local", lambda address: False)
        refused = CliRunner().invoke(app, args)
        assert refused.exit_code == 2
        assert "--yes" in refused.stderr
        assert server.url[7:-3] in refused.stderr
        assert len(server.seen) == asked  # nothing was sent
        monkeypatch.setattr(consent, "confirmed", lambda question: False)
        assert CliRunner().invoke(app, args).exit_code == 2
        monkeypatch.setattr(consent, "confirmed", lambda question: server.url[7:-3] in question)
        assert CliRunner().invoke(app, args).exit_code == here.exit_code
        assert CliRunner().invoke(app, [*args, "--yes"]).exit_code == here.exit_code


def test_nobody_is_asked_without_a_terminal():
    assert consent.confirmed("?") is False
