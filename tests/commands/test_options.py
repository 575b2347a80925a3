"""Every command that asks a model has the same options for how it is run."""

from dataclasses import fields

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from mien.cli import app
from mien.commands.options import model_options
from mien.model_options import ModelOptions


@pytest.mark.parametrize(
    "path", [("analyze",), ("chat",), ("bench", "run"), ("data", "build")], ids=" ".join
)
def test_all_commands_have_all_options(path):
    command = get_command(app)
    for name in path:
        command = command.commands[name]
    found = {one.name: one for one in command.params}
    for field in fields(ModelOptions):
        assert found[field.name].default == field.default
    assert "options" not in found


def test_what_was_given_is_handed_over():
    seen = []
    small = typer.Typer()

    @small.command()
    @model_options
    def ask(name: str, times: int = 1, *, options: ModelOptions) -> None:
        """Asks."""
        seen.append((name, times, options))

    result = CliRunner().invoke(
        small, ["nano", "--quantize", "4bit", "--rpm", "30", "--times", "2", "--device", "cpu"]
    )
    assert result.exit_code == 0, result.output
    assert seen == [("nano", 2, ModelOptions(device="cpu", quantize="4bit", rpm=30.0))]
    assert CliRunner().invoke(small, ["nano", "--batch-size", "0"]).exit_code == 2
