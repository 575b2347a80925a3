"""The blocks by which a model is shared out over devices."""

from __future__ import annotations

from torch import nn


def transformer_blocks(model: nn.Module) -> list[str]:
    """Class names of a model's repeated blocks, such as "LlamaDecoderLayer".

    Transformers lists for every encoder and language model what must not be split. An encoder that
    is half of another model (CLIP's vision half) lists blocks of the other half too, and Accelerate
    refuses names that the model does not have; so only stacked blocks that are there are taken.

    Args:
        model: one of mien's, or one wrapped by PEFT.

    Returns:
        Sorted names; a model that wraps this one gives them as `_no_split_modules`, which
        Accelerate's TRANSFORMER_BASED_WRAP reads.
    """
    whole = set(getattr(model, "_no_split_modules", None) or ())
    stacks = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    return sorted({type(block).__name__ for stack in stacks for block in stack} & whole)
