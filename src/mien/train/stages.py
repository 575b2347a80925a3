"""What a stage trains: all is frozen, then its parts are set free or given adapters."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from mien.models.multimodal import LORA_TARGETS, FaceModelForConditionalGeneration
from mien.train.fields import RecipeError
from mien.train.folders import new_folder
from mien.train.model_card import CARD, CardError, read_run, write_card
from mien.train.recipe import LoraSpec, Stage

log = logging.getLogger(__name__)

QFORMER = ("qformer", "qformer_queries")
ADAPTER_CONFIG = "adapter_config.json"
_PEFT_HINT = "LoRA needs PEFT: pip install 'mien[train]'"


@dataclass(frozen=True)
class PartCount:
    """Parameters of one part of a model.

    Attributes:
        trained: that a stage trains, its adapters among them.
        frozen: that it leaves as they are.
    """

    trained: int
    frozen: int


def prepare_stage(
    model: FaceModelForConditionalGeneration, stage: Stage, *, adapter: Path | None = None
) -> nn.Module:
    """Freezes a model and sets free what a stage trains, in float32.

    Args:
        model: as the last stage left it.
        stage: what trains.
        adapter: folder of the adapters that it goes on with; None makes fresh ones.

    Returns:
        The same model; within PEFT's wrapper where "lora" trains.

    Raises:
        RecipeError: if the model lacks what is to train.
        ImportError: if PEFT is missing.
    """
    model.requires_grad_(False)
    model.config.freeze_vision = True
    names = _own_names(model, stage)
    modules = {name: getattr(model.model, name) for name in names}
    if "language" in stage.train:
        modules |= {"language_model": model.model.language_model, "lm_head": model.lm_head}
    for module in modules.values():
        module.to(torch.float32)
        module.requires_grad_(True)
    if "language" in stage.train:
        model.tie_weights()
    if "lora" not in stage.train:
        return model
    return _with_adapters(model, stage.lora or LoraSpec(), names, adapter)


def _own_names(model: FaceModelForConditionalGeneration, stage: Stage) -> list[str]:
    """Modules within `model.model` that a stage trains whole, the language model aside."""
    names: list[str] = []
    if "face" in stage.train:
        names += [n for n in model.own_modules if getattr(model.model, n, None) is not None]
    if hasattr(model.config, "freeze_qformer"):
        model.config.freeze_qformer = "qformer" not in stage.train
    if "qformer" in stage.train:
        found = [n for n in QFORMER if getattr(model.model, n, None) is not None]
        if not found:
            raise RecipeError(
                f"stage {stage.name!r}: train names the qformer, and a "
                f"{model.config.model_type} model has none; leave it out"
            )
        names += found
    return names


def _with_adapters(
    model: FaceModelForConditionalGeneration,
    spec: LoraSpec,
    names: list[str],
    adapter: Path | None,
) -> nn.Module:
    try:
        from peft import LoraConfig, PeftModel, get_peft_model
    except ImportError as error:
        raise ImportError(_PEFT_HINT) from error
    if adapter is not None:
        made: nn.Module = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    else:
        config = LoraConfig(
            r=spec.rank,
            lora_alpha=spec.alpha,  # type: ignore[arg-type]  # PEFT multiplies by it alone
            lora_dropout=spec.dropout,
            target_modules=lora_targets(model),
            modules_to_save=names or None,
            task_type="CAUSAL_LM",
        )
        made = get_peft_model(model, config)
    for parameter in made.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return made


def lora_targets(model: FaceModelForConditionalGeneration) -> str:
    """PEFT's pattern of what is adapted: every projection of the decoder's attention, fused or not.

    Raises:
        RecipeError: if there are none that can be adapted.
    """
    found: dict[str, nn.Module] = {}
    for name, block in model.model.language_model.named_modules():
        if "attention" in type(block).__name__.lower():
            place = name.rpartition(".")[2]
            found |= {f"{place}.{child}": layer for child, layer in block.named_children()}
    names = {name for name, layer in found.items() if isinstance(layer, nn.Linear)}
    if not names or any(isinstance(layer, Conv1D) for layer in found.values()):
        kind = model.config.text_config.model_type
        raise RecipeError(
            f"train names lora, and the attention of this decoder ({kind}) has no linear layers "
            "to adapt; train language or face alone, or take a start model with another decoder"
        )
    if all(re.fullmatch(LORA_TARGETS, f"language_model.{name}") for name in names):
        return LORA_TARGETS
    return rf".*language_model.*\.({'|'.join(sorted(map(re.escape, names)))})"


def base_of(model: nn.Module) -> FaceModelForConditionalGeneration:
    """The model of mien within PEFT's wrapper, or itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore


