"""The processes that train together, as their launcher (accelerate launch, torchrun) says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

PATIENCE = timedelta(hours=2)
"""How long the others wait for the main process: it may merge and write models of many GB."""


def processes() -> int:
    """How many train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def wait() -> None:
    """Until all processes have come here."""
    if processes() <= 1:
        return
    import torch
    from accelerate import PartialState

    cpu = not torch.accelerator.is_available()
    PartialState(cpu=cpu, timeout=PATIENCE).wait_for_everyone()


@contextmanager
def main_first() -> Iterator[None]:
    """The main process goes first, so that what it keeps on disk is there for the others."""
    if not is_main():
        wait()
    yield
    if is_main():
        wait()


def finish() -> None:
    """Says goodbye to the other processes, who would warn of it otherwise."""
    if processes() <= 1:
        return
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
