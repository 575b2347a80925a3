"""Loads the model that a stage starts from, with its processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mien.engines.base import EngineError
from mien.engines.load import EMBEDDED, OWN_TYPES, own_folder
from mien.train.fields import RecipeError

PRECISIONS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def load_start(start: str, *, precision: str = "float32") -> tuple[Any, Any]:
    """Loads a model of mien with its processor.

    Args:
        start: "mien/nano", a folder, or a name on the Hub.
        precision: "float32", "bf16" or "fp16": how frozen weights are kept.

    Returns:
        A `FaceModelForConditionalGeneration` and its processor.

    Raises:
        RecipeError: if there is no such model, or it is none of mien's.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    import mien.models  # noqa: F401  (registers with the Auto classes)

    try:
        folder: str | Path = start
        if start in EMBEDDED:
            folder = own_folder(start) or start
        kind = getattr(AutoConfig.from_pretrained(folder), "model_type", None)
    except (OSError, ValueError, EngineError) as error:
        what = str(error).splitlines()[0]
        raise RecipeError(
            f"start {start!r} cannot be loaded ({what}); `mien init` makes a start model"
        ) from error
    if kind not in OWN_TYPES:
        raise RecipeError(
            f"start {start!r} is a model of type {kind!r}, not one of mien's; make one of it with "
            f"`mien init --arch feallm --base {start} --out DIR`"
        )
    try:
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=PRECISIONS[precision])
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError, RuntimeError) as error:
        what = str(error).splitlines()[0]
        raise RecipeError(
            f"start {start!r} cannot be loaded ({what}); its files may be damaged"
        ) from error
    return model, processor
