"""Language models in 8 or 4 bits, by Transformers' own quantisation."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from mien.engines.base import EngineError

if TYPE_CHECKING:
    import torch

Quantize = Literal["8bit", "4bit"]

KEPT = (
    "model.vision_tower",
    "model.multi_level_feature",
    "model.local_clue_aggregator",
    "model.multi_perspective_projector",
    "model.qformer",
    "model.context_token",
    "model.content_tokens",
    "model.face_info_mining",
    "lm_head",
)
"""Modules that stay as they are: all that looks at faces, and the head that numbers come from."""


def quantization(kind: str, *, compute: Any, kept: Sequence[str] = KEPT) -> Any:
    """The `quantization_config` for `from_pretrained`, for bitsandbytes on a GPU or a CPU.

    Args:
        kind: "8bit" (LLM.int8) or "4bit" (NF4).
        compute: torch dtype in which 4-bit weights are multiplied.
        kept: modules that stay as they are; none leaves the choice to Transformers.

    Raises:
        EngineError: if the kind is unknown or a package is missing.
    """
    if kind not in get_args(Quantize):
        raise EngineError(f"quantize is {kind!r}; use {' or '.join(get_args(Quantize))}")
    for package in ("bitsandbytes", "accelerate"):
        if importlib.util.find_spec(package) is None:
            raise EngineError(
                f"--quantize {kind} needs {package}: pip install bitsandbytes accelerate"
            )
    from transformers import BitsAndBytesConfig

    # It says for every layer that inputs are cast, which they are meant to be.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(kept) or None)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=compute,
        llm_int8_skip_modules=list(kept) or None,
    )


def quantized(
    kind: str | None, device: torch.device, dtype: torch.dtype, *, kept: Sequence[str] = KEPT
) -> dict[str, Any]:
    """What `from_pretrained` is told beside the dtype; nothing without a kind.

    Args:
        kind: "8bit", "4bit" or None.
        device: where the model is kept.
        dtype: of everything else.
        kept: see `quantization`.

    Raises:
        EngineError: see `quantization`; and for a device without kernels.
    """
    if kind is None:
        return {}
    settings = quantization(kind, compute=dtype, kept=kept)
    if device.type not in ("cuda", "cpu", "xpu"):
        raise EngineError(f"--quantize {kind} works on cuda and cpu, not on {device}; leave it out")
    return {"quantization_config": settings, "device_map": {"": device}}


def placed(model: Any, device: torch.device) -> Any:
    """The model in eval mode on a device; a quantised one stays where it was loaded."""
    return model.eval() if quantized_as(model) else model.eval().to(device)


def quantized_as(model: Any) -> str | None:
    """How a model was quantised, or None."""
    settings = getattr(model, "hf_quantizer", None)
    if settings is None:
        return None
    bits = "4bit" if getattr(settings.quantization_config, "load_in_4bit", False) else "8bit"
    return f"bitsandbytes {bits}"
