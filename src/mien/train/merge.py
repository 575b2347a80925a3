"""Adapters folded into the model that they were trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mien.engines.base import EngineError
from mien.engines.load import EMBEDDED, OWN_TYPES, own_folder
from mien.models.multimodal import FaceModelForConditionalGeneration
from mien.untrusted import TextError, read_json_object

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_PREFIX = "base_model.model."
# Of PEFT's weights: which axis is that of the layer they are put on, and which of the layer's.
_SIDES = {".lora_A.weight": (1, 1), ".lora_B.weight": (0, 0)}


class MergeError(ValueError):
    """The adapters cannot be folded in; the message says why and what to do."""


@dataclass
class Merged:
    """A whole model.

    Attributes:
        model: with the adapters in its weights.
        processor: that fits it.
        base: name or folder of the model that the adapters were put on.
    """

    model: FaceModelForConditionalGeneration
    processor: Any
    base: str


def merge(adapter: Path, *, base: str | None = None, dtype: str | None = None) -> Merged:
    """Folds adapters, and the modules that were trained with them, into their base.

    Args:
        adapter: folder with `adapter_config.json`, or the folder of a run of `mien train`.
        base: folder or name of the base; by default the one that the adapters name.
        dtype: "float32", "bfloat16" or "float16" of the result; by default the base's own.

    Raises:
        MergeError: if there are no such adapters, or they belong to another base.
        ImportError: if PEFT is missing.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ImportError("merging needs PEFT: pip install 'mien[train]'") from error
    from transformers import AutoProcessor

    folder = adapter_folder(adapter)
    named = _named_base(folder)
    source = base or named
    if not source:
        raise MergeError(f"{folder / ADAPTER_CONFIG} names no base; give it with --base")
    if dtype is not None and dtype not in DTYPES:
        raise MergeError(f"dtype {dtype!r} is unknown; use {', '.join(DTYPES)}")
    model = _load_base(source)
    for fault in _misfits(folder / ADAPTER_WEIGHTS, model):
        raise MergeError(
            f"the adapters in {folder} do not belong to the base {source!r}: {fault}; give the "
            f"base that they were trained on with --base (they name {named!r})"
        )
    wrapped = PeftModel.from_pretrained(model, str(folder))
    whole: Any = wrapped.merge_and_unload(safe_merge=True)
    if dtype is not None:
        whole.to(DTYPES[dtype])
    else:
        whole.to(model.config.dtype or torch.float32)  # trained modules are kept in float32
    whole.config.calibration = {}  # it was of the weights before
    has_own = any(folder.glob("*processor_config.json"))
    processor = AutoProcessor.from_pretrained(folder if has_own else _place(source))
    return Merged(whole, processor, source)


def adapter_folder(path: Path) -> Path:
    """The folder that holds the adapters: this one, or `model` within a run.

    Raises:
        MergeError: if there are none.
    """
    for folder in (path, path / "model"):
        if (folder / ADAPTER_CONFIG).is_file():
            if not (folder / ADAPTER_WEIGHTS).is_file():
                raise MergeError(f"{folder} has no {ADAPTER_WEIGHTS}; copy the whole folder again")
            return folder
    if (path / "config.json").is_file() or (path / "model" / "config.json").is_file():
        raise MergeError(f"{path} holds a whole model, without adapters; it can be used as it is")
    raise MergeError(f"{path} has no {ADAPTER_CONFIG}; give a folder that `mien train` wrote")


def _named_base(folder: Path) -> str:
    try:
        config = read_json_object(folder / ADAPTER_CONFIG, remedy="copy the folder again")
    except OSError as error:
        why = error.strerror
        raise MergeError(
            f"{folder / ADAPTER_CONFIG} cannot be read: {why}; copy it again"
        ) from error
    except TextError as error:
        raise MergeError(str(error)) from error
    return str(config.get("base_model_name_or_path") or "")


def _place(source: str) -> str | Path:
    if source not in EMBEDDED:
        return source
    try:
        return own_folder(source) or source
    except EngineError as error:
        raise MergeError(str(error)) from error


def _load_base(source: str) -> FaceModelForConditionalGeneration:
    """The base in its own dtype."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    import mien.models  # noqa: F401  (registers with the Auto classes)

    place = _place(source)
    try:
        config = AutoConfig.from_pretrained(place)
        if config.model_type not in OWN_TYPES:
            raise MergeError(
                f"base {source!r} is a model of type {config.model_type!r}, not one of mien's; "
                "give the start model that `mien init` made of it"
            )
        if getattr(config, "quantization_config", None) is not None:
            raise MergeError(f"base {source!r} is quantised; give the one with whole weights")
        model: Any = AutoModelForImageTextToText.from_pretrained(place, dtype="auto")
    except (OSError, RuntimeError) as error:
        what = str(error).splitlines()[0]
        raise MergeError(
            f"base {source!r} cannot be loaded ({what}); give it with --base"
        ) from error
    found: FaceModelForConditionalGeneration = model
    return found


def _misfits(weights: Path, model: FaceModelForConditionalGeneration) -> Iterator[str]:
    """What of the adapters' weights has no place in the model, in words."""
    from safetensors import safe_open

    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    with safe_open(weights, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118  (it is no dictionary)
            name, shape = key.removeprefix(_PREFIX), tuple(file.get_slice(key).get_shape())
            side = next((end for end in _SIDES if name.endswith(end)), None)
            target = name if side is None else name.removesuffix(side) + ".weight"
            if target not in own:
                yield f"it has no {target}"
            elif side is None and own[target] != shape:
                yield f"{target} is {own[target]} there and {shape} in the adapters"
            elif side is not None:
                there, here = own[target][_SIDES[side][1]], shape[_SIDES[side][0]]
                if there != here:
                    yield f"{target} has width {there} there and {here} in the adapters"
