"""`mien train --account`: what a step of each stage costs, counted without weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mien.terminal import say

if TYPE_CHECKING:
    from mien.train.recipe import Recipe


def run_account(source: str, overrides: Sequence[str]) -> int:
    """Runs `mien train RECIPE --account`; returns the exit code."""
    from mien.train.fields import RecipeError
    from mien.train.recipe import load_recipe

    try:
        for line in account_lines(load_recipe(source, overrides)):
            say(line)
    except (RecipeError, OSError, ValueError) as error:
        say(f"error: {str(error).splitlines()[0]}", err=True)
        return 2
    except ImportError as error:
        say(f"error: {error}", err=True)
        return 1
    return 0


def account_lines(recipe: Recipe) -> Iterator[str]:
    """A few lines a stage: parameters, operations and memory of a step on one device.

    Args:
        recipe: whose start model's configuration can be read; weights are not needed.
    """
    from transformers import AutoConfig

    import mien.models  # noqa: F401  (registers with the Auto classes)
    from mien.engines.load import EMBEDDED, own_folder
    from mien.train.account import account_stage

    folder = own_folder(recipe.start) if recipe.start in EMBEDDED else None
    start = recipe.start if folder is None else folder
    config = AutoConfig.from_pretrained(start)
    for stage in recipe.stages:
        frames = (stage.data or recipe.data).frames
        found = account_stage(config, stage, frames=frames)
        yield (
            f"{stage.name}: {found.parameters / 1e6:,.1f} M parameters, "
            f"{found.trained / 1e6:,.1f} M of them trained"
        )
        yield (
            f"{stage.name}: {found.step / 1e12:.3g} TFLOP for a batch of {stage.batch_size}, "
            "each a picture or clip with 256 tokens of text"
        )
        kinds = ("weights", "gradients", "optimizer", "activations")
        yield (
            f"{stage.name}: {found.memory / 1e9:.2f} GB = "
            + " + ".join(f"{getattr(found, kind) / 1e9:.2f} {kind}" for kind in kinds)
        )
