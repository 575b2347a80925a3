"""Processors of Hugging Face models without torchvision: pictures through Pillow, no videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mien.engines.base import EngineError
from mien.engines.chat_template import check_file
from mien.engines.plain_prompt import PLAIN_PROMPTS


def load_processor(model: str | Path, config: Any) -> Any:
    """The processor of a model, its pictures prepared by Pillow.

    Many processors insist on a video part that needs torchvision, which no picture needs; it is
    left out where torchvision is missing.

    Args:
        model: repository or folder.
        config: the model's configuration.

    Raises:
        EngineError: if there is no processor that works with Pillow, or mien does not know how the
            model is asked.
    """
    from transformers import AutoProcessor

    check_file(model)
    try:
        processor = AutoProcessor.from_pretrained(model, backend="pil")
    except (ImportError, AttributeError, OSError, ValueError, TypeError) as error:
        processor = _without_video(model, config, error)
    for part in ("tokenizer", "image_processor"):
        if getattr(processor, part, None) is None:
            raise EngineError(f"{model} has no {part}; it is no model for pictures and text")
    if getattr(processor, "chat_template", None) is None:
        processor.chat_template = processor.tokenizer.chat_template
    if processor.chat_template is None and config.model_type not in PLAIN_PROMPTS:
        raise EngineError(f"{model} has no chat template; use a model tuned for conversation")
    return processor


def _without_video(model: str | Path, config: Any, error: Exception) -> Any:
    from transformers import AutoImageProcessor, AutoTokenizer
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
    from transformers.processing_utils import ProcessorMixin

    kind: Any = PROCESSOR_MAPPING.get(type(config), None)
    parts = kind.get_attributes() if kind is not None else []
    if "video_processor" not in parts or "image_processor" not in parts:
        raise EngineError(f"the processor of {model} could not be loaded: {error}") from error
    changed = {
        "check_argument_for_proper_class": _check,
        # SmolVLM's own asks the video part for its number of frames before every talk.
        "apply_chat_template": ProcessorMixin.apply_chat_template,
    }
    pictures_only: Any = type(kind.__name__, (kind,), changed)
    module = sys.modules[kind.__module__]
    if getattr(module, "num2words", "") is None:
        # SmolVLM insists on this package, with which it spells the number of a video's frames.
        vars(module)["num2words"] = str
    try:
        made = {
            "image_processor": AutoImageProcessor.from_pretrained(model, backend="pil"),
            "tokenizer": AutoTokenizer.from_pretrained(model),
        }
        settings, _ = kind.get_processor_dict(model)
        settings = {name: value for name, value in settings.items() if name not in parts}
        return pictures_only.from_args_and_dict([made.get(part) for part in parts], settings)
    except (ImportError, AttributeError, OSError, ValueError, TypeError) as other:
        raise EngineError(
            f"the processor of {model} could not be loaded without torchvision: {other}"
        ) from other


def _check(self: Any, name: str, part: Any) -> Any:
    """Takes a video part that is not there; looks at all others as before."""
    if name == "video_processor" and part is None:
        return type(None)
    return super(type(self), self).check_argument_for_proper_class(name, part)
