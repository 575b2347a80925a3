"""Reasons to end a run early: the user, numbers that are not finite, full memory."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

NAN_BATCH = "nan_batch.pt"


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to change."""


class Interrupted(KeyboardInterrupt):
    """The user stopped the run; a checkpoint was written first."""


class StopOnSignal(TrainerCallback):
    """Ends the run behind the step under way, with a checkpoint, on Ctrl-C or SIGTERM.

    A second Ctrl-C ends it at once.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the signals over while it is open; does nothing outside of the main thread."""
        before: dict[signal.Signals, Any] = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self._ask)
        except ValueError:  # not the main thread
            pass
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: Any) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._agreed(args):
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True

    def _agreed(self, args: Any) -> bool:
        """Whether any process was asked to stop: all stop at the same step."""
        if args.world_size <= 1:
            return self._asked
        asked = torch.tensor(int(self._asked), device=args.device)
        torch.distributed.all_reduce(asked)
        return bool(asked)


def save_nan_batch(
    folder: Path,
    batches: Sequence[Mapping[str, Any]],
    rows: Sequence[Sequence[str]],
    step: int,
    *,
    process: int = 0,
) -> Path:
    """Keeps batches that gave no number, to look at: `torch.load(path, weights_only=False)`.

    Args:
        folder: to write to; a process but the first adds its number to the name.
        batches: one, or all of a step.
        rows: names of the rows of each.
        step: in which they came.
        process: that had them.
    """
    path = folder / (f"{process}_{NAN_BATCH}" if process else NAN_BATCH)
    kept = [
        {k: v.detach().cpu() if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        for batch in batches
    ]
    torch.save({"batches": kept, "rows": [list(names) for names in rows], "step": step}, path)
    return path


def nan_error(what: str, path: Path, rows: Sequence[Sequence[str]], step: int) -> TrainingError:
    """What to say where a loss or a gradient is NaN or infinite."""
    names = [str(name) for batch in rows for name in batch]
    shown = f" (rows {', '.join(names[:3])}{' ...' if names[3:] else ''})" if names else ""
    which = "the batch is" if len(rows) == 1 else f"the {len(rows)} batches of the step are"
    return TrainingError(
        f"{what} is not finite at step {step}; {which} kept in {path}{shown}. Look at it, "
        "then lower learning_rate or take precision: float32, and go on with --change; the last "
        "checkpoint is from before"
    )


def out_of_memory(error: BaseException, batch_size: int, accumulation: int) -> TrainingError | None:
    """What to change where memory ran out; None for any other error."""
    text = str(error)
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if not known and not any(s in text for s in ("out of memory", "can't allocate memory")):
        return None
    halved = max(batch_size // 2, 1)
    doubled = accumulation * -(-batch_size // halved)
    alike = "the same" if halved * doubled == batch_size * accumulation else "nearly the same"
    first = (
        f"set batch_size: {halved} with accumulation: {doubled}, which learns {alike}, and go on "
        "with --change"
        if batch_size > 1
        else "shorten max_length"
    )
    return TrainingError(
        f"out of memory with batch_size {batch_size}: {first}; or gradient_checkpointing: true, "
        "precision: bf16, or data.cache, which takes the frozen encoder out of the step "
        f"({text.splitlines()[0] if text else type(error).__name__})"
    )
