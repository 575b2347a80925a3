"""Builds what a stage learns from out of the data of a recipe, and says how rare each label is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.train.collate import Collator
from mien.train.faces import CACHE_FOLDER, FaceCrops
from mien.train.feature_cache import FeatureCache
from mien.train.fields import RecipeError
from mien.train.fit_stage import Feed
from mien.train.items import ItemSource, TrainItems
from mien.train.mapped import kept_beside
from mien.train.recipe import CacheSpec, DataSpec, Source
from mien.train.rows import InstructionRows
from mien.train.sampler import VisitSampler
from mien.train.soft_labels import SoftLabels
from mien.train.stages import base_of
from mien.train.targets import targets_of
from mien.train.validation_scores import unit_presence


def open_feed(spec: DataSpec, network: Any, processor: Any, *, seed: int, batch_size: int) -> Feed:
    """Opens rows and pictures; nothing is read yet but the rows' index.

    Args:
        spec: what the recipe says.
        network: the model, or PEFT's wrapper of it.
        processor: of the model.
        seed: of order, augmentation and wording.
        batch_size: over all devices.

    Raises:
        mien.train.rows.RowsError: if rows are missing or damaged.
        RecipeError: if they do not fit the model.
    """
    model = base_of(network)
    config = model.config
    soft = None
    if spec.soft_labels is not None:
        soft = SoftLabels(spec.soft_labels, config.expressions, config.action_units)
    shared = {
        "expressions": config.expressions,
        "units": config.action_units,
        "seed": seed,
        "by": spec.by,
        "clip_frames": spec.frames,
        "frame_tokens": processor.num_image_tokens,
        "soft_labels": soft,
    }
    crops = FaceCrops(
        config.crop_spec, faces=spec.faces, folder=kept_beside(spec.train[0].rows, CACHE_FOLDER)
    )
    items = TrainItems(
        [_source(one, spec, model, processor) for one in spec.train],
        crops=crops,
        invented=spec.invented,
        tasks=spec.tasks,
        **shared,
    )
    checked = None
    if spec.validation:
        folder = kept_beside(spec.validation[0].rows, CACHE_FOLDER)
        checked = TrainItems(
            [_source(one, spec, model, processor) for one in spec.validation],
            crops=FaceCrops(config.crop_spec, faces=spec.faces, folder=folder),
            train=False,
            **shared,
        )
    return Feed(
        train=items,
        sampler=VisitSampler(
            items, seed=seed, batch_size=batch_size, group_by_length=spec.group_by_length
        ),
        collator=Collator(
            processor,
            config,
            seed=seed,
            text_share=spec.text_share,
            max_length=spec.max_length,
            too_long=spec.too_long,
        ),
        validation=checked,
        expressions=tuple(config.expressions),
        action_units=tuple(config.action_units),
    )


def fill_caches(feed: Feed, network: Any, processor: Any, spec: CacheSpec) -> None:
    """Computes the features of the frozen encoder that are missing, and has the items use them.

    Args:
        feed: from `open_feed`.
        network: the model.
        processor: of the model.
        spec: folder, views, budget.

    Raises:
        mien.train.rows.RowsError: if they would be larger than the budget.
    """
    if torch.cuda.is_available():
        network.to(torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))))
    for items in (feed.train, feed.validation):
        if isinstance(items, TrainItems):
            views = spec.views if items.train else 1
            one = dataclasses.replace(spec, views=views)
            items.features = FeatureCache(items, network, processor, one).fill(items)


def _source(one: Source, spec: DataSpec, model: Any, processor: Any) -> ItemSource:
    rows = InstructionRows(one.rows, root=one.root)
    return ItemSource(rows, one.weight, one.augment, _priors(one, spec, model, processor))


def _priors(one: Source, spec: DataSpec, model: Any, processor: Any) -> Any:
    """Who computes facial priors, with what was computed kept beside the rows."""
    if one.priors is None:
        return None
    config = model.config
    if not hasattr(config, "landmark_layout"):
        raise RecipeError(
            f"priors: {one.priors}: a {config.model_type} model takes none; leave priors out"
        )
    from mien.models.priors import CACHE_FOLDER as KEPT
    from mien.models.priors import BuiltInPriors, CachedPriors, EncoderEmbedding, FilePriors

    if one.priors == "built-in":
        folder = kept_beside(one.rows, KEPT)
        embedding = None
        if config.makes_embedding:
            embedding = EncoderEmbedding(model, processor.image_processor)
        return CachedPriors(BuiltInPriors(embedding=embedding, whole=spec.faces == "given"), folder)
    path = Path(one.priors).expanduser()
    if not path.is_file():
        raise RecipeError(f'priors: {one.priors}: no such file; give one, or "built-in"')
    return FilePriors(path, missing_is_unknown=True)


def label_counts(items: TrainItems) -> tuple[list[float], list[float]]:
    """How often each label stands, with the sources' weights.

    Returns:
        Faces of each expression; share of the faces with a unit labelled that show it clearly,
        NaN where it is nowhere labelled.
    """
    expression = np.zeros(len(items.expressions))
    shown, known = np.zeros((2, len(items.units)))
    for number, one in enumerate(items.sources):
        for each in one.rows.labels(items.faces(number)):
            classes, units = targets_of(each, items.expressions, items.units)
            presence = unit_presence(units)
            expression += one.weight * classes
            shown += one.weight * (presence == 1)
            known += one.weight * np.isfinite(presence)
    return expression.tolist(), _shares(shown, known)


def _shares(shown: NDArray[np.floating], known: NDArray[np.floating]) -> list[float]:
    none: Sequence[bool] = known == 0
    return np.where(none, np.nan, shown / np.where(none, 1, known)).tolist()
