"""How fast a stage trains, and how long it waits for its data."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mien.partfile import write_whole
from mien.untrusted import TextError, read_json_object

WARM_UP = 2
"""First steps that are not counted: memory is laid out and kernels are chosen in them.

A run that has no others counts them after all.
"""


class SpeedMeter:
    """Times the steps of one process.

    What lies between the steps (evaluation, checkpoints) is left out by `pause`.
    """

    def __init__(self) -> None:
        self._restart()
        self._seen = 0
        self._since: float | None = None

    def _restart(self) -> None:
        self.steps = self.samples = self.tokens = 0
        self._seconds = self._waited = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around the fetching of batches: the device is idle."""
        began = time.perf_counter()
        if self._since is None:
            self._since = began
        if self._seen == WARM_UP == self.steps:
            self._restart()
        yield
        self._waited += time.perf_counter() - began

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Around what is no training."""
        began = time.perf_counter()
        yield
        if self._since is not None:
            self._since += time.perf_counter() - began

    def count(self, batch: Mapping[str, Any]) -> None:
        """Counts a batch: its faces or clips, and its tokens with those of pictures."""
        sizes = [len(v) for k, v in batch.items() if k in _ONE_EACH and v is not None]
        self.samples += max(sizes, default=0)
        mask = batch.get("attention_mask")
        if mask is not None:
            self.tokens += int(mask.sum())

    def step(self) -> None:
        """At the end of an optimiser step."""
        now = time.perf_counter()
        if self._since is not None:
            self.steps += 1
            self._seconds += now - self._since
        self._seen += 1
        self._since = now

    def report(self, processes: int = 1) -> dict[str, float | int | None]:
        """Figures; those that need more steps than there were are None.

        Args:
            processes: that train at the same time, each with as much as this one.
        """

        def rate(count: int) -> float | None:
            return processes * count / self._seconds if self._seconds > 0 else None

        busy = 1 - self._waited / self._seconds if self._seconds > 0 else None
        return {
            "steps": self.steps,
            "seconds": self._seconds,
            "samples_per_second": rate(self.samples),
            "tokens_per_second": rate(self.tokens),
            "device_busy_share": busy,
            "peak_memory_bytes": peak_memory(),
            "processes": processes,
        }


_ONE_EACH = ("pixel_values", "input_ids", "expression_targets", "unit_targets")


def peak_memory() -> int:
    """Most bytes of the device that this process has held; of main memory without a GPU."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def write_speed(path: Path, stage: str, figures: Mapping[str, Any]) -> None:
    """Adds the figures of a stage to `speed.json`."""
    known: dict[str, Any] = {}
    if path.exists():
        with contextlib.suppress(TextError):  # broken figures do not stop a run
            known = read_json_object(path)
    known[stage] = dict(figures)
    write_whole(path, (json.dumps(known, indent=1) + "\n").encode())


def speed_line(figures: Mapping[str, Any]) -> str:
    """The figures as one line of a log."""

    def shown(name: str, form: str) -> str:
        value = figures[name]
        return "unknown" if value is None else format(value, form)

    return (
        f"{shown('samples_per_second', '.2f')} samples/s, "
        f"{shown('tokens_per_second', '.0f')} tokens/s, "
        f"device busy {shown('device_busy_share', '.0%')}, "
        f"peak memory {figures['peak_memory_bytes'] / 1e9:.2f} GB"
    )
