"""`mien train`: the stages of a recipe in order, each of which goes on where it was stopped."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.integrations import is_tensorboard_available

from mien.train.fields import RecipeError
from mien.train.fit_stage import Feed, fit_stage
from mien.train.heads import EncoderHeads
from mien.train.objective import Objective
from mien.train.processes import is_main, main_first, processes, wait
from mien.train.recipe import DataSpec, LossSpec, Recipe, Stage
from mien.train.run_record import MODEL, claim
from mien.train.run_summary import overview
from mien.train.speed import speed_line, write_speed
from mien.train.stages import (
    ADAPTER_CONFIG,
    base_of,
    checkpoint_activations,
    merged,
    prepare_stage,
    same_adapters,
    save_stage,
)
from mien.train.start_model import load_start
from mien.train.targets import class_weights, unit_weights
from mien.train.training_data import fill_caches, label_counts, open_feed
from mien.untrusted import TextError, read_json_object

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Standing:
    """What a stage starts from.

    Attributes:
        base: folder or name of a whole model.
        adapter: of the stage before, which belong to it.
    """

    base: str
    adapter: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A stage, ready to run.

    Attributes:
        model: what trains, within PEFT's wrapper where adapters do.
        processor: of the model.
        feed: what it learns from.
        learner: the model under its losses.
    """

    model: nn.Module
    processor: Any
    feed: Feed
    learner: nn.Module


def train(recipe: Recipe, *, out: Path, resume: bool = True, change: bool = False) -> Path:
    """Runs a recipe.

    Args:
        recipe: from `load_recipe`.
        out: folder of the run: a folder for each stage, `model`, `speed.json`, `recipe.json`.
        resume: go on from what is there; else it is removed first.
        change: go on although the recipe has changed; see `claim`.

    Returns:
        Folder of the final model: a whole one, or adapters where the last stage trains them
        (`mien merge` folds them in).

    Raises:
        RecipeError: if recipe, model and data do not fit, or `out` holds another run.
        mien.train.interrupts.Interrupted: by Ctrl-C or SIGTERM, behind a checkpoint.
        mien.train.interrupts.TrainingError: if training cannot go on.
        mien.train.checkpoints.CheckpointError: if a checkpoint cannot be written.
    """
    if "tensorboard" in recipe.report and not is_tensorboard_available():
        raise ImportError("report: [tensorboard] needs it: pip install tensorboard")
    out = out.resolve()  # adapters name the model below them by its path
    claim(recipe, out, resume=resume, change=change)
    standing = _Standing(_named(recipe.start))
    before: Stage | None = None
    for number, stage in enumerate(recipe.stages):
        last = number == len(recipe.stages) - 1
        result = (out if last else out / stage.name) / MODEL
        if not result.is_dir():
            standing = _based(standing, before, stage, out)
            _run_stage(recipe, number, standing, before, out=out, result=result)
        else:
            log.info("stage %s is done: %s", stage.name, result)
        if "lora" in stage.train:
            standing = _Standing(_base_name(result), result)
        else:
            standing = _Standing(str(result))
        before = stage
    return out / MODEL


def prepare(
    recipe: Recipe,
    number: int,
    base: str,
    adapter: Path | None = None,
    *,
    processes: int = 1,
    fill: bool = True,
) -> Prepared:
    """Loads what a stage needs.

    Args:
        recipe: the run.
        number: of the stage.
        base: folder or name of the model.
        adapter: adapters to go on with.
        processes: that train at the same time.
        fill: compute the features that `data.cache` asks for.
    """
    stage = recipe.stages[number]
    model, processor = load_start(base, precision=stage.precision)
    torch.manual_seed(recipe.seed + number)
    network = prepare_stage(model, stage, adapter=adapter)
    if stage.gradient_checkpointing:
        checkpoint_activations(network)
    config = base_of(network).config
    loss, data = stage_loss(recipe, stage), stage_data(recipe, stage)
    with main_first():
        feed = open_feed(
            data,
            network,
            processor,
            seed=recipe.seed + number,
            batch_size=stage.batch_size * processes,
        )
    if data.cache is not None and fill:
        with main_first():
            fill_caches(feed, network, processor, data.cache)
    weights: dict[str, Any] = {}
    if loss.balance and loss.numbers:
        faces, shares = label_counts(feed.train)  # type: ignore[arg-type]  # open_feed makes them
        weights = {"class_weights": class_weights(faces), "unit_weights": unit_weights(shares)}
    if loss.heads is not None:
        weights["teacher"] = EncoderHeads.from_file(loss.heads, config)
    try:
        learner = Objective(network, processor, loss, **weights)
    except ValueError as error:
        raise RecipeError(f"stage {stage.name!r}: {error}") from error
    return Prepared(network, processor, feed, learner)


def stage_data(recipe: Recipe, stage: Stage) -> DataSpec:
    return stage.data or recipe.data


def stage_loss(recipe: Recipe, stage: Stage) -> LossSpec:
    return stage.loss or recipe.loss


def _run_stage(
    recipe: Recipe,
    number: int,
    standing: _Standing,
    before: Stage | None,
    *,
    out: Path,
    result: Path,
) -> None:
    stage = recipe.stages[number]
    ready = prepare(recipe, number, standing.base, standing.adapter, processes=processes())
    if is_main():
        for line in overview(recipe, number, ready):
            log.info("%s", line)
    fitted = fit_stage(
        ready.learner,
        ready.feed,
        stage,
        out / stage.name,
        seed=recipe.seed + number,
        metric=recipe.metric,
        workers=stage_data(recipe, stage).workers,
        report=recipe.report,
    )
    if is_main():
        state = None
        if fitted.state is not None:
            state = {k.removeprefix("model."): v for k, v in fitted.state.items()}
        save_stage(ready.model, ready.processor, result, base=standing.base, state=state)
        if fitted.speed["steps"]:
            write_speed(out / "speed.json", stage.name, fitted.speed)
            log.info("stage %s: %s", stage.name, speed_line(fitted.speed))
    wait()


def _based(standing: _Standing, before: Stage | None, stage: Stage, out: Path) -> _Standing:
    """What a stage starts from: adapters of another kind are folded into a model of their own."""
    if standing.adapter is None or before is None or same_adapters(before, stage):
        return standing
    folder = out / before.name / "merged"
    if is_main() and not folder.is_dir():
        model, processor = load_start(standing.base, precision=stage.precision)
        save_stage(merged(model, standing.adapter), processor, folder, base=standing.base)
    wait()
    return _Standing(str(folder))


def _base_name(adapter: Path) -> str:
    file = adapter / ADAPTER_CONFIG
    remedy = f"remove {adapter}, and the same command trains this stage again"
    try:
        return str(read_json_object(file, remedy=remedy)["base_model_name_or_path"])
    except KeyError:
        raise RecipeError(f"{file}: names no base_model_name_or_path; {remedy}") from None
    except TextError as error:
        raise RecipeError(str(error)) from None
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read ({error.strerror}); {remedy}") from None


def _named(start: str) -> str:
    """A start as it may stand in an adapter's config: folders by their whole path."""
    path = Path(start).expanduser()
    return str(path.resolve()) if path.is_dir() else start
