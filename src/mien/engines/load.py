"""From a model's name to the engine that answers for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mien.engines.base import Engine, EngineError

if TYPE_CHECKING:
    import torch

EMBEDDED: dict[str, str] = {"mien/nano": "nano"}
"""Models inside the package: name to folder under `mien/weights`."""


def resolve_device(device: str = "auto") -> torch.device:
    """The device of that name.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        EngineError: if the name is unknown or the device is not on this machine.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise EngineError(
            f"unknown device {device!r}; use auto, cpu, cuda, cuda:1 or mps"
        ) from None
    missing = (found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count()) or (
        found.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise EngineError(f"device {device!r} is not on this machine; `mien doctor` lists devices")
    return found


def load_engine(model: str = "mien/nano", *, device: str = "auto") -> Engine:
    """Loads the engine of a model.

    Args:
        model: "mien/nano", or a folder that `save_pretrained` wrote.
        device: see `resolve_device`.

    Raises:
        EngineError: if there is no such model, or its files are damaged.
    """
    from mien.weights import WeightsError, verify

    if model in EMBEDDED:
        try:
            folder = verify(EMBEDDED[model])
        except WeightsError as error:
            raise EngineError(str(error)) from error
    else:
        folder = Path(model)
        if not (folder / "config.json").is_file():
            known = ", ".join(EMBEDDED)
            raise EngineError(
                f"unknown model {model!r}: neither one of {known} nor a folder with a config.json"
            )
    from mien.engines.local import LocalEngine

    return LocalEngine.from_folder(folder, name=model, device=resolve_device(device))
