"""Accelerate's configurations that come with mien, for training on many devices."""

from __future__ import annotations

from pathlib import Path

CONFIGS = ("ddp", "fsdp2", "zero2", "zero3")
"""What stands in `accelerate/`, from the simplest on."""


def config_path(name: str) -> Path:
    """The file for `accelerate launch --config_file`.

    Raises:
        ValueError: for a name that is none of `CONFIGS`.
    """
    if name not in CONFIGS:
        raise ValueError(f"there is no configuration {name!r}; take one of {', '.join(CONFIGS)}")
    return Path(__file__).parent / "accelerate" / f"{name}.yaml"
