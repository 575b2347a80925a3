"""The models inside the package, built in a tenth of a second.

`from_pretrained` builds models on torch's meta device, for which torch imports SymPy and half of
its compiler. These are small, and their files are known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model
from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig
from transformers.initialization import no_init_weights


def embedded_model(folder: Path, dtype: torch.dtype) -> Any:
    """The model of a folder that `save_pretrained` wrote in one file.

    Raises:
        RuntimeError: if the file does not hold exactly the model's weights.
    """
    config = AutoConfig.from_pretrained(folder, dtype=dtype)
    with no_init_weights():
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    model.tie_weights()
    load_model(model, folder / "model.safetensors")
    model.generation_config = GenerationConfig.from_pretrained(folder)
    return model.eval()
