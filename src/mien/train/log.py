"""The curve of a run as a CSV file."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from mien.partfile import sink_error, write_whole

log = logging.getLogger(__name__)
_TALKATIVE = ("runtime", "per_second", "flos", "epoch")


class LogLines(TrainerCallback):
    """Writes each record to the log as one line."""

    def __init__(self, stage: str):
        self.stage = stage

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        shown = [
            f"{name} {value:.4g}"
            for name, value in (logs or {}).items()
            if isinstance(value, int | float) and not any(t in name for t in _TALKATIVE)
        ]
        if state.is_world_process_zero and shown:
            place = f"step {state.global_step}/{state.max_steps}"
            log.info("%s %s: %s", self.stage, place, ", ".join(shown))


class CsvLog(TrainerCallback):
    """Appends every log record to `log.csv` as it comes, so that a killed run keeps its curve.

    A run that goes on from a checkpoint first takes back what was logged behind it.
    """

    columns = ("step", "epoch", "name", "value")

    def __init__(self, path: Path):
        self.path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero or not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [s for s in lines[1:] if s.endswith("\n") and _step(s) <= state.global_step]
        write_whole(self.path, "".join([*lines[:1], *kept]).encode())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        new = not self.path.exists()
        try:
            with self.path.open("a", newline="") as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow(self.columns)
                for name, value in (logs or {}).items():
                    if isinstance(value, int | float) and name != "epoch":
                        place = (state.global_step, round(state.epoch or 0, 4))
                        writer.writerow((*place, name, value))
        except OSError as error:
            raise sink_error(self.path, error) from error


def _step(line: str) -> int:
    try:
        return int(line.partition(",")[0])
    except ValueError:
        return 0