def part_of(name: str) -> str:
    """The part that a parameter belongs to.

    Args:
        name: as `named_parameters` gives it, of the model itself or of what wraps it.

    Returns:
        "vision", "language", "lora", "qformer" or "face".
    """
    if "lora_" in name:
        return "lora"
    pieces = name.split(".")
    if "vision_tower" in pieces:
        return "vision"
    if "language_model" in pieces or "lm_head" in pieces:
        return "language"
    return "qformer" if set(QFORMER) & set(pieces) else "face"


def _counted(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters once each, without the untouched copies that PEFT keeps of trained modules."""
    for name, parameter in model.named_parameters():
        if "original_module" not in name.split("."):
            yield name, parameter


def count_parts(model: nn.Module) -> dict[str, PartCount]:
    """Trained and frozen parameters of each part."""
    counts: dict[str, list[int]] = {}
    for name, parameter in _counted(model):
        pair = counts.setdefault(part_of(name), [0, 0])
        pair[0 if parameter.requires_grad else 1] += parameter.numel()
    return {part: PartCount(*pair) for part, pair in counts.items()}


def save_stage(
    model: Any,
    processor: Any,
    folder: Path,
    *,
    base: str,
    state: dict[str, torch.Tensor] | None = None,
) -> None:
    """Writes what a stage made: adapters with the modules they go with, or the whole model.

    The folder appears whole or not at all.

    Args:
        model: what `prepare_stage` gave, trained.
        processor: goes with it.
        folder: new, to write to.
        base: name of the model that the adapters belong to.
        state: the model's weights, where they were gathered from several devices.

    Raises:
        SinkError: if it cannot be written; the checkpoints of the stage stay.
    """
    given = {} if state is None else {"state_dict": state}
    adapters = hasattr(model, "peft_config")
    weights = (p for p in model.parameters() if p.requires_grad or not adapters)
    needs = sum(p.numel() * p.element_size() for p in weights)
    hint = (
        "free some space and run the same command: it goes on from the last checkpoint, which stays"
    )
    with new_folder(folder, needs=needs, hint=hint) as part:
        if adapters:
            for config in model.peft_config.values():
                config.base_model_name_or_path = base
            # "auto" would ask the Hub whether the base's vocabulary has grown.
            model.save_pretrained(str(part), save_embedding_layers=False, **given)
        else:
            model.config.calibration = {}  # it was of the weights before
            model.save_pretrained(str(part), **given)
        processor.save_pretrained(part)
        _add_card(part, folder, model, base)


def _add_card(part: Path, folder: Path, model: Any, base: str) -> None:
    """Mien's card of a stage's result, instead of PEFT's empty one; of what is known of it."""
    config = json.loads(base_of(model).config.to_json_string(use_diff=False))
    try:
        found = read_run(folder)
        facts = replace(found, base=found.base or base)
        write_card(part, facts, config=config if hasattr(model, "peft_config") else None)
    except CardError as error:
        (part / CARD).unlink(missing_ok=True)
        log.warning("%s gets no card: %s", folder, error)


def checkpoint_activations(model: nn.Module) -> None:
    """Has the model compute activations twice instead of keeping them."""
    base: Any = base_of(model)
    # Transformers 5.2x has renamed it.
    enable = getattr(base, "activation_checkpointing_enable", base.gradient_checkpointing_enable)
    enable({"use_reentrant": False})


def same_adapters(before: Stage, after: Stage) -> bool:
    """Whether a stage can go on with the adapters of the one before."""
    kinds = [(s.lora or LoraSpec(), {*s.train}) for s in (before, after)]
    return "lora" in before.train and kinds[0] == kinds[1]


def merged(model: FaceModelForConditionalGeneration, adapter: Path) -> nn.Module:
    """The model with the adapters of a stage folded into its weights."""
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ImportError(_PEFT_HINT) from error
    return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
