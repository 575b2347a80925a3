"""Says what a stage is about to do: parameters, steps, and one example as the model gets it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mien.train.chat_tokens import example
from mien.train.empty_batches import StandIn
from mien.train.fit_stage import steps_of
from mien.train.recipe import Recipe
from mien.train.stages import count_parts
from mien.train.trainer import kept_random_state

if TYPE_CHECKING:
    from mien.train.run import Prepared


def overview(recipe: Recipe, number: int, ready: Prepared) -> Iterator[str]:
    """Lines about a stage.

    Args:
        recipe: the run.
        number: of the stage.
        ready: the stage's model and data.
    """
    stage = recipe.stages[number]
    yield f"stage {number + 1} of {len(recipe.stages)}: {stage.name}, trains " + ", ".join(
        stage.train
    )
    for part, count in count_parts(ready.model).items():
        yield f"  {part:<9} {count.trained:>14,} trained  {count.frozen:>14,} frozen"
    visits = len(ready.feed.sampler)  # type: ignore[arg-type]
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    steps, epochs = steps_of(visits, stage, processes)
    batch = stage.batch_size * stage.accumulation * processes
    yield (
        f"  {visits:,} visits an epoch, {batch} to a step: {steps:,} steps, {epochs:.4g} epochs; "
        f"learning rate {stage.learning_rate:g}, {stage.schedule}, {stage.precision}"
    )
    if ready.feed.validation is not None:
        checked = len(ready.feed.validation)  # type: ignore[arg-type]
        yield f"  {checked:,} validation visits choose the best checkpoint by {recipe.metric}"
    batch_seen = first_batch(ready, stage.batch_size)
    yield "  a batch: " + ", ".join(
        f"{name} {tuple(value.shape)}"
        for name, value in batch_seen.items()
        if isinstance(value, Tensor)
    )
    if "input_ids" in batch_seen:
        yield "  its first conversation, what is learned in [[ ]]:"
        yield "  " + example(ready.processor.tokenizer, batch_seen).replace("\n", "\n  ")
    elif "asked" in batch_seen:
        mark, first = ready.processor.image_token, batch_seen["asked"][0]
        picture = mark * ready.processor.num_image_tokens
        yield f"  its first prompt, {first.task}: " + first.prompt.replace(picture, mark)
    else:
        yield "  it has no text: numbers alone are learned"


def first_batch(ready: Prepared, size: int) -> dict[str, Any]:
    """The first training batch, or one in its place where nothing is left of it.

    No random number of the run is drawn for it.
    """
    with kept_random_state():
        sampler: Any = ready.feed.sampler
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(0)
        visits = list(islice(iter(sampler), size))
        batch = ready.feed.collator([ready.feed.train[n] for n in visits])
        stand_in = StandIn(ready.feed.train, ready.feed.collator, size=size, seed=0)
        return dict(stand_in(batch))
