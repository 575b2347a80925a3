"""A run of the toy recipe by several processes; `together` starts them.

As a module it is one of them: `python -m tests.train.shared_out JSON`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def together(processes: int, timeout: float = 240, **job) -> subprocess.CompletedProcess[str]:
    """Runs a job in processes that know of each other; none outlives this call.

    Args:
        processes: how many; the launcher finds a free port.
        timeout: seconds until all are killed.
        job: what `main` takes.
    """
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *launcher, "-m", "tests.train.shared_out", json.dumps(job)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = running.communicate(timeout=timeout)
    finally:
        if running.poll() is None:
            running.terminate()  # the launcher ends its processes, which have sessions of their own
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, running.returncode, out, err)


def shard_on_a_cpu(state_dict_type: str) -> None:
    """FSDP2 as `fsdp2.yaml` sets it; Accelerate shards on GPUs alone, so a CPU is called one."""
    import torch
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda self, *_, **__: ("gloo", DistributedType.MULTI_GPU)
    os.environ |= {
        "ACCELERATE_TORCH_DEVICE": "cpu",
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_STATE_DICT_TYPE": state_dict_type,
    }
    from mien.train import fit_stage

    given = fit_stage.TrainingArguments
    fit_stage.TrainingArguments = lambda **fields: given(**{**fields, "use_cpu": False})


def break_at(step: int, rank: int) -> None:
    """Has one process meet an unreadable picture in a step."""
    from mien.train.rows import RowsError
    from mien.train.trainer import StageTrainer

    real = StageTrainer.compute_loss

    def breaking(self, *args, **kwargs):
        if self.state.global_step == step and self.args.process_index == rank:
            raise RowsError("toy, row 'toy/7/analysis': 7.png is cut off")
        return real(self, *args, **kwargs)

    StageTrainer.compute_loss = breaking


def main(
    recipe: str,
    out: str,
    sets: list[str],
    fsdp: str | None = None,
    kill: int | None = None,
    broken: tuple[int, int] | None = None,
) -> int:
    """Runs `mien train`.

    Args:
        recipe: the file.
        out: folder of the run.
        sets: changes to the recipe.
        fsdp: how the shared-out checkpoints are written; None trains whole copies.
        kill: step at whose end the process is killed.
        broken: step and process in which a picture cannot be read.
    """
    import torch

    from mien.commands.train import run_train

    from .toy_rows import kill_at

    torch.set_num_threads(1)
    if fsdp is not None:
        shard_on_a_cpu(fsdp)
    if kill is not None:
        kill_at("toy", kill)
    if broken is not None:
        break_at(*broken)
    return run_train(recipe, overrides=sets, out=Path(out), fresh=False, dry_run=False)


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
